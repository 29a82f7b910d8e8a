//! Which crate of this workspace may know which other.
//!
//! [`ARROWS`] is the whole picture: a crate missing from it, or a dependency missing from its
//! line (of any kind: build and test dependencies too), is a finding. So a new arrow is a change of this
//! file, seen in review. A project in `examples/` knows what it shows, and nothing else of ours.

use super::{Finding, SourceFile};

/// Crate, and the crates of this workspace it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("salt-peft", &["salt-kernels"]),
    ("salt-kernels", &[]),
    ("salt-sam", &["salt-kernels"]),
    ("salt-data", &[]),
    ("salt-metrics", &[]),
    (
        "salt-train",
        &[
            "salt-peft",
            "salt-kernels",
            "salt-sam",
            "salt-data",
            "salt-metrics",
        ],
    ),
    (
        "salt-cli",
        &[
            "salt-peft",
            "salt-kernels",
            "salt-sam",
            "salt-data",
            "salt-metrics",
            "salt-train",
        ],
    ),
    ("xtask", &["salt-data", "salt-metrics"]),
    ("cubecl-llvm", &[]),
    ("vit-digits", &["salt-peft"]),
];

/// Crates that are compiled without any tensor library.
const WITHOUT_BURN: &[&str] = &["salt-data", "salt-metrics", "xtask"];

pub(super) fn findings(files: &[SourceFile]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| is_package(file))
        .flat_map(in_manifest)
        .collect()
}

fn is_package(file: &SourceFile) -> bool {
    let folders = file
        .path
        .strip_suffix("/Cargo.toml")
        .map(|path| path.split('/').count());
    match folders {
        Some(1) => file.path.starts_with("xtask/"),
        Some(2) => file.path.starts_with("crates/") || file.path.starts_with("examples/"),
        _ => false,
    }
}

fn in_manifest(file: &SourceFile) -> Vec<Finding> {
    let manifest: toml::Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::file(file, format!("not valid TOML: {error}"))],
    };
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str)
        .unwrap_or_default();
    let Some((_, allowed)) = ARROWS.iter().find(|(member, _)| *member == name) else {
        let message = format!("`{name}` has no line in ARROWS (xtask/src/tidy/arrows.rs)");
        return vec![Finding::file(file, message)];
    };
    let mut findings = Vec::new();
    for dependency in dependencies(&manifest) {
        let ours = ARROWS.iter().any(|(member, _)| *member == dependency);
        if ours && !allowed.contains(&dependency.as_str()) {
            let message = format!("`{name}` must not depend on `{dependency}`");
            findings.push(Finding::file(file, message));
        }
        let burn = dependency == "burn" || dependency.starts_with("burn-");
        if burn && WITHOUT_BURN.contains(&name) {
            let message = format!("`{name}` is built without Burn, and depends on `{dependency}`");
            findings.push(Finding::file(file, message));
        }
    }
    findings
}

/// The names of all packages a manifest depends on, whatever for and on whatever target.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let per_target = manifest.get("target").and_then(toml::Value::as_table);
    let targets = per_target.into_iter().flat_map(|targets| targets.values());
    let tables = std::iter::once(manifest).chain(targets.filter_map(toml::Value::as_table));
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    tables
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)))
        .filter_map(toml::Value::as_table)
        .flatten()
        // `alias = { package = "name" }` depends on `name`.
        .map(|(key, value)| {
            value
                .get("package")
                .and_then(toml::Value::as_str)
                .unwrap_or(key)
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::file;

    fn check(package: &str, dependencies: &str, expected: &[&str]) {
        let text = format!("[package]\nname = \"{package}\"\n{dependencies}");
        let found = findings(&[file("crates/x/Cargo.toml", &text)]);
        let messages: Vec<_> = found
            .iter()
            .map(|finding| finding.message.as_str())
            .collect();
        assert_eq!(messages.len(), expected.len(), "{messages:?}");
        for (message, expected) in messages.iter().zip(expected) {
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn allowed_arrows_pass() {
        check(
            "salt-train",
            "[dependencies]\nsalt-peft.workspace = true\nserde = \"1\"",
            &[],
        );
    }

    #[test]
    fn a_new_arrow_is_found_in_every_kind_of_table() {
        for table in [
            "dependencies",
            "dev-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            let table = format!("[{table}]\nsalt-sam = {{ path = \"../salt-sam\" }}");
            check("salt-peft", &table, &["must not depend on `salt-sam`"]);
        }
    }

    #[test]
    fn an_arrow_under_another_name_is_found() {
        let table = "[dependencies]\nsam = { package = \"salt-sam\", path = \"../salt-sam\" }";
        check("salt-data", table, &["must not depend on `salt-sam`"]);
    }

    #[test]
    fn an_example_is_held_to_what_it_shows() {
        let text = "[package]\nname = \"vit-digits\"\n[dependencies]\nsalt-data.path = \"x\"";
        let found = findings(&[file("examples/x/Cargo.toml", text)]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn an_unlisted_crate_and_a_tensor_library_are_found() {
        check("salt-new", "", &["no line in ARROWS"]);
        check(
            "salt-metrics",
            "[dependencies]\nburn-store = \"1\"",
            &["built without Burn"],
        );
    }

    #[test]
    fn only_manifests_of_packages_are_read() {
        let other = file("Cargo.toml", "not the manifest of a package [[[");
        assert_eq!(findings(&[other]), []);
    }
}
