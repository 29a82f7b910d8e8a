//! Files of which one operation fails, over files that work.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use salt_train::durable::{Files, OpenFile};

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process ends in the middle of it: nothing is done from then on.
    Crash,
    /// No space: this operation, or from here on whatever needs some.
    Full { stays: bool },
    /// The disk does not do it.
    Broken,
    /// It is not allowed.
    Denied,
}

impl Fault {
    pub(crate) const ALL: [Self; 5] = [
        Self::Crash,
        Self::Full { stays: false },
        Self::Full { stays: true },
        Self::Broken,
        Self::Denied,
    ];

    fn error(self) -> io::Error {
        match self {
            Self::Crash => io::Error::other("the process has ended"),
            Self::Full { .. } => ErrorKind::StorageFull.into(),
            // EIO has no kind of its own.
            Self::Broken => io::Error::from_raw_os_error(5),
            Self::Denied => ErrorKind::PermissionDenied.into(),
        }
    }
}

/// Files of which operation `at`, counted from 0, fails.
#[derive(Clone, Debug)]
pub(crate) struct FailingFiles {
    inner: Arc<dyn Files>,
    at: usize,
    fault: Fault,
    done: Arc<AtomicUsize>,
    failed: Arc<OnceLock<PathBuf>>,
}

impl FailingFiles {
    pub(crate) fn new(inner: Arc<dyn Files>, at: usize, fault: Fault) -> Self {
        Self {
            inner,
            at,
            fault,
            done: Arc::default(),
            failed: Arc::default(),
        }
    }

    /// Operations so far.
    pub(crate) fn operations(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    /// Whether the process would be no more.
    pub(crate) fn crashed(&self) -> bool {
        self.fault == Fault::Crash && self.operations() > self.at
    }

    /// The file or folder of the first operation that failed.
    pub(crate) fn failed(&self) -> Option<&Path> {
        self.failed.get().map(PathBuf::as_path)
    }

    fn count(&self, path: &Path, needs_space: bool) -> io::Result<()> {
        let index = self.done.fetch_add(1, Ordering::SeqCst);
        let stays = match self.fault {
            Fault::Crash => true,
            Fault::Full { stays } => stays && needs_space,
            Fault::Broken | Fault::Denied => false,
        };
        match index == self.at || index > self.at && stays {
            true => {
                self.failed.get_or_init(|| path.to_owned());
                Err(self.fault.error())
            }
            false => Ok(()),
        }
    }
}

impl Files for FailingFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        self.count(path, true)?;
        Ok(Box::new(FailingFile {
            inner: self.inner.create(path)?,
            files: self.clone(),
            path: path.to_owned(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.count(to, false)?;
        self.inner.rename(from, to)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.count(path, false)?;
        self.inner.sync(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.count(path, false)?;
        self.inner.remove(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.count(folder, false)?;
        self.inner.list(folder)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.count(path, false)?;
        self.inner.read(path)
    }
}

struct FailingFile {
    inner: Box<dyn OpenFile>,
    files: FailingFiles,
    path: PathBuf,
}

impl OpenFile for FailingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(e) = self.files.count(&self.path, true) {
            // A write that fails has often written something.
            self.inner.write(&bytes[..bytes.len() / 2])?;
            return Err(e);
        }
        self.inner.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.files.count(&self.path, false)?;
        self.inner.sync()
    }
}
