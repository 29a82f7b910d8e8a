//! `cargo xtask ci`: everything a change has to pass, cheapest first, the tests last.
//!
//! Two builds in all: one that is only checked (clippy, with every backend there is, fusion and
//! autotuning included) and one that is linked and run. The second holds CUDA too, which no test
//! asks for: that it builds without a CUDA installation is what is tested. wgpu runs on Mesa's
//! software Vulkan.

use crate::test::{self, TestDevice};
use crate::tidy;
use crate::workspace::{cargo, step};

/// Backends that have to compile.
const CHECKED: [TestDevice; 5] = [
    TestDevice::Flex,
    TestDevice::Ndarray,
    TestDevice::Wgpu,
    TestDevice::Vulkan,
    TestDevice::Cuda,
];

/// Devices that the tests run on. nextest's summary comes last.
const TESTED: [TestDevice; 3] = [
    TestDevice::Flex,
    TestDevice::SoftwareVulkan,
    TestDevice::Ndarray,
];

/// Devices that the tests' build holds.
const BUILT: [TestDevice; 4] = [
    TestDevice::Flex,
    TestDevice::SoftwareVulkan,
    TestDevice::Ndarray,
    TestDevice::UnfusedCuda,
];

/// Run the command.
pub(crate) fn run() -> anyhow::Result<()> {
    tidy::run()?;
    step(cargo().args(["fmt", "--all", "--check"]))?;
    let mut clippy = cargo();
    clippy.arg("clippy").args(test::build_arguments(&CHECKED));
    clippy.args(["--all-targets", "--", "-D", "warnings"]);
    // How large a tensor handle is depends on the backends compiled in, so an `expect` of this
    // lint in the code would be wrong in one build or the other.
    step(clippy.args(["-A", "clippy::large_enum_variant"]))?;
    let mut examples = cargo();
    examples
        .args(["test", "--doc"])
        .args(test::build_arguments(&BUILT));
    test::environment(&mut examples, TestDevice::Flex)?;
    step(&mut examples)?;
    test::suite(&TESTED, &BUILT, None)
}
