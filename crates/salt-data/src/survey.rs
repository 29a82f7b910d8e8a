//! Every case of a split read once, before hours are spent: what it shows, or why it cannot be read.

use rayon::prelude::*;

use crate::dataset::{Case, Dataset, Split};
use crate::error::DataError;
use crate::pixels::IGNORE_LABEL;

/// Cases between two reports of progress, for each thread.
const CASES_PER_THREAD: usize = 8;

/// What is known of a case after it has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaseFacts {
    /// Width and height of the picture in pixels.
    pub size: [usize; 2],
    /// Whether any pixel belongs to a foreground class.
    pub has_foreground: bool,
}

impl Dataset {
    /// Reads every case of a split as training would, in parallel, and forgets the pixels: memory does not grow with
    /// the split. `seen` is called with the number of cases that have been read so far.
    ///
    /// # Errors
    /// [`DataError::EmptySplit`], or what [`Dataset::load`] says about the first bad case.
    pub fn survey(
        &self,
        split: Split,
        mut seen: impl FnMut(usize),
    ) -> Result<Vec<CaseFacts>, DataError> {
        let cases = self.require(split)?;
        let mut facts = Vec::with_capacity(cases.len());
        for some in cases.chunks(CASES_PER_THREAD * rayon::current_num_threads()) {
            let read: Vec<_> = some.par_iter().map(|case| self.facts(case)).collect();
            for case in read {
                facts.push(case?);
            }
            seen(facts.len());
        }
        Ok(facts)
    }

    fn facts(&self, case: &Case) -> Result<CaseFacts, DataError> {
        let case = self.load(case)?;
        let foreground = |&class: &u8| class != 0 && class != IGNORE_LABEL;
        Ok(CaseFacts {
            size: [case.image.width, case.image.height],
            has_foreground: case.labels.classes.iter().any(foreground),
        })
    }
}
