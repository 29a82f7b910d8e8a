//! SIGINT, SIGTERM and SIGHUP.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Call `heard` with 128 + the number of every signal that asks to stop, on a thread of its own.
pub(super) fn on_signal(heard: impl Fn(u8) + Send + 'static) -> io::Result<()> {
    let mut numbers = vec![SIGINT, SIGTERM];
    // Under nohup a closed terminal is no reason to stop.
    if !is_ignored(SIGHUP) {
        numbers.push(SIGHUP);
    }
    let mut signals = Signals::new(numbers)?;
    let listen = move || {
        for code in signals.forever().filter_map(|n| u8::try_from(128 + n).ok()) {
            heard(code);
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(listen)?;
    Ok(())
}

/// Whether this process is to live on when its terminal goes, as under nohup.
#[cfg(feature = "dashboard")]
pub(crate) fn outlives_terminal() -> bool {
    is_ignored(SIGHUP)
}

/// Whether whoever started this process had the signal ignored. Only Linux tells.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores(&status, signal)
}

/// Bit `signal - 1` of the mask `SigIgn`, proc(5).
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read_from_bit_0_on() {
        let status = "Name:\tsalt\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        for (signal, ignored) in [(SIGHUP, true), (SIGINT, false), (13, true)] {
            assert_eq!(ignores(status, signal), ignored, "{signal}");
        }
        assert!(!ignores("", SIGHUP));
    }
}
