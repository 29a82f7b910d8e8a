//! How a benchmark is asked to stop, and how it passes that on to the cell that runs.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "elsewhere.rs")]
mod system;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use anyhow::Context as _;

pub(crate) use system::tell;

/// Exit code of a process ended by Ctrl-C: 128 + SIGINT.
const INTERRUPTED: u8 = 130;
/// Exit code of a task, whatever ended it, a request before its time is up too: 128 + SIGTERM.
pub(crate) const TERMINATED: i32 = 143;

/// What was asked so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    time_is_up: Arc<AtomicBool>,
    /// Exit code of the first signal; 0 before one came, and in a task.
    code: Arc<AtomicU8>,
    /// Process number of the cell that runs, 0 where none does.
    cell: Arc<AtomicU32>,
}

impl Stop {
    /// Listen for Ctrl-C, termination, and the end of the terminal.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let stop = Self::default();
        let heard = stop.clone();
        system::on_signal(move |code| {
            let order = Ordering::SeqCst;
            // The second time, at once: the cell's checkpoints are whole at any moment.
            if let Err(first) = heard.code.compare_exchange(0, code, order, order) {
                system::end(heard.cell.load(order));
                std::process::exit(i32::from(first));
            }
            heard.asked.store(true, order);
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

    /// Say which process a cell is, or with 0 that it is at its end: who leaves at once takes it along.
    pub(crate) fn cell_is(&self, process: u32) {
        self.cell.store(process, Ordering::SeqCst);
    }

    /// Whether to stop.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Whether that is because the time of the task is nearly over (SIGUSR1), and nobody wants the work to end.
    pub(crate) fn time_is_up(&self) -> bool {
        self.time_is_up.load(Ordering::SeqCst)
    }

    /// What to leave with after [`Stop::listen`]: 128 + the number of the first signal, as `salt` does.
    pub(crate) fn exit_code(&self) -> i32 {
        i32::from(match self.code.load(Ordering::SeqCst) {
            0 => INTERRUPTED,
            code => code,
        })
    }

    #[cfg(test)]
    pub(crate) fn asked() -> Self {
        let stop = Self::default();
        stop.asked.store(true, Ordering::SeqCst);
        stop
    }
}
