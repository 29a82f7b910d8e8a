//! How a benchmark is asked to stop, and how it passes that on to the cell that runs.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "elsewhere.rs")]
mod system;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

pub(crate) use system::tell;

/// Exit code of a process ended by Ctrl-C: 128 + SIGINT.
pub(crate) const INTERRUPTED: i32 = 130;
/// Exit code of a process ended by a termination signal: 128 + SIGTERM.
pub(crate) const TERMINATED: i32 = 143;

/// What was asked so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    time_is_up: Arc<AtomicBool>,
}

impl Stop {
    /// Listen for Ctrl-C and termination.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let stop = Self::default();
        let flag = Arc::clone(&stop.asked);
        ctrlc::set_handler(move || {
            // The second time, at once: the cell's checkpoints are whole at any moment.
            if flag.swap(true, Ordering::SeqCst) {
                std::process::exit(INTERRUPTED);
            }
        })
        .context("cannot listen for Ctrl-C")?;
        Ok(stop)
    }

    /// Listen as a task of a batch system. A repeated signal changes nothing: the batch system ends what does not end,
    /// and sends some signals more than once.
    pub(crate) fn listen_as_task() -> anyhow::Result<Self> {
        let stop = Self::default();
        system::listen(&stop.asked, &stop.time_is_up).context("cannot listen for signals")?;
        Ok(stop)
    }

    /// Whether to stop.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Whether that is because the time of the task is nearly over (SIGUSR1), and nobody wants the work to end.
    pub(crate) fn time_is_up(&self) -> bool {
        self.time_is_up.load(Ordering::SeqCst)
    }

    #[cfg(test)]
    pub(crate) fn asked() -> Self {
        let stop = Self::default();
        stop.asked.store(true, Ordering::SeqCst);
        stop
    }
}
