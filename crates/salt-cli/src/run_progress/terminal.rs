//! The terminal under a dashboard.
//!
//! The dashboard reads keys as they are pressed and would take Ctrl-C for one of them: it is made a signal again, as it is
//! everywhere else in the program. Who leaves without unwinding gives the terminal back first.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};

use crate::screen;

/// What no key sends, termios(3).
const NO_KEY: u8 = 0;

/// Main screen, mouse as it was, cursor shown.
const GIVE_BACK: &str =
    "\x1b[?1006l\x1b[?1015l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1049l\x1b[?25h";

/// How the terminal was before a dashboard took it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

fn before() -> std::sync::MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether keys and screen are this process's: all of its channels are a terminal that can do more than lines,
/// and it is not in the background.
pub(super) fn is_ours() -> bool {
    let stdin = std::io::stdin();
    let all = stdin.is_terminal() && std::io::stdout().is_terminal();
    let in_front = || tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp());
    screen::can_draw() && all && in_front()
}

/// A terminal that a dashboard has taken, from before it does until after it has given it back.
pub(super) struct Taken(());

impl Taken {
    pub(super) fn now() -> Self {
        *before() = tcgetattr(std::io::stdin()).ok();
        Self(())
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        *before() = None;
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
    let _ = write!(out, "\x1b7\x1b[999;1H\x1b[7m {text} \x1b[0m\x1b8");
    let _ = out.flush();
}

/// Before the process ends at once: the terminal as it was.
pub(crate) fn leave() {
    let Some(modes) = before().take() else {
        return;
    };
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{GIVE_BACK}");
    let _ = out.flush();
    let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &modes);
}
