//! SIGTERM, SIGINT and SIGUSR1.

use std::io;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;

/// Set `asked` on any of the three signals and `time_is_up` on SIGUSR1.
pub(super) fn listen(asked: &Arc<AtomicBool>, time_is_up: &Arc<AtomicBool>) -> io::Result<()> {
    // The reason first: who sees that a stop is asked for looks for the reason next.
    flag::register(SIGUSR1, Arc::clone(time_is_up))?;
    for signal in [SIGUSR1, SIGTERM, SIGINT] {
        flag::register(signal, Arc::clone(asked))?;
    }
    Ok(())
}

/// Ask a process to save and stop.
pub(crate) fn tell(child: &Child) -> io::Result<()> {
    kill_process(Pid::from_child(child), Signal::TERM).map_err(Into::into)
}
