//! The name of a cached case: a hash of everything its pixels depend on.

use std::fmt::Write as _;
use std::fs::Metadata;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::dataset::{Case, Dataset};
use crate::error::DataError;

use crate::view::View;

/// Version of the entries. It rises with the layout of the file, and whenever decoding, the rules of
/// labels or resizing give a file other pixels: what older programs stored is then not found any more.
pub(super) const VERSION: u32 = 1;

/// BLAKE3 of the version, the label rule, the view's scale, the image file and the mask file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) [u8; 32]);

impl Key {
    /// In lower-case hexadecimal.
    pub(super) fn hex(&self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// What the pixels of a prepared case depend on beside its two files.
fn settings(dataset: &Dataset, view: &View) -> String {
    let scale = match *view {
        View::Resize { image_size } => format!("longest side {image_size}"),
        View::Tiles { scale, .. } => format!("scale {:016x}", scale.to_bits()),
    };
    let (rule, normalise) = (&dataset.label_rule, dataset.normalise);
    format!("version {VERSION}; {rule:?}; {normalise:?}; {scale}")
}

/// The keys of a loader's cases.
///
/// The files of a case are read and hashed when it is first asked for. After that its key is believed
/// as long as size, times of modification and change, and number (inode) of both files stay the same, and if
/// the files were older than [`SETTLED`] when they were hashed, since a clock may give two writes in a row
/// the same time. Nothing of this outlives the loader.
#[derive(Debug)]
pub(super) struct Keys {
    settings: String,
    /// Filled in advance, so that memory does not grow while an epoch runs.
    known: Mutex<Vec<Option<Known>>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    stamp: Stamp,
    key: Key,
}

/// Age from which a file's times tell whether it was written again.
const SETTLED: Duration = Duration::from_secs(2);

/// The state of a case's two files without reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    /// The first bytes of a hash over sizes, times and numbers.
    digest: [u8; 16],
    settled: bool,
}

impl Keys {
    pub(super) fn new(dataset: &Dataset, view: &View) -> Self {
        Self {
            settings: settings(dataset, view),
            known: Mutex::new(vec![None; dataset.cases.len()]),
        }
    }

    /// The key of case `index`.
    pub(super) fn of(&self, index: usize, case: &Case) -> Result<Key, DataError> {
        let stamp = stamp(case)?;
        let known = self.lock().get(index).copied().flatten();
        if let Some(known) = known
            && known.stamp == stamp
            && stamp.settled
        {
            return Ok(known.key);
        }
        let key = self.hash(case)?;
        if let Some(place) = self.lock().get_mut(index) {
            *place = Some(Known { stamp, key });
        }
        Ok(key)
    }

    /// Whether a case's files, read after [`Keys::of`] was asked, still were those of `key`.
    pub(super) fn still(&self, index: usize, case: &Case, key: Key) -> bool {
        self.of(index, case).is_ok_and(|now| now == key)
    }

    fn hash(&self, case: &Case) -> Result<Key, DataError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.settings.as_bytes());
        for path in [&case.image, &case.mask] {
            hasher.update(file_hash(path)?.as_bytes());
        }
        Ok(Key(*hasher.finalize().as_bytes()))
    }

    /// A panic of another worker leaves no entry half written.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Option<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn file_hash(path: &Path) -> Result<blake3::Hash, DataError> {
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    Ok(blake3::hash(&bytes))
}

fn stamp(case: &Case) -> Result<Stamp, DataError> {
    let mut hasher = blake3::Hasher::new();
    let mut settled = true;
    let before = SystemTime::now().checked_sub(SETTLED);
    for path in [&case.image, &case.mask] {
        let metadata = std::fs::metadata(path).map_err(DataError::io("read", path))?;
        let modified = metadata.modified().map_err(DataError::io("read", path))?;
        settled &=
            before.is_some_and(|before| modified < before && changed_before(&metadata, before));
        hasher.update(&metadata.len().to_le_bytes());
        hasher.update(&nanoseconds(modified).to_le_bytes());
        identity(&metadata, &mut hasher);
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Ok(Stamp { digest, settled })
}

/// Since 1970; a time before that is 0, which only makes the file unknown more often.
fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos())
}

/// The time of change, which no program can set back, and the file's number.
#[cfg(unix)]
fn identity(metadata: &Metadata, hasher: &mut blake3::Hasher) {
    use std::os::unix::fs::MetadataExt as _;
    let numbers = [metadata.ctime(), metadata.ctime_nsec()];
    numbers.iter().for_each(|n| {
        hasher.update(&n.to_le_bytes());
    });
    hasher.update(&metadata.dev().to_le_bytes());
    hasher.update(&metadata.ino().to_le_bytes());
}

#[cfg(not(unix))]
fn identity(_: &Metadata, _: &mut blake3::Hasher) {}

#[cfg(unix)]
fn changed_before(metadata: &Metadata, time: SystemTime) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let limit = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    u64::try_from(metadata.ctime()).is_ok_and(|changed| changed < limit)
}

#[cfg(not(unix))]
fn changed_before(_: &Metadata, _: SystemTime) -> bool {
    true
}
