//! From a set's name to its prepared folder: terms, download, unpacking, import, split.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::assign::{assign, has_official, usual_split};
use super::complete;
use super::entry::{Access, Archive, DatasetEntry, Variant};
use super::error::RegistryError;
use super::found::FoundCase;
use super::prepare::{self, FORMAT, Prepared, Scratch, Source};
use super::sums::{self, Checked};
use super::tree::Tree;
use crate::archive::{ArchiveError, ExtractLimits, ExtractProgress, extract};
use crate::dataset::Split;
use crate::download::{self, Checksum, FetchOptions, fetch};
use crate::splits::SplitPlan;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct FetchRequest<'a> {
    /// The set.
    pub entry: &'static DatasetEntry,
    /// The way to read it; `None` is the usual one.
    pub variant: Option<&'a str>,
    /// Its splits; `None` is the official one where there is one, and else `seed:0`.
    pub split: Option<SplitPlan>,
    /// Archives, or folders with unpacked files, that the user brings; empty to download.
    pub archives: &'a [PathBuf],
    /// Where downloads are kept.
    pub raw: &'a Path,
    /// The folder to prepare.
    pub out: &'a Path,
    /// Whether the user agrees to terms that are not a public licence.
    pub accept_terms: bool,
    /// Whether an incomplete copy will do.
    pub partial: bool,
    /// How patiently to download.
    pub options: FetchOptions,
}

/// What is going on. The receiver answers [`ControlFlow::Break`] to stop.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stage<'a> {
    /// First of all: what is allowed, and whom to cite.
    Terms(&'static DatasetEntry),
    /// An archive comes in.
    Download {
        /// Its name.
        file: &'static str,
        /// How far it is.
        progress: download::Progress<'a>,
    },
    /// A brought archive is not the one that was published; its layout decides whether it will do.
    NotAsPublished {
        /// The archive.
        path: &'a Path,
    },
    /// The folder was prepared before in the same way: its files are compared with their checksums.
    Check {
        /// The folder.
        path: &'a Path,
        /// Files compared.
        done: usize,
        /// Files in all.
        of: usize,
    },
    /// That is done, and nothing is to be done.
    There {
        /// The folder.
        path: &'a Path,
        /// What was compared.
        checked: Checked,
    },
    /// The set has an official split, but the files do not hold all that it needs, and another one is drawn.
    NotOfficial {
        /// The official split in words.
        official: &'static str,
        /// What is taken.
        plan: SplitPlan,
    },
    /// An archive is unpacked.
    Unpack {
        /// The archive.
        path: &'a Path,
        /// How far it is.
        progress: ExtractProgress,
    },
    /// An importer reads pixels out of arrays or volumes.
    Import {
        /// Pictures or volumes read.
        done: usize,
        /// Pictures or volumes in all.
        of: usize,
    },
    /// Cases are written.
    Prepare {
        /// Cases written.
        done: usize,
        /// Cases in all.
        of: usize,
    },
}

/// Receives [`Stage`] and says whether to go on.
pub type Report<'a> = dyn FnMut(Stage<'_>) -> ControlFlow<()> + 'a;

/// Fetches, unpacks, imports and splits a set. A folder that was prepared in the same way is checked and left as it
/// is.
///
/// # Errors
/// [`RegistryError`]: every variant says what was expected, what was received and what to do. Downloads go on where
/// they were; nothing half-done stays in the prepared folder's place.
pub fn fetch_dataset(
    request: &FetchRequest<'_>,
    report: &mut Report<'_>,
) -> Result<Prepared, RegistryError> {
    let entry = request.entry;
    let variant = entry.variant(request.variant)?;
    if report(Stage::Terms(entry)).is_break() {
        return Err(RegistryError::Stopped);
    }
    let mut record = record(request, &variant);
    if let Some(there) = already(request, &record, report)? {
        return Ok(there);
    }
    let scratch = Scratch::alone_beside(request.out, "unpacked")?;
    let (roots, sources) = gather(request, scratch.path(), report)?;
    let tree = Tree::read(entry.name, &roots, request.partial, scratch.path())?;
    let cases = (entry.import)(&tree, &variant, &mut |done, of| {
        go_on(report(Stage::Import { done, of }))
    })?;
    complete::check(entry, &variant, &cases, request.partial)?;
    let plan = request.split.unwrap_or_else(|| usual_split(&cases));
    if let (None, Some(official), false) = (request.split, entry.official, has_official(&cases)) {
        go_on(report(Stage::NotOfficial { official, plan }))?;
    }
    let splits = assign(entry, &cases, plan)?;
    let mut counts = BTreeMap::new();
    for split in splits.iter().flatten() {
        *counts.entry(*split).or_default() += 1;
    }
    record.sources = sources;
    record.split = plan.to_string();
    record.left_out = splits.iter().filter(|split| split.is_none()).count();
    record.splits = counts;
    let cases: Vec<(FoundCase, Option<Split>)> = cases.into_iter().zip(splits).collect();
    prepare::write(
        &cases,
        &record,
        request.out,
        scratch.path(),
        &mut |done, of| report(Stage::Prepare { done, of }),
    )?;
    Ok(record)
}

/// What the prepared folder will say of itself, as far as the request tells.
fn record(request: &FetchRequest<'_>, variant: &Variant) -> Prepared {
    let entry = request.entry;
    let classes = entry.classes_of(variant).iter();
    Prepared {
        format: FORMAT,
        name: entry.name.to_owned(),
        title: entry.title.to_owned(),
        variant: variant.name.to_owned(),
        split: request
            .split
            .map_or_else(String::new, |plan| plan.to_string()),
        partial: request.partial,
        classes: classes.map(|&class| class.to_owned()).collect(),
        licence: entry.licence.name.to_owned(),
        terms: entry.licence.terms.to_owned(),
        citation: entry.citation.to_owned(),
        home: entry.home.to_owned(),
        sources: Vec::new(),
        splits: BTreeMap::new(),
        left_out: 0,
    }
}

/// What is in the folder already, when it is what was asked for and its files are as they were.
fn already(
    request: &FetchRequest<'_>,
    wanted: &Prepared,
    report: &mut Report<'_>,
) -> Result<Option<Prepared>, RegistryError> {
    let out = request.out;
    let is_empty = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RegistryError::io("list", out)(error)),
    };
    if is_empty {
        return Ok(None);
    }
    let other = |received: String| RegistryError::OtherPreparation {
        path: out.to_owned(),
        received,
    };
    let there = Prepared::read(out).ok_or_else(|| other("a folder with other files".to_owned()))?;
    let mut wanted = wanted.clone();
    if request.split.is_none() {
        wanted.split.clone_from(&there.split);
    }
    if there.answers(&wanted) {
        let checked = sums::check(out, &mut |done, of| {
            go_on(report(Stage::Check {
                path: out,
                done,
                of,
            }))
        })?;
        go_on(report(Stage::There { path: out, checked }))?;
        return Ok(Some(there));
    }
    Err(other(format!(
        "{}, variant {}, split {}{}, of format {}",
        there.name,
        there.variant,
        there.split,
        if there.partial { ", partial" } else { "" },
        there.format
    )))
}

/// Folders with unpacked files, and what they came from.
fn gather(
    request: &FetchRequest<'_>,
    scratch: &Path,
    report: &mut Report<'_>,
) -> Result<(Vec<PathBuf>, Vec<Source>), RegistryError> {
    let entry = request.entry;
    let folder = request.raw.join(entry.name);
    let brought: Vec<PathBuf> = if request.archives.is_empty() {
        match entry.access {
            Access::ByHand { how, archives } => {
                // Whoever has put them where downloads are kept has brought them as well.
                let there = archives
                    .iter()
                    .map(|archive| folder.join(archive.file_name));
                let there: Vec<PathBuf> = there.filter(|path| path.is_file()).collect();
                if there.is_empty() {
                    let set = entry.name;
                    return Err(RegistryError::ByHand { set, how });
                }
                there
            }
            Access::Automatic(archives) | Access::Unpack(archives) => {
                download(request, archives, &folder, report)?
            }
        }
    } else {
        request.archives.to_vec()
    };
    if let (Access::Unpack(_), [path, ..], []) = (entry.access, &brought[..], request.archives) {
        return Err(RegistryError::Unpack {
            set: entry.name,
            path: path.clone(),
        });
    }
    let (mut roots, mut sources) = (Vec::new(), Vec::new());
    for path in &brought {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let file = name.to_string_lossy().into_owned();
        if path.is_dir() {
            roots.push(path.clone());
            sources.push(Source {
                file,
                sha256: None,
                as_published: false,
            });
            continue;
        }
        if !path.is_file() {
            return Err(RegistryError::MissingArchive { path: path.clone() });
        }
        let (sha256, as_published) = provenance(entry, path, report)?;
        if !as_published && !entry.access.archives().is_empty() {
            go_on(report(Stage::NotAsPublished { path }))?;
        }
        if path.extension().is_some_and(|extension| extension == "npz") {
            // Read where it is, an array at a time.
            roots.push(path.clone());
        } else {
            let root = scratch.join(roots.len().to_string());
            unpack(path, &root, report)?;
            roots.extend(unpack_nested(entry, &root, report)?);
            roots.push(root);
        }
        sources.push(Source {
            file,
            sha256: Some(sha256),
            as_published,
        });
    }
    Ok((roots, sources))
}

fn go_on(answer: ControlFlow<()>) -> Result<(), RegistryError> {
    match answer {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(RegistryError::Stopped),
    }
}

fn download(
    request: &FetchRequest<'_>,
    archives: &[Archive],
    folder: &Path,
    report: &mut Report<'_>,
) -> Result<Vec<PathBuf>, RegistryError> {
    let entry = request.entry;
    if !entry.licence.open && !request.accept_terms {
        return Err(RegistryError::TermsNotAccepted {
            set: entry.name,
            licence: entry.licence.name,
            terms: entry.licence.terms,
            home: entry.home,
        });
    }
    let mut fetched = Vec::new();
    for archive in archives {
        // An entry of the registry that is not by hand has an address and a checksum: a test holds it to that.
        let Some(remote) = archive.remote() else {
            continue;
        };
        let file = archive.file_name;
        let path = fetch(&remote, folder, &request.options, &mut |progress| {
            report(Stage::Download { file, progress })
        });
        fetched.push(path?);
    }
    Ok(fetched)
}

/// SHA-256 of an archive, and whether its content is that of one of the set's. It is read once for each kind of
/// checksum, however many archives the set has.
fn provenance(
    entry: &DatasetEntry,
    path: &Path,
    report: &mut Report<'_>,
) -> Result<(String, bool), RegistryError> {
    let archives = entry.access.archives();
    let named = |archive: &&Archive| {
        path.file_name()
            .is_some_and(|name| name == archive.file_name)
    };
    let file = archives
        .iter()
        .find(named)
        .map_or(entry.name, |archive| archive.file_name);
    let mut read = |kind| {
        download::digits_of(kind, path, &mut |progress| {
            report(Stage::Download { file, progress })
        })
    };
    let sha256 = read(Checksum::Sha256(""))?;
    let mut md5 = None;
    for checksum in archives.iter().filter_map(|archive| archive.checksum) {
        let received = match (checksum, &mut md5) {
            (Checksum::Sha256(_), _) => &sha256,
            (Checksum::Md5(_), Some(known)) => known,
            (Checksum::Md5(_), unknown) => unknown.insert(read(checksum)?),
        };
        if received.eq_ignore_ascii_case(checksum.hex()) {
            return Ok((sha256, true));
        }
    }
    Ok((sha256, false))
}

fn unpack(archive: &Path, into: &Path, report: &mut Report<'_>) -> Result<(), RegistryError> {
    let unpacked = extract(archive, into, &ExtractLimits::default(), &mut |progress| {
        report(Stage::Unpack {
            path: archive,
            progress,
        })
    });
    match unpacked {
        Ok(_) => Ok(()),
        Err(ArchiveError::Stopped { .. }) => Err(RegistryError::Stopped),
        Err(error) => Err(error.into()),
    }
}

/// Some publishers wrap the set's archives in another one: those are unpacked too, one level deep.
fn unpack_nested(
    entry: &DatasetEntry,
    root: &Path,
    report: &mut Report<'_>,
) -> Result<Vec<PathBuf>, RegistryError> {
    let tree = Tree::read(entry.name, &[root.to_owned()], false, root)?;
    let names: BTreeSet<&str> = entry
        .access
        .archives()
        .iter()
        .map(|a| a.file_name)
        .collect();
    let mut roots = Vec::new();
    for file in tree.files() {
        if names.contains(file.name.as_str()) {
            let into = root.with_extension(format!("nested{}", roots.len()));
            unpack(&file.path, &into, report)?;
            roots.push(into);
        }
    }
    Ok(roots)
}
