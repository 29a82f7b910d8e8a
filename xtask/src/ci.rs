//! `cargo xtask ci`: everything a change has to pass, cheapest first, the tests last.
//!
//! Two builds in all: one that is only checked (clippy, with every backend there is, fusion and
//! autotuning included) and one that is linked and run. The second holds CUDA too, which no test
//! asks for: that it builds without a CUDA installation is what is tested. wgpu runs on Mesa's
//! software Vulkan. What is in `examples/` is built apart, as a project elsewhere would be.

use std::process::Command;

use anyhow::Context as _;

use crate::test::{self, TestDevice};
use crate::tidy;
use crate::workspace::{cargo, root, step};

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

/// Manifests of projects outside the workspace.
const EXAMPLES: [&str; 1] = ["examples/vit-digits/Cargo.toml"];

/// Projects of which only the format is checked here: one needs another compiler, one is built for a
/// comparison of speed alone.
const FORMATTED: [&str; 2] = [
    "fuzz/Cargo.toml",
    "crates/salt-cli/tests/model_speed/candle/Cargo.toml",
];

/// Modules that a list declares through a macro, into which `cargo fmt` does not look.
const LISTED: &str = "crates/salt-peft/src/methods";

/// Run the command.
pub(crate) fn run() -> anyhow::Result<()> {
    tidy::run()?;
    step(cargo().args(["fmt", "--all", "--check"]))?;
    step(&mut format_listed()?)?;
    for manifest in EXAMPLES.into_iter().chain(FORMATTED) {
        step(cargo().args(["fmt", "--check", "--manifest-path", manifest]))?;
    }
    let mut clippy = cargo();
    clippy.arg("clippy").args(test::build_arguments(&CHECKED));
    clippy.args(["--all-targets", "--", "-D", "warnings"]);
    // How large a tensor handle is depends on the backends compiled in, so an `expect` of this
    // lint in the code would be wrong in one build or the other.
    step(clippy.args(["-A", "clippy::large_enum_variant"]))?;
    // Over what clippy has checked: with the examples, Burn has the features of development here too,
    // and is not checked once more.
    let mut docs = cargo();
    docs.args(["doc", "--no-deps", "--lib", "--bins", "--examples"]);
    docs.args(test::build_arguments(&CHECKED));
    step(docs.env("RUSTDOCFLAGS", "-Dwarnings"))?;
    let mut doc_tests = cargo();
    doc_tests
        .args(["test", "--doc"])
        .args(test::build_arguments(&BUILT));
    test::environment(&mut doc_tests, TestDevice::Flex)?;
    step(&mut doc_tests)?;
    for manifest in EXAMPLES {
        example(manifest)?;
    }
    test::suite(&TESTED, &BUILT, None)
}

fn format_listed() -> anyhow::Result<Command> {
    let folder = root().join(LISTED);
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {folder:?}"))?;
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--check", "--edition", "2024"]);
    for entry in entries {
        rustfmt.arg(entry?.path());
    }
    Ok(rustfmt)
}

/// Lint a project and run it; it ends with an error when what it shows does not hold.
fn example(manifest: &str) -> anyhow::Result<()> {
    let locked = ["--locked", "--manifest-path", manifest];
    // Clippy's driver in the build that is run anyway: `cargo clippy` would check all dependencies,
    // another Burn among them, once more.
    let mut clippy = cargo();
    clippy.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    clippy.env("CLIPPY_ARGS", "-Dwarnings");
    step(clippy.arg("build").args(locked))?;
    step(cargo().arg("run").args(locked))
}
