//! A folder of decompositions already made.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::ThinSvd;
use super::cache_file::{self, Key};
use crate::error::PeftError;

const EXTENSION: &str = "safetensors";
/// What a file is called until it is whole.
const PARTIAL: &str = "part";
/// A partial file this old has no writer any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Decompositions on disk, each under the sha256 of the weight it is of.
///
/// Nothing is written anywhere unless a caller opens a cache and passes it on. Several processes may
/// share a folder: files are written beside and renamed, and two that write the same one write the
/// same bytes. A file that is damaged, cut or foreign is never believed: it is computed anew and replaced.
#[derive(Debug)]
pub struct SvdCache {
    dir: PathBuf,
    report: Mutex<CacheReport>,
}

/// What a cache has done since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheReport {
    /// Decompositions read.
    pub hits: usize,
    /// Decompositions that had to be computed.
    pub misses: usize,
    /// Among the misses, files that were there and could not be used.
    pub unusable: usize,
    /// Decompositions that could not be written; they will have to be computed again.
    pub unwritten: usize,
    /// The first file that could not be used or written, and why.
    pub first_problem: Option<String>,
}

impl fmt::Display for CacheReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} read, {} computed", self.hits, self.misses)?;
        if let Some(problem) = &self.first_problem {
            let (unusable, unwritten) = (self.unusable, self.unwritten);
            write!(
                f,
                "; {unusable} unusable, {unwritten} unwritten, first: {problem}"
            )?;
        }
        Ok(())
    }
}

/// Files and bytes, held or removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUsage {
    /// Number of files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl SvdCache {
    /// Opens a folder, making it if need be. One that can only be read is a cache all the same; what it
    /// could not store is counted in the [report](Self::report).
    ///
    /// # Errors
    /// [`PeftError::Io`] if there is no such folder and none can be made.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, PeftError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(io("create", &dir))?;
        let report = Mutex::default();
        Ok(Self { dir, report })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What was read, computed and could not be used since the cache was opened.
    pub fn report(&self) -> CacheReport {
        self.counts().clone()
    }

    /// The decomposition filed under a key, if it is there and sound.
    pub(super) fn load(&self, key: &Key) -> Option<ThinSvd> {
        let path = self.path(key);
        let read = cache_file::read(&path, key);
        let mut counts = self.counts();
        match read {
            Ok(Some(svd)) => {
                counts.hits += 1;
                return Some(svd);
            }
            Ok(None) => {}
            Err(reason) => {
                counts.unusable += 1;
                note(&mut counts, &path, &reason);
            }
        }
        counts.misses += 1;
        None
    }

    /// Files a decomposition. What goes wrong is counted, since the result is there without the cache.
    pub(super) fn store(&self, key: &Key, svd: &ThinSvd) {
        if let Err(reason) = self.write(key, svd) {
            let mut counts = self.counts();
            counts.unwritten += 1;
            note(&mut counts, &self.path(key), &reason);
        }
    }

    fn write(&self, key: &Key, svd: &ThinSvd) -> Result<(), String> {
        static WRITES: AtomicU64 = AtomicU64::new(0);
        let bytes = cache_file::write(key, svd)?;
        // No two writers share a partial file. It is not synchronised to the disk: after a power failure
        // the checksum tells.
        let write = WRITES.fetch_add(1, Ordering::Relaxed);
        let partial = format!("{}.{}-{write}.{PARTIAL}", key.name, std::process::id());
        let partial = self.dir.join(partial);
        let written =
            fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, self.path(key)));
        written.map_err(|error| {
            // It may not exist; the error to tell is the first one.
            let _ = fs::remove_file(&partial);
            error.to_string()
        })
    }

    /// Files and bytes in the cache.
    ///
    /// # Errors
    /// [`PeftError::Io`] if the folder cannot be listed.
    pub fn usage(&self) -> Result<CacheUsage, PeftError> {
        Ok(total(&self.entries()?))
    }

    /// Removes files, those written longest ago first, until at most `bytes` are left: 0 clears the
    /// cache. Touches nothing in the folder that is not the cache's own. Returns what was removed.
    ///
    /// # Errors
    /// [`PeftError::Io`] if the folder cannot be listed or a file not removed.
    pub fn shrink_to(&self, bytes: u64) -> Result<CacheUsage, PeftError> {
        let mut entries = self.entries()?;
        entries.sort_by(|a, b| (a.written, &a.path).cmp(&(b.written, &b.path)));
        let mut left = total(&entries).bytes;
        let mut removed = CacheUsage::default();
        for entry in entries {
            if left > bytes || entry.is_abandoned {
                remove(&entry.path)?;
                left -= entry.bytes;
                removed.files += 1;
                removed.bytes += entry.bytes;
            }
        }
        Ok(removed)
    }

    /// The cache's own files: whole ones, and partial ones that no process is writing any more.
    fn entries(&self) -> Result<Vec<Entry>, PeftError> {
        let listed = fs::read_dir(&self.dir).map_err(io("read", &self.dir))?;
        let mut entries = Vec::new();
        for file in listed {
            let path = file.map_err(io("read", &self.dir))?.path();
            let Some(is_partial) = own_file(&path) else {
                continue;
            };
            // Another process may have removed it meanwhile.
            let Ok(data) = fs::symlink_metadata(&path) else {
                continue;
            };
            let written = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let is_abandoned = is_partial && written.elapsed().is_ok_and(|age| age > ABANDONED);
            if data.is_file() && (is_abandoned || !is_partial) {
                let bytes = data.len();
                entries.push(Entry {
                    path,
                    bytes,
                    written,
                    is_abandoned,
                });
            }
        }
        Ok(entries)
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(format!("{}.{EXTENSION}", key.name))
    }

    /// A thread that panicked between two additions leaves counts that are still counts.
    fn counts(&self) -> MutexGuard<'_, CacheReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Entry {
    path: PathBuf,
    bytes: u64,
    written: SystemTime,
    is_abandoned: bool,
}

fn total(entries: &[Entry]) -> CacheUsage {
    CacheUsage {
        files: entries.len(),
        bytes: entries.iter().map(|entry| entry.bytes).sum(),
    }
}

/// Whether a path is the cache's own, and then whether it is partial: 64 hex digits and an extension.
fn own_file(path: &Path) -> Option<bool> {
    let name = path.file_name()?.to_str()?;
    let (key, rest) = name.split_once('.')?;
    let is_key = key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    match rest.rsplit_once('.') {
        _ if !is_key => None,
        None if rest == EXTENSION => Some(false),
        Some((_, PARTIAL)) => Some(true),
        _ => None,
    }
}

fn remove(path: &Path) -> Result<(), PeftError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(io("remove", path)),
    }
}

fn note(counts: &mut CacheReport, path: &Path, reason: &str) {
    let problem = || format!("{}: {reason}", path.display());
    counts.first_problem.get_or_insert_with(problem);
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PeftError {
    let path = path.to_path_buf();
    move |source| PeftError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svd::{Need, WeightMatrix, decompose, decompose_all};

    const VALUES: [f32; 12] = [3.0, 0.0, 4.0, 5.0, 1.0, -2.0, 0.5, 7.0, -3.0, 2.0, 2.5, 1.5];

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn matrix() -> WeightMatrix<'static> {
        WeightMatrix::row_major(3, 4, &VALUES)
    }

    fn only_file(cache: &SvdCache) -> PathBuf {
        let entries = cache.entries().expect("listed");
        assert_eq!(entries.len(), 1);
        entries[0].path.clone()
    }

    #[test]
    fn a_hit_has_the_bytes_of_a_fresh_result() {
        let dir = folder();
        let cache = SvdCache::open(dir.path().join("deep/er")).expect("made");
        for need in [Need::Full, Need::Leading(1)] {
            let fresh = decompose(matrix(), need, None).expect("converges");
            for _ in 0..2 {
                assert_eq!(
                    decompose(matrix(), need, Some(&cache)).as_ref(),
                    Some(&fresh)
                );
            }
        }
        let report = cache.report();
        assert_eq!((report.hits, report.misses), (2, 2));
        assert_eq!(report.to_string(), "2 read, 2 computed");
        // All of them is the same need as Full.
        decompose(matrix(), Need::Leading(3), Some(&cache));
        assert_eq!(cache.report().hits, 3);
    }

    #[test]
    fn an_unusable_file_is_replaced_and_counted() {
        let dir = folder();
        let fresh = decompose(matrix(), Need::Full, None);
        let cache = SvdCache::open(dir.path()).expect("made");
        decompose(matrix(), Need::Full, Some(&cache));
        let path = only_file(&cache);
        let whole = fs::read(&path).expect("readable");
        let mut flipped = whole.clone();
        *flipped.last_mut().expect("not empty") ^= 1;
        // A header that announces 2^63 bytes.
        let mut huge = whole.clone();
        huge[..8].copy_from_slice(&(1_u64 << 63).to_le_bytes());
        for content in [
            flipped,
            huge,
            vec![],
            vec![7; whole.len()],
            vec![0; 1 << 20],
        ] {
            fs::write(&path, content).expect("writable");
            let cache = SvdCache::open(dir.path()).expect("there");
            assert_eq!(decompose(matrix(), Need::Full, Some(&cache)), fresh);
            let report = cache.report();
            assert_eq!(
                (report.misses, report.unusable, report.unwritten),
                (1, 1, 0)
            );
            assert!(
                report
                    .first_problem
                    .is_some_and(|p| p.contains(".safetensors: "))
            );
            let reread = decompose(matrix(), Need::Full, Some(&cache));
            assert_eq!((reread, cache.report().hits), (fresh.clone(), 1));
        }
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_the_result_is_there() {
        let dir = folder();
        let cache = SvdCache::open(dir.path().join("gone")).expect("made");
        fs::remove_dir(cache.dir()).expect("empty");
        assert!(decompose(matrix(), Need::Full, Some(&cache)).is_some());
        let report = cache.report();
        assert_eq!((report.misses, report.unwritten), (1, 1));
        assert!(
            report.to_string().contains("1 unwritten, first: "),
            "{report}"
        );
    }

    #[test]
    fn a_file_is_no_folder() {
        let dir = folder();
        let file = dir.path().join("file");
        fs::write(&file, "x").expect("writable");
        let error = SvdCache::open(&file).expect_err("no folder");
        assert!(matches!(
            error,
            PeftError::Io {
                action: "create",
                ..
            }
        ));
    }

    #[test]
    fn shrinking_removes_the_oldest_and_nothing_foreign() {
        let dir = folder();
        let cache = SvdCache::open(dir.path()).expect("made");
        let key = "a".repeat(64);
        let foreign = ["notes.txt", "model.safetensors", &format!("{key}.txt")];
        let fresh_part = format!("{key}.1-0.part");
        let old_part = format!("{key}.1-1.part");
        for name in foreign
            .iter()
            .chain([&fresh_part.as_str(), &old_part.as_str()])
        {
            fs::write(dir.path().join(name), "12345").expect("writable");
        }
        let age = |path: &Path, seconds| {
            let then = SystemTime::now() - Duration::from_secs(seconds);
            let file = fs::File::options().write(true).open(path).expect("there");
            file.set_modified(then).expect("a time");
        };
        age(&dir.path().join(&old_part), 7200);
        decompose(matrix(), Need::Full, Some(&cache));
        let whole = |entry: &Entry| !entry.is_abandoned;
        let first = cache.entries().expect("listed").into_iter().find(whole);
        let first = first.expect("one").path;
        age(&first, 500);
        decompose(matrix(), Need::Leading(1), Some(&cache));
        let before = cache.usage().expect("listed");
        assert_eq!(before.files, 3);
        let removed = cache.shrink_to(before.bytes - 6).expect("removable");
        assert_eq!((removed.files, first.exists()), (2, false));
        assert_eq!(cache.shrink_to(0).expect("removable").files, 1);
        assert_eq!(cache.usage().expect("listed"), CacheUsage::default());
        for name in foreign.iter().chain([&fresh_part.as_str()]) {
            assert!(dir.path().join(name).exists(), "{name}");
        }
    }

    #[test]
    fn writers_side_by_side_leave_whole_files() {
        let dir = folder();
        let caches = [(); 4].map(|()| SvdCache::open(dir.path()).expect("made"));
        let fresh = decompose(matrix(), Need::Full, None);
        let jobs = [(matrix(), Need::Full); 16];
        std::thread::scope(|scope| {
            for cache in &caches {
                scope.spawn(|| {
                    for svd in decompose_all(&jobs, Some(cache)) {
                        assert_eq!(svd, fresh);
                    }
                });
            }
        });
        for cache in &caches {
            let report = cache.report();
            assert_eq!(
                (report.hits + report.misses, report.first_problem),
                (16, None)
            );
        }
        only_file(&caches[0]);
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
    }
}
