//! The terminal under a dashboard.
//!
//! The dashboard reads keys as they are pressed and would take Ctrl-C for one of them: it is made a signal again, as it is
//! everywhere else in the program. Who leaves without unwinding gives the terminal back first. A terminal may also go
//! before the run does: then nothing is waited for that needs it.

use std::fmt::Display;
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::getpgrp;
use rustix::stdio::dup2_stderr;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcgetwinsize,
    tcsetattr,
};

use crate::interrupt;
use crate::screen;

/// What no key sends, termios(3).
const NO_KEY: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };

/// Mouse as it was, main screen, cursor shown.
const GIVE_BACK: &str =
    "\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1049l\x1b[?25h";

const SHOW_CURSOR: &str = "\x1b[?25h";

/// What a dashboard has taken.
struct Before {
    modes: Termios,
    /// Standard error. Meanwhile it leads nowhere: its lines would stand across the dashboard, and one that cannot be
    /// written, because the terminal is gone, would end the process.
    errors: Option<OwnedFd>,
}

static BEFORE: Mutex<Option<Before>> = Mutex::new(None);

fn before() -> MutexGuard<'static, Option<Before>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether keys and screen are this process's, and go when it does: all of its channels are a terminal that can do more
/// than lines and reads them whole, it is not in the background, and it is not to outlive its terminal.
pub(super) fn is_ours() -> bool {
    let stdin = std::io::stdin();
    let all = stdin.is_terminal() && std::io::stdout().is_terminal();
    let in_front = || tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp());
    let plain = || {
        let modes = tcgetattr(&stdin);
        modes.is_ok_and(|modes| modes.local_modes.contains(LocalModes::ICANON))
    };
    screen::can_draw() && all && in_front() && plain() && !interrupt::outlives_terminal()
}

/// Whether the terminal still answers.
pub(super) fn answers() -> bool {
    tcgetattr(std::io::stdin()).is_ok()
}

/// A terminal that a dashboard has taken, from before it does until after it has given it back.
pub(super) struct Taken(());

impl Taken {
    pub(super) fn now() -> Self {
        let stderr = std::io::stderr();
        let nowhere = File::options().write(true).open("/dev/null");
        let errors = nowhere.ok().and_then(|nowhere| {
            let errors = rustix::io::fcntl_dupfd_cloexec(&stderr, 3).ok()?;
            dup2_stderr(nowhere).ok()?;
            Some(errors)
        });
        if let Ok(modes) = tcgetattr(std::io::stdin()) {
            *before() = Some(Before { modes, errors });
        } else if let Some(errors) = errors {
            // There is nobody who could miss it.
            let _ = dup2_stderr(errors);
        }
        Self(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // The dashboard does not wait for its last picture then.
        if std::thread::panicking() {
            give_back();
        }
        if let Some(before) = before().take() {
            restore_errors(&before);
        }
    }
}

/// Waits until the dashboard has its keys, and gives Ctrl-C back its meaning. Keys that would stop the process where it is,
/// with the dashboard on the screen, get none.
pub(super) fn keep_signals() {
    let stdin = std::io::stdin();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let Ok(mut modes) = tcgetattr(&stdin) else {
            return;
        };
        if modes.local_modes.contains(LocalModes::ICANON) {
            sleep(Duration::from_millis(5));
            continue;
        }
        modes.local_modes.insert(LocalModes::ISIG);
        modes.special_codes[SpecialCodeIndex::VSUSP] = NO_KEY;
        modes.special_codes[SpecialCodeIndex::VQUIT] = NO_KEY;
        // Where it fails, the key `q` ends a run, and any signal from outside.
        let _ = tcsetattr(&stdin, OptionalActions::Now, &modes);
        return;
    }
}

/// A line for a person: in the last row of a dashboard that is on the screen, which leaves that row alone until it
/// changes.
pub(crate) fn say(text: impl Display) {
    if before().is_none() {
        return screen::note(text);
    }
    let mut out = std::io::stdout().lock();
    // A longer one would push the dashboard up.
    let columns = tcgetwinsize(&out).map_or(80, |size| usize::from(size.ws_col));
    let text = text.to_string();
    let text: String = text.chars().take(columns.saturating_sub(3)).collect();
    let _ = write!(out, "\x1b7\x1b[999;1H\x1b[7m {text} \x1b[0m\x1b8");
    let _ = out.flush();
}

/// The terminal as it was, for what ends without closing the dashboard.
pub(crate) fn give_back() {
    let before = before();
    let (Some(before), Ok(modes)) = (before.as_ref(), tcgetattr(std::io::stdin())) else {
        return;
    };
    // A dashboard that panicked has left its screen; to leave it twice would move the cursor back.
    let left = modes.local_modes.contains(LocalModes::ICANON);
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{}", if left { SHOW_CURSOR } else { GIVE_BACK });
    let _ = out.flush();
    let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &before.modes);
    restore_errors(before);
}

/// Standard error, unless it was a terminal that is gone.
fn restore_errors(before: &Before) {
    if let Some(errors) = &before.errors
        && answers()
    {
        let _ = dup2_stderr(errors);
    }
}
