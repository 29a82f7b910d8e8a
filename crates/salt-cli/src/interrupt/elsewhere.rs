//! Ctrl-C, where there are no other signals.

use std::io;

use super::CTRL_C;

/// Call `heard` with the exit code of Ctrl-C every time it is pressed.
pub(super) fn on_signal(heard: impl Fn(u8) + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(move || heard(CTRL_C)).map_err(io::Error::other)
}
