//! Any bytes as an archive.
#![no_main]

#[path = "../../crates/salt-data/tests/corpus/archive.rs"]
mod archive;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    archive::run(data);
});
