//! Ctrl-C, which a console sends to all its processes.

use std::io;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Call `heard` with the exit code of Ctrl-C every time it is pressed.
pub(super) fn on_signal(heard: impl Fn(u8) + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(move || heard(super::INTERRUPTED)).map_err(io::Error::other)
}

/// Set `asked` on Ctrl-C; no system here has a batch system that says when time is up.
pub(super) fn listen(asked: &Arc<AtomicBool>, _time_is_up: &Arc<AtomicBool>) -> io::Result<()> {
    let asked = Arc::clone(asked);
    on_signal(move |_| asked.store(true, Ordering::SeqCst))
}

/// The console ends the process too.
pub(super) fn end(_process: u32) {}

/// The console has told the process already.
pub(crate) fn tell(_child: &Child) -> io::Result<()> {
    Ok(())
}
