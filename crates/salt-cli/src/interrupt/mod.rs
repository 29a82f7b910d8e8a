//! Signals that ask to stop: the first lets the work stop and save, the second leaves at once.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "elsewhere.rs")]
mod system;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU8, Ordering};

use salt_train::Interrupt;

#[cfg(all(unix, feature = "dashboard"))]
pub(crate) use self::system::outlives_terminal;
use crate::failure::Failure;
use crate::run_progress;

/// 128 + SIGINT.
const CTRL_C: u8 = 130;

/// Exit code of the first signal; 0 before one came.
static RECEIVED: AtomicU8 = AtomicU8::new(0);

/// Listen. The caller's work looks at the flag after every step.
pub(crate) fn listen() -> Result<Interrupt, Failure> {
    let interrupt = Interrupt::new();
    let flag = interrupt.clone();
    let heard = move |code: u8| {
        if let Err(first) = RECEIVED.compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst) {
            run_progress::leave();
            std::process::exit(i32::from(first));
        }
        flag.stop();
        run_progress::say("stopping at the next safe point; once more leaves at once");
    };
    let outcome = system::on_signal(heard);
    outcome.map_err(|error| Failure::job(format!("cannot listen for Ctrl-C: {error}"), None))?;
    Ok(interrupt)
}

/// Exit code of a command that was asked to stop: 128 + the number of the first signal.
pub(crate) fn exit_code() -> u8 {
    match RECEIVED.load(Ordering::SeqCst) {
        0 => CTRL_C,
        code => code,
    }
}

/// The flag as the answer to work that asks whether to go on.
pub(crate) fn go_on(interrupt: &Interrupt) -> ControlFlow<()> {
    match interrupt.is_set() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}
