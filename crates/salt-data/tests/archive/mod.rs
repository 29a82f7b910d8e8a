//! Archives that are good, and archives that were made to do harm.

mod good;
mod limits;
mod python;
mod refused_tar;
mod refused_zip;
mod refused_zip_entries;
mod stopped;
mod tar_bytes;
mod zip_bytes;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use salt_data::archive::{ArchiveError, ExtractLimits, Extracted, extract};

/// A folder with one archive in it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    archive: PathBuf,
    limits: ExtractLimits,
}

impl Place {
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let archive = folder.path().join(name);
        std::fs::write(&archive, bytes).expect("written");
        Self {
            folder,
            archive,
            limits: ExtractLimits::default(),
        }
    }

    pub(crate) fn limits(mut self, limits: ExtractLimits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.path().join("out")
    }

    pub(crate) fn try_extract(&self) -> Result<Extracted, ArchiveError> {
        let into = self.target();
        extract(&self.archive, &into, &self.limits, &mut |_| {
            ControlFlow::Continue(())
        })
    }

    /// Everything comes out, and nothing else is there.
    pub(crate) fn extracted(&self) -> (Extracted, BTreeMap<String, Vec<u8>>) {
        let before = listing(self.path());
        let extracted = self.try_extract().expect("a good archive");
        let out = listing(&self.target());
        let mut after = listing(self.path());
        after.retain(|name, _| name != "out/" && !name.starts_with("out/"));
        assert_eq!(before, after, "something was written beside the target");
        let files = out.keys().filter(|name| !name.ends_with('/')).count();
        assert_eq!(files as u64, extracted.files);
        let bytes: usize = out.values().map(Vec::len).sum();
        assert_eq!(bytes as u64, extracted.bytes);
        (extracted, out)
    }

    /// Nothing comes out, and nothing is left or changed.
    pub(crate) fn refused(&self) -> ArchiveError {
        let before = listing(self.path());
        let error = self.try_extract().expect_err("a bad archive");
        assert_eq!(before, listing(self.path()), "{error}");
        assert!(!self.target().exists(), "{error}");
        let message = error.to_string();
        assert!(message.starts_with("expected "), "{message}");
        assert!(message.contains(", received"), "{message}");
        assert!(!error.remedy().is_empty(), "{message}");
        assert!(!message.contains(char::is_control), "{message:?}");
        assert!(message.contains(&self.path().display().to_string()));
        error
    }
}

/// Paths below `folder` with their content; folders end with a slash and have none.
pub(crate) fn listing(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut paths = BTreeMap::new();
    for entry in walkdir::WalkDir::new(folder).min_depth(1) {
        let entry = entry.expect("readable");
        let name = entry.path().strip_prefix(folder).expect("below it");
        let name = name.to_str().expect("UTF-8").to_owned();
        let kind = entry.file_type();
        assert!(kind.is_dir() || kind.is_file(), "{name} is neither");
        match kind.is_dir() {
            true => paths.insert(format!("{name}/"), Vec::new()),
            false => paths.insert(name, std::fs::read(entry.path()).expect("readable")),
        };
    }
    paths
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

/// Asserts the variant of an error, and shows the error when it is another.
macro_rules! assert_refused {
    ($name:expr, $place:expr, $pattern:pat $(if $guard:expr)?) => {{
        let error = $place.refused();
        assert!(
            matches!(&error, $pattern $(if $guard)?),
            "{}: expected {}, received {error:?}",
            $name,
            stringify!($pattern $(if $guard)?)
        );
    }};
}
pub(crate) use assert_refused;
