//! The integration tests of `salt-sam`: parity with the reference implementation, and checkpoints.

mod allocations;
mod checkpoints;
mod full_size;
mod hostile;
mod parity;
