//! How much of a cache folder is used, and what goes when it is full.

use std::fs::{DirEntry, Metadata};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::{ENTRY, PART};

/// Age from which a file that was never finished is thrown away.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What a file system's clock may be behind ours: its ticks are of milliseconds, on some of two seconds.
const TICK: Duration = Duration::from_secs(2);

/// The account of a folder's bytes.
#[derive(Debug)]
pub(super) struct Space {
    dir: PathBuf,
    max_bytes: u64,
    used: AtomicU64,
    /// Entries used since then stay.
    opened: SystemTime,
    /// Nothing is left that may go.
    full: AtomicBool,
    evicting: Mutex<()>,
    evicted: AtomicU64,
}

/// An entry as the folder lists it.
struct Listed {
    path: PathBuf,
    used_at: SystemTime,
    bytes: u64,
}

impl Space {
    /// Lists the folder.
    pub(super) fn open(dir: &Path, max_bytes: u64) -> std::io::Result<Self> {
        let now = SystemTime::now();
        let mut used = 0;
        each_entry(dir, |_, metadata| used += metadata.len())?;
        Ok(Self {
            dir: dir.to_owned(),
            max_bytes,
            used: AtomicU64::new(used),
            opened: now.checked_sub(TICK).unwrap_or(now),
            full: AtomicBool::new(false),
            evicting: Mutex::new(()),
            evicted: AtomicU64::new(0),
        })
    }

    /// Takes `bytes` of the allowance; false where there is no room and none can be made.
    pub(super) fn take(&self, bytes: u64) -> std::io::Result<bool> {
        if self.try_take(bytes) {
            return Ok(true);
        }
        if self.full.load(Ordering::Relaxed) || bytes > self.max_bytes {
            return Ok(false);
        }
        let _alone = self.evicting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.try_take(bytes) {
            return Ok(true);
        }
        // A sixteenth at once, so that not every entry has to look for its place.
        self.evict(self.max_bytes - bytes.max(self.max_bytes / 16))?;
        let taken = self.try_take(bytes);
        self.full.store(!taken, Ordering::Relaxed);
        Ok(taken)
    }

    /// Gives bytes back that were taken and not used.
    pub(super) fn give_back(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        // The closure always answers.
        let _ = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Whether an entry was used since the loader was opened.
    pub(super) fn is_recent(&self, used_at: SystemTime) -> bool {
        used_at >= self.opened
    }

    /// Entries removed so far.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn try_take(&self, bytes: u64) -> bool {
        let more = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.max_bytes);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    /// Removes entries, the longest unused first, until at most `goal` bytes are left or all others
    /// are in use. Counts anew, since other processes write too.
    fn evict(&self, goal: u64) -> std::io::Result<()> {
        let mut used = 0;
        let mut idle = Vec::new();
        each_entry(&self.dir, |path, metadata| {
            used += metadata.len();
            let used_at = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if !self.is_recent(used_at) {
                idle.push(Listed {
                    path,
                    used_at,
                    bytes: metadata.len(),
                });
            }
        })?;
        idle.sort_by(|a, b| (a.used_at, &a.path).cmp(&(b.used_at, &b.path)));
        for entry in idle {
            if used <= goal {
                break;
            }
            // Another process may have been faster.
            if std::fs::remove_file(&entry.path).is_ok() {
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
            used = used.saturating_sub(entry.bytes);
        }
        self.used.store(used, Ordering::Relaxed);
        Ok(())
    }
}

/// Calls `f` for every entry; removes what writers that were stopped have left.
fn each_entry(dir: &Path, mut f: impl FnMut(PathBuf, &Metadata)) -> std::io::Result<()> {
    for shelf in std::fs::read_dir(dir)? {
        let shelf = shelf?.path();
        if !is_shelf(&shelf) {
            continue;
        }
        for file in std::fs::read_dir(&shelf)? {
            let file = file?;
            // Gone in the meantime, or unreadable: nothing of ours.
            let Ok(metadata) = file.metadata() else {
                continue;
            };
            match extension(&file).as_deref() {
                Some(ENTRY) => f(file.path(), &metadata),
                Some(PART) if is_abandoned(&metadata) => {
                    // What cannot be removed now is met again.
                    let _ = std::fs::remove_file(file.path());
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Entries lie in folders named after the first two digits of their keys.
fn is_shelf(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.len() == 2 && name.bytes().all(|b| b.is_ascii_hexdigit()))
        && path.is_dir()
}

fn extension(file: &DirEntry) -> Option<String> {
    let name = file.file_name();
    let extension = Path::new(&name).extension()?;
    extension.to_str().map(str::to_owned)
}

fn is_abandoned(metadata: &Metadata) -> bool {
    let age = metadata
        .modified()
        .ok()
        .and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age > ABANDONED)
}
