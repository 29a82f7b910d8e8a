//! Any bytes as a mask file, under every kind of policy.
#![no_main]

#[path = "../../crates/salt-data/tests/corpus/mask.rs"]
mod mask;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    mask::run(data);
});
