//! Cases in a given order, each read while the one before it is in use.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use crate::dataset::{Case, Dataset, LoadedCase};
use crate::error::DataError;

type Read = Result<LoadedCase, DataError>;

/// Cases of a data set, in order; at most three are in memory: the one in use, the next, and one that is being
/// read. See [`Dataset::read_ahead`].
#[derive(Debug)]
pub struct ReadAhead {
    receiver: Option<Receiver<Read>>,
    reader: Option<JoinHandle<()>>,
}

impl Dataset {
    /// Reads `cases` in their order on a thread of its own. A case that cannot be read is an error in its
    /// place; the cases after it follow.
    ///
    /// # Errors
    /// [`DataError::Io`] when there is no thread to be had.
    pub fn read_ahead(&self, cases: Vec<Case>) -> Result<ReadAhead, DataError> {
        let dataset = self.without_cases();
        let (sender, receiver) = sync_channel(1);
        let read = move || {
            for case in &cases {
                if sender.send(dataset.load(case)).is_err() {
                    // Nobody wants the rest.
                    return;
                }
            }
        };
        let reader = std::thread::Builder::new()
            .name("salt-read-ahead".into())
            .spawn(read)
            .map_err(DataError::io("start a thread that reads", &self.root))?;
        Ok(ReadAhead {
            receiver: Some(receiver),
            reader: Some(reader),
        })
    }
}

impl Iterator for ReadAhead {
    type Item = Read;

    fn next(&mut self) -> Option<Read> {
        if let Ok(read) = self.receiver.as_ref()?.recv() {
            return Some(read);
        }
        self.receiver = None;
        // The reader ends early only by a panic; the cases must not end quietly because of it.
        if let Some(Err(panic)) = self.reader.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        None
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        // Closing the channel wakes a reader that waits to deliver.
        self.receiver = None;
        if let Some(reader) = self.reader.take() {
            // A panic has been, or is being, reported elsewhere; dropping must not start another.
            let _ = reader.join();
        }
    }
}
