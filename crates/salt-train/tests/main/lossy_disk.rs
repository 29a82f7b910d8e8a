//! A disk in memory that loses what was not synced.
//!
//! A file's bytes are safe once it has been synced, a change of names (create, rename, remove) once its folder has.
//! After a power cut any of the changes of names that were not safe may have been kept, each on its own; of the
//! bytes that were not, none, half, all, or as many zeros.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use salt_train::durable::{Files, OpenFile};

/// Bytes of a file: those that are safe, and all.
#[derive(Clone, Debug, Default)]
struct Content {
    safe: Vec<u8>,
    now: Vec<u8>,
}

type Names = BTreeMap<PathBuf, usize>;

/// A name is given to a file, or to none.
type Change = (PathBuf, Option<usize>);

#[derive(Clone, Debug, Default)]
struct State {
    contents: Vec<Content>,
    /// Names that are safe, and all.
    safe: Names,
    now: Names,
    /// Operations since the folder was synced, in order.
    pending: Vec<Vec<Change>>,
}

/// A disk in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct LossyDisk(Arc<Mutex<State>>);

/// What a power cut does to bytes that were not synced.
#[derive(Clone, Copy, Debug)]
enum Unsafe {
    Lost,
    Halved,
    Kept,
    Zeroed,
}

impl LossyDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Every disk that may be found after a power cut now.
    pub(crate) fn after_power_cut(&self) -> Vec<Self> {
        let state = self.state();
        let subsets = 0..1_u32 << state.pending.len();
        let kinds = [Unsafe::Lost, Unsafe::Halved, Unsafe::Kept, Unsafe::Zeroed];
        let cases = subsets.flat_map(|kept| kinds.map(|kind| (kept, kind)));
        cases.map(|(kept, kind)| state.cut(kept, kind)).collect()
    }
}

impl State {
    fn cut(&self, kept: u32, kind: Unsafe) -> LossyDisk {
        let mut names = self.safe.clone();
        for (i, changes) in self.pending.iter().enumerate() {
            if kept >> i & 1 == 1 {
                apply(&mut names, changes);
            }
        }
        let contents = self.contents.iter().map(|content| {
            let Content { safe, now } = content;
            let mut bytes = match kind {
                Unsafe::Lost => safe.clone(),
                Unsafe::Halved => now[..safe.len().midpoint(now.len())].to_vec(),
                Unsafe::Kept | Unsafe::Zeroed => now.clone(),
            };
            if matches!(kind, Unsafe::Zeroed) {
                bytes[safe.len()..].fill(0);
            }
            Content {
                safe: bytes.clone(),
                now: bytes,
            }
        });
        LossyDisk(Arc::new(Mutex::new(Self {
            contents: contents.collect(),
            safe: names.clone(),
            now: names,
            pending: Vec::new(),
        })))
    }

    fn change(&mut self, changes: Vec<Change>) {
        apply(&mut self.now, &changes);
        self.pending.push(changes);
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.now
            .get(path)
            .copied()
            .ok_or_else(|| ErrorKind::NotFound.into())
    }
}

fn apply(names: &mut Names, changes: &[Change]) {
    for (path, file) in changes {
        match file {
            Some(file) => names.insert(path.clone(), *file),
            None => names.remove(path),
        };
    }
}

impl Files for LossyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let mut state = self.state();
        let file = state.contents.len();
        state.contents.push(Content::default());
        state.change(vec![(path.to_owned(), Some(file))]);
        Ok(Box::new(LossyFile {
            disk: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let file = state.find(from)?;
        state.change(vec![(to.to_owned(), Some(file)), (from.to_owned(), None)]);
        Ok(())
    }

    /// The disk has one folder.
    fn sync(&self, _path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.safe = state.now.clone();
        state.pending.clear();
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.find(path)?;
        state.change(vec![(path.to_owned(), None)]);
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let names = state
            .now
            .keys()
            .filter_map(|path| path.strip_prefix(folder).ok());
        Ok(names.map(|name| name.display().to_string()).collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        Ok(state.contents[state.find(path)?].now.clone())
    }
}

struct LossyFile {
    disk: LossyDisk,
    file: usize,
}

impl OpenFile for LossyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.state().contents[self.file].now.extend(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let content = &mut self.disk.state().contents[self.file];
        content.safe = content.now.clone();
        Ok(())
    }
}

#[test]
fn what_was_not_synced_may_be_lost_and_what_was_is_not() {
    let disk = LossyDisk::default();
    let path = Path::new("d/f");
    let found = |disk: &LossyDisk| {
        let mut found: Vec<_> = disk
            .after_power_cut()
            .iter()
            .map(|d| d.read(path).ok())
            .collect();
        found.sort();
        found.dedup();
        found
    };
    let mut file = disk.create(path).unwrap();
    file.write(b"ab").unwrap();
    let bytes = [&b""[..], b"\0\0", b"a", b"ab"].map(|bytes| Some(bytes.to_vec()));
    assert_eq!(found(&disk), [&[None], &bytes[..]].concat());
    disk.sync(Path::new("d")).unwrap();
    assert_eq!(found(&disk), bytes);
    file.sync().unwrap();
    assert_eq!(found(&disk), bytes[3..]);
    disk.rename(path, Path::new("d/g")).unwrap();
    assert_eq!(found(&disk), [None, Some(b"ab".to_vec())]);
}
