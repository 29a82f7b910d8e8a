//! Archives that are made here, and what becomes of them.

use std::io::{Cursor, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use salt_data::download::FetchOptions;
use salt_data::registry::{
    FetchRequest, Narration, Prepared, RegistryError, Stage, by_name, fetch_dataset,
};
use salt_data::verify::{Severity, verify};
use salt_data::{Dataset, LoadedCase, Split};

/// A file of an archive.
pub(super) type Entry = (String, Vec<u8>);

pub(super) fn zip(entries: Vec<Entry>) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in entries {
        writer.start_file(name, options).expect("started");
        writer.write_all(&bytes).expect("written");
    }
    writer.finish().expect("finished").into_inner()
}

pub(super) fn tar(entries: Vec<Entry>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, bytes.as_slice())
            .expect("written");
    }
    builder.into_inner().expect("finished")
}

/// A folder with archives and what is prepared from them.
pub(super) struct Made {
    dir: tempfile::TempDir,
    archives: Vec<PathBuf>,
}

/// How a set is asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Ask<'a> {
    pub(super) variant: Option<&'a str>,
    pub(super) split: Option<&'a str>,
    /// Tiny copies are incomplete, unless every case was made.
    pub(super) partial: bool,
}

pub(super) const PART: Ask<'static> = Ask {
    variant: None,
    split: None,
    partial: true,
};

impl Made {
    pub(super) fn new(archives: Vec<(&str, Vec<u8>)>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let archives = archives
            .into_iter()
            .map(|(name, bytes)| {
                let path = dir.path().join(name);
                std::fs::write(&path, bytes).expect("written");
                path
            })
            .collect();
        Self { dir, archives }
    }

    /// The same files, unpacked.
    pub(super) fn folder(entries: Vec<Entry>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path().join("unpacked");
        for (name, bytes) in entries {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            std::fs::write(path, bytes).expect("written");
        }
        let archives = vec![root];
        Self { dir, archives }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn out(&self) -> PathBuf {
        self.dir.path().join("prepared/set")
    }

    pub(super) fn fetch(&self, name: &str, ask: Ask<'_>) -> Result<Prepared, RegistryError> {
        prepare(name, &self.archives, self.path(), &self.out(), ask)
    }

    /// The same, and the lines that a user reads.
    pub(super) fn told(&self, name: &str, ask: Ask<'_>) -> (Prepared, String) {
        let (mut narration, mut lines) = (Narration::new(), Vec::new());
        let tell = &mut |stage: Stage<'_>| lines.extend(narration.line(&stage));
        let record = telling(name, &self.archives, self.path(), &self.out(), ask, tell);
        (record.expect("prepared"), lines.join("\n"))
    }

    /// Prepares, opens and verifies a set without errors.
    pub(super) fn prepared(&self, name: &str, ask: Ask<'_>) -> (Prepared, Dataset) {
        let record = self
            .fetch(name, ask)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        // Nothing is left beside it.
        let parent = self.out();
        let parent = parent.parent().expect("a folder");
        let names: Vec<_> = std::fs::read_dir(parent)
            .expect("listed")
            .flatten()
            .map(|e| e.file_name())
            .collect();
        assert_eq!(names, ["set"], "{name}");
        let set = Dataset::open(&self.out()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let report = verify(&self.out());
        let errors: Vec<_> = report
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        (record, set)
    }
}

pub(super) fn prepare(
    name: &str,
    archives: &[PathBuf],
    raw: &Path,
    out: &Path,
    ask: Ask<'_>,
) -> Result<Prepared, RegistryError> {
    telling(name, archives, raw, out, ask, &mut |_| ())
}

fn telling(
    name: &str,
    archives: &[PathBuf],
    raw: &Path,
    out: &Path,
    ask: Ask<'_>,
    tell: &mut dyn FnMut(Stage<'_>),
) -> Result<Prepared, RegistryError> {
    let request = FetchRequest {
        entry: by_name(name)?,
        variant: ask.variant,
        split: ask.split.map(|split| split.parse().expect("a split")),
        archives,
        raw: &raw.join("raw"),
        out,
        accept_terms: false,
        partial: ask.partial,
        // Nothing here may reach a network.
        options: FetchOptions {
            offline: true,
            ..FetchOptions::default()
        },
    };
    fetch_dataset(&request, &mut |stage| {
        tell(stage);
        ControlFlow::Continue(())
    })
}

/// Numbers of training, validation and test cases.
pub(super) fn counts(set: &Dataset) -> [usize; 3] {
    Split::ALL.map(|split| set.split(split).len())
}

/// Number of foreground pixels of a case.
pub(super) fn foreground(case: &LoadedCase) -> usize {
    case.labels
        .classes
        .iter()
        .filter(|&&class| class > 0)
        .count()
}

/// The case of that name, loaded.
pub(super) fn load(set: &Dataset, id: &str) -> LoadedCase {
    let ids = || {
        set.cases
            .iter()
            .map(|case| case.id.as_str())
            .collect::<Vec<_>>()
    };
    let case = set.cases.iter().find(|case| case.id == id);
    let case = case.unwrap_or_else(|| panic!("no {id} among {:?}", ids()));
    set.load(case).expect("loads")
}
