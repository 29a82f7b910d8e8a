//! Ctrl-C, which a console sends to all its processes.

use std::io;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set `asked` on Ctrl-C; no system here has a batch system that says when time is up.
pub(super) fn listen(asked: &Arc<AtomicBool>, _time_is_up: &Arc<AtomicBool>) -> io::Result<()> {
    let asked = Arc::clone(asked);
    ctrlc::set_handler(move || asked.store(true, Ordering::SeqCst)).map_err(io::Error::other)
}

/// The console has told the process already.
pub(crate) fn tell(_child: &Child) -> io::Result<()> {
    Ok(())
}
