//! A class for each stored value.

use std::collections::BTreeMap;

use super::largest_class;
use crate::pixels::IGNORE_LABEL;

/// The policy `classes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// The class of each value.
    pub classes: BTreeMap<u16, u8>,
    /// The class of values that are not mentioned; without it they are errors.
    pub other: Option<u8>,
    /// Value of pixels without truth.
    pub ignore: Option<u16>,
}

impl Classes {
    pub(super) fn n_classes(&self) -> usize {
        largest_class(self.classes.values().chain(&self.other))
    }

    pub(super) fn label(&self, value: u16) -> Option<u8> {
        if self.ignore == Some(value) {
            return Some(IGNORE_LABEL);
        }
        let background = (value == 0).then_some(0);
        self.classes
            .get(&value)
            .copied()
            .or(background)
            .or(self.other)
    }

    pub(super) fn known(&self) -> String {
        let mut known: Vec<u16> = self.classes.keys().copied().chain(self.ignore).collect();
        known.push(0);
        known.sort_unstable();
        known.dedup();
        let known: Vec<String> = known.iter().map(u16::to_string).collect();
        format!("the values {}", known.join(", "))
    }
}
