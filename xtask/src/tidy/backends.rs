//! The binary picks the backend. A library crate that enabled one would force it on everybody.
//!
//! Tests are another matter: `[dev-dependencies]` may enable a backend to run on. So may the projects
//! in `examples/`, which are programs of their own.

use super::{Finding, SourceFile};

/// Features of Burn's crates that bring a backend.
const BACKENDS: &[&str] = &[
    "candle", "cpu", "cuda", "default", "flex", "metal", "ndarray", "remote", "rocm", "tch",
    "vulkan", "webgpu", "wgpu",
];

/// The crate with code for single backends: its feature of a backend's name, off unless asked for,
/// brings that backend.
const KERNELS: &str = "crates/salt-kernels/Cargo.toml";

/// The crate whose features choose the backend.
const CHOOSER: &str = "crates/salt-cli/Cargo.toml";

/// Programs outside the workspace, which choose for themselves.
const EXAMPLES: &str = "examples/";

pub(super) fn findings(files: &[SourceFile]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| file.name() == "Cargo.toml" && file.path != CHOOSER)
        .filter(|file| !file.path.starts_with(EXAMPLES))
        .flat_map(in_manifest)
        .collect()
}

fn in_manifest(file: &SourceFile) -> Vec<Finding> {
    // Invalid TOML is reported once, by the rule about arrows; cargo refuses it anyway.
    let Ok(manifest) = file.text.parse::<toml::Table>() else {
        return Vec::new();
    };
    let shared = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"));
    let own = manifest.get("dependencies");
    let mut findings = Vec::new();
    for (name, value) in [shared, own]
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table)
        .flatten()
    {
        if name != "burn" && !name.starts_with("burn-") {
            continue;
        }
        for feature in strings(value.get("features")) {
            if BACKENDS.contains(&feature) {
                let message =
                    format!("`{name}` with the backend `{feature}`: only salt-cli chooses");
                findings.push(Finding::file(file, message));
            }
        }
        let inherited = value.get("workspace").and_then(toml::Value::as_bool) == Some(true);
        let bare = value.get("default-features").and_then(toml::Value::as_bool) == Some(false);
        if !inherited && !bare {
            let message = format!("`{name}` with its default features: they bring a backend");
            findings.push(Finding::file(file, message));
        }
    }
    let features = manifest.get("features").and_then(toml::Value::as_table);
    for (name, list) in features.into_iter().flatten() {
        for item in strings(Some(list)) {
            let backend = item
                .split_once('/')
                .filter(|(of, _)| of.trim_end_matches('?').starts_with("burn"));
            let kernels_of = (file.path == KERNELS && name != "default").then_some(name.as_str());
            if backend.is_some_and(|(_, feature)| {
                BACKENDS.contains(&feature) && kernels_of != Some(feature)
            }) {
                let message = format!("feature `{name}` enables `{item}`: only salt-cli chooses");
                findings.push(Finding::file(file, message));
            }
        }
    }
    findings
}

fn strings(value: Option<&toml::Value>) -> impl Iterator<Item = &str> {
    let list = value.and_then(toml::Value::as_array);
    list.into_iter().flatten().filter_map(toml::Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::file;

    fn check(path: &str, text: &str, expected: usize) {
        let found = findings(&[file(path, text)]);
        assert_eq!(found.len(), expected, "{text}: {found:?}");
    }

    const LIBRARY: &str = "crates/salt-sam/Cargo.toml";

    #[test]
    fn a_backend_in_dependencies_or_features_is_found() {
        check(
            LIBRARY,
            "[dependencies]\nburn = { workspace = true, features = [\"flex\"] }",
            1,
        );
        check(
            LIBRARY,
            "[features]\ngpu = [\"burn/wgpu\", \"burn-store?/cuda\"]",
            2,
        );
        check(LIBRARY, "[dependencies]\nburn = \"0.22\"", 1);
        check(
            "Cargo.toml",
            "[workspace.dependencies]\nburn = { version = \"1\", features = [\"std\"] }",
            1,
        );
    }

    #[test]
    fn tests_may_have_one_and_the_binary_must() {
        check(
            LIBRARY,
            "[dev-dependencies]\nburn = { workspace = true, features = [\"flex\"] }",
            0,
        );
        check(CHOOSER, "[features]\nwgpu = [\"burn/wgpu\"]", 0);
        check(
            "examples/x/Cargo.toml",
            "[dependencies]\nburn = { version = \"1\", features = [\"flex\"] }",
            0,
        );
    }

    #[test]
    fn kernels_come_with_the_feature_of_their_backend_and_no_other() {
        check(KERNELS, "[features]\nflex = [\"burn/flex\"]", 0);
        check(KERNELS, "[features]\nfast = [\"burn/flex\"]", 1);
        check(KERNELS, "[features]\ndefault = [\"burn/flex\"]", 1);
        check(LIBRARY, "[features]\nflex = [\"burn/flex\"]", 1);
    }

    #[test]
    fn other_features_pass() {
        check(
            LIBRARY,
            "[dependencies]\nburn = { workspace = true, features = [\"autodiff\"] }",
            0,
        );
        check(
            "Cargo.toml",
            "[workspace.dependencies]\nburn = { version = \"1\", default-features = false }",
            0,
        );
    }
}
