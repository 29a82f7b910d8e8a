//! Any bytes as a NIfTI volume.
#![no_main]

#[path = "../../crates/salt-data/tests/corpus/nifti.rs"]
mod nifti;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    nifti::run(data);
});
