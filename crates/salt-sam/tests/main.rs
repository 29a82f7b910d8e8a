//! The integration tests of `salt-sam`: parity with the reference implementation, and checkpoints.

mod allocations;
mod checkpoints;
mod full_size;
mod hostile;
mod parity;

/// Whether the device under test is the CPU. On software Vulkan hundreds of models or of shapes take minutes:
/// tests that need them are left out there, and say so.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn on_cpu() -> bool {
    let device = format!("{:?}", burn::tensor::Device::default());
    let on_cpu = ["Flex", "NdArray"].iter().any(|cpu| device.contains(cpu));
    if !on_cpu {
        eprintln!("skipped: too much for {device}; runs on flex and ndarray");
    }
    on_cpu
}
