//! Where the program was built without the dashboard, or a terminal cannot be told to keep Ctrl-C.

use std::fmt::Display;

use salt_train::{Event, Interrupt};

use crate::screen;

/// There is none.
#[derive(Debug)]
pub(crate) enum Dashboard {}

impl Dashboard {
    pub(crate) fn has_place() -> bool {
        false
    }

    pub(crate) fn open(
        _run: &str,
        _epoch: u64,
        _epochs: u64,
        _interrupt: Interrupt,
    ) -> Option<Self> {
        None
    }

    pub(crate) fn event(&mut self, _event: Event<'_>) {
        match *self {}
    }
}

/// A line for a person.
pub(crate) fn say(text: impl Display) {
    screen::note(text);
}

/// Nothing was taken.
pub(crate) fn give_back() {}
