//! The program that runs the cells: built with the chosen backend, and never linked here.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use sha2::{Digest as _, Sha256};

use crate::workspace;

/// The base that comes with the program, from the repository root.
const EMBEDDED_BASE: &str = "crates/salt-sam/assets/sam_nano.safetensors";

/// What the cells run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// CPU, the default.
    Flex,
    /// CPU, the older backend.
    Ndarray,
    /// Any GPU through wgpu.
    Wgpu,
    /// Any GPU through Vulkan.
    Vulkan,
    /// NVIDIA GPUs.
    Cuda,
}

impl Backend {
    /// The name as feature of salt-cli.
    pub(crate) fn feature(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Vulkan => "vulkan",
            Self::Cuda => "cuda",
        }
    }

    /// The name as `--device` of `salt`.
    pub(crate) fn device(self) -> &'static str {
        match self {
            Self::Cuda => "cuda:0",
            other => other.feature(),
        }
    }
}

/// Build `salt` for a backend and say where it is.
pub(crate) fn build(backend: Backend) -> anyhow::Result<PathBuf> {
    let mut command = workspace::cargo();
    command.args(["build", "--release", "--package", "salt-cli"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    if backend != Backend::Flex {
        command.args(["--features", backend.feature()]);
    }
    eprintln!(
        "Building salt for {} (the first build takes minutes) ...",
        backend.feature()
    );
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!(
            "building salt {}; the messages are above",
            workspace::ended(output.status)
        );
    }
    let messages = String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?;
    executable(&messages).context("cargo built salt without saying where the program is")
}

/// The program in cargo's messages, one JSON document a line.
fn executable(messages: &str) -> Option<PathBuf> {
    let documents = messages
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let of_salt = |document: &serde_json::Value| {
        document["reason"] == "compiler-artifact" && document["target"]["name"] == "salt"
    };
    let path = documents
        .filter(of_salt)
        .find_map(|document: serde_json::Value| document["executable"].as_str().map(PathBuf::from));
    path.filter(|path| !path.as_os_str().is_empty())
}

/// SHA-256 of the base that cells start from, hexadecimal.
pub(crate) fn base_sha256(base: Option<&Path>) -> anyhow::Result<String> {
    let path = base.map_or_else(|| workspace::root().join(EMBEDDED_BASE), Path::to_owned);
    let digest =
        digest(&path).with_context(|| format!("cannot read the base {}", path.display()))?;
    Ok(hex(&digest))
}

/// What the program is made of: the bytes of `--salt PROGRAM`, or of the sources and the lock file that it is built from.
/// The same on every machine that has the same sources; documentation and tests do not count.
pub(crate) fn program_sha256(salt: Option<&Path>) -> anyhow::Result<String> {
    if let Some(program) = salt {
        let digest = digest(program)
            .with_context(|| format!("cannot read the program {}", program.display()))?;
        return Ok(hex(&digest));
    }
    let root = workspace::root();
    let mut hasher = Sha256::new();
    for path in sources(&root)? {
        let name = path.strip_prefix(&root).unwrap_or(&path);
        let digest = digest(&path).with_context(|| format!("cannot read {}", path.display()))?;
        hasher.update(name.to_string_lossy().replace('\\', "/"));
        hasher.update(digest);
    }
    Ok(hex(&hasher.finalize()))
}

/// Every file that the compiler reads for `salt`, in order.
fn sources(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = vec![root.join("Cargo.toml"), root.join("Cargo.lock")];
    let mut folders = vec![root.join("crates")];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("cannot list {}", folder.display()))?
                .path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if !["tests", "examples", "assets", "target"].contains(&&*name) {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") || name == "Cargo.toml" {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A base may be gigabytes: it is read in pieces.
fn digest(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finalize().to_vec()),
            n => hasher.update(&piece[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargo_s_messages() {
        let messages = concat!(
            "not json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"salt"},"executable":"/t/release/salt"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable(messages), Some(PathBuf::from("/t/release/salt")));
        assert_eq!(executable(""), None);
    }

    #[test]
    fn the_hash_of_a_base_is_sha256() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("base");
        fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(base_sha256(Some(&path)).unwrap(), expected);
        let error = base_sha256(Some(&tmp.path().join("missing"))).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }

    #[test]
    fn the_program_is_its_sources_without_tests_and_documents() {
        let tmp = tempfile::tempdir().unwrap();
        for name in [
            "Cargo.toml",
            "Cargo.lock",
            "crates/a/src/lib.rs",
            "crates/a/tests/main.rs",
            "crates/a/README.md",
        ] {
            let path = tmp.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let found = sources(tmp.path()).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(tmp.path()).unwrap())
            .collect();
        assert_eq!(
            names,
            ["Cargo.lock", "Cargo.toml", "crates/a/src/lib.rs"].map(Path::new)
        );
        assert_eq!(program_sha256(None).unwrap().len(), 64);
    }

    #[test]
    fn features_are_names_of_salt_cli() {
        let manifest = fs::read_to_string(workspace::root().join("crates/salt-cli/Cargo.toml"));
        let manifest: toml::Table = manifest.unwrap().parse().unwrap();
        for backend in Backend::value_variants() {
            assert!(
                manifest["features"].get(backend.feature()).is_some(),
                "{backend:?}"
            );
        }
    }
}
