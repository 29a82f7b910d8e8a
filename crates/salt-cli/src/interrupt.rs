//! Ctrl-C and the like: the first asks the work to stop and save, the second leaves at once.

use std::ops::ControlFlow;

use salt_train::Interrupt;

use crate::failure::{Failure, INTERRUPTED};
use crate::screen;

/// Listen for SIGINT, SIGTERM and SIGHUP. The caller's work looks at the flag after every step.
///
/// The three cannot be told apart here, so the exit code is that of SIGINT.
pub(crate) fn listen() -> Result<Interrupt, Failure> {
    let interrupt = Interrupt::new();
    let flag = interrupt.clone();
    ctrlc::set_handler(move || {
        if flag.is_set() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        flag.stop();
        screen::note("stopping after the current step; once more leaves at once");
    })
    .map_err(|error| Failure::job(format!("cannot listen for Ctrl-C: {error}"), None))?;
    Ok(interrupt)
}

/// The flag as the answer to work that asks whether to go on.
pub(crate) fn go_on(interrupt: &Interrupt) -> ControlFlow<()> {
    match interrupt.is_set() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}
