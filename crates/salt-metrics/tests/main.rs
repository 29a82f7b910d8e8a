//! The one integration test binary of this crate.

mod golden;
mod laws;
mod parity;
mod pictures;
