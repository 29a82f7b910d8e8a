//! Picture files of every kind: decoded as other programs decode them, or refused by name.

mod fixtures;
mod malformed;
mod odd_sizes;
mod policies;

use std::path::{Path, PathBuf};

/// A file that `generate.py` wrote.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/raster")
        .join(name)
}

/// Its bytes.
pub(crate) fn fixture_bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).expect("a committed fixture")
}
