//! What ours is compared with, and what of it that can do.

use super::{Bench, SpeedDevice};
use crate::usage::UsageError;

/// A program that does the same work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Peer {
    /// PyTorch: transformers' `SamModel`, Hugging Face peft, a `DataLoader` with PIL
    Pytorch,
    /// candle-transformers' Segment Anything: encoding images on the CPU
    Candle,
}

/// What candle has.
const CANDLE_WORK: &str = "encode";

impl Peer {
    /// As `--against` and the tables call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pytorch => "pytorch",
            Self::Candle => "candle",
        }
    }

    /// Whether a work can be measured beside this peer. PyTorch does not have every one of them; what it has
    /// not is measured alone.
    pub(super) fn offers(self, work: &str) -> bool {
        match self {
            Self::Pytorch => true,
            Self::Candle => work == CANDLE_WORK,
        }
    }

    /// # Errors
    /// A [`UsageError`] for a work or a device that the peer does not have.
    pub(super) fn check(self, work: &str, bench: &Bench) -> Result<(), UsageError> {
        if self == Self::Pytorch {
            return Ok(());
        }
        let received = if !self.offers(work) {
            format!("--work {work}")
        } else if bench.device != SpeedDevice::Flex {
            format!("--backend {}", bench.device.name())
        } else {
            return Ok(());
        };
        Err(UsageError(format!(
            "candle's Segment Anything encodes images and is built for the CPU: expected --work {CANDLE_WORK} \
             --backend flex, received {received}; the rest is measured with --against pytorch"
        )))
    }
}
