//! How far the archive has been read.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes read of bytes there; copies count together.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    read: Rc<Cell<u64>>,
    of: u64,
}

impl Meter {
    pub(super) fn new(of: u64) -> Self {
        Self {
            read: Rc::default(),
            of,
        }
    }

    pub(super) fn read(&self) -> u64 {
        self.read.get()
    }

    pub(super) fn of(&self) -> u64 {
        self.of
    }

    /// `inner`, with what is read of it counted.
    pub(super) fn around<R>(&self, inner: R) -> Metered<R> {
        Metered {
            inner,
            meter: self.clone(),
        }
    }
}

/// A reader whose bytes are counted.
#[derive(Debug)]
pub(super) struct Metered<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.meter.read.set(self.meter.read.get() + count as u64);
        Ok(count)
    }
}
