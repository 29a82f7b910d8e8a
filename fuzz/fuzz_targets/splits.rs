//! Any bytes as the table of a data set.
#![no_main]

#[path = "../../crates/salt-data/tests/corpus/splits.rs"]
mod splits;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    splits::run(data);
});
