//! SIGTERM, SIGINT, SIGHUP and SIGUSR1.

use std::io;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
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
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(listen)?;
    Ok(())
}

/// Whether whoever started this process had the signal ignored: bit `signal - 1` of the mask `SigIgn`, proc(5). Only
/// Linux tells.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Set `asked` on any of the three signals and `time_is_up` on SIGUSR1.
pub(super) fn listen(asked: &Arc<AtomicBool>, time_is_up: &Arc<AtomicBool>) -> io::Result<()> {
    // The reason first: who sees that a stop is asked for looks for the reason next.
    flag::register(SIGUSR1, Arc::clone(time_is_up))?;
    for signal in [SIGUSR1, SIGTERM, SIGINT] {
        flag::register(signal, Arc::clone(asked))?;
    }
    Ok(())
}

/// End a process at once, unless it is 0.
pub(super) fn end(process: u32) {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    if let Some(process) = process {
        // One that has ended meanwhile needs no end.
        let _ = kill_process(process, Signal::KILL);
    }
}

/// Ask a process to save and stop.
pub(crate) fn tell(child: &Child) -> io::Result<()> {
    kill_process(Pid::from_child(child), Signal::TERM).map_err(Into::into)
}
