//! `cargo xtask test`: the whole suite on the first device, and whatever computes again on the
//! others.
//!
//! Backends are features, and additive: one build holds all that were asked for, and the variable
//! `BURN_DEVICE` chooses for each run. So Burn is compiled once, not once per backend.

use std::process::Command;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::software_vulkan;
use crate::test_programs;
use crate::workspace::{cargo, has_cargo_subcommand, step};

/// Crates whose tests compute with tensors; the others give the same answer on every device. Those whose tests take
/// longest come first: they are begun first.
const TENSOR_CRATES: [&str; 4] = ["salt-cli", "salt-train", "salt-peft", "salt-sam"];

/// The stand-in, which nothing but a CUDA build links.
const CUDA_ONLY: &str = "cubecl-llvm";

/// Run the tests on several devices
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test\n  cargo xtask test --all-backends\n  \
                        cargo xtask test --devices cuda -- salt-train"
)]
pub(crate) struct Args {
    /// Devices, separated by commas; wgpu, vulkan and cuda need such hardware
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "flex,ndarray"
    )]
    devices: Vec<TestDevice>,
    /// flex, ndarray, and wgpu on Mesa's software Vulkan, which needs no GPU
    #[arg(long, conflicts_with = "devices")]
    all_backends: bool,
    /// Only tests whose name contains this
    #[arg(last = true)]
    filter: Option<String>,
}

/// A device of a test run, named as `BURN_DEVICE` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestDevice {
    /// CPU.
    Flex,
    /// CPU, the older backend.
    Ndarray,
    /// A GPU through wgpu.
    Wgpu,
    /// A GPU through Vulkan.
    Vulkan,
    /// An NVIDIA GPU.
    Cuda,
    /// wgpu on the CPU, through Mesa's software Vulkan.
    SoftwareVulkan,
    /// CUDA without fusion and autotuning: what goes into one build with software Vulkan.
    UnfusedCuda,
}

/// What continuous integration runs on.
pub(crate) const ALL: [TestDevice; 3] = [
    TestDevice::Flex,
    TestDevice::Ndarray,
    TestDevice::SoftwareVulkan,
];

impl TestDevice {
    /// What `BURN_DEVICE` calls it.
    fn burn_name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu | Self::SoftwareVulkan => "wgpu",
            Self::Vulkan => "vulkan",
            Self::Cuda | Self::UnfusedCuda => "cuda",
        }
    }

    /// The feature of salt-cli that brings it.
    fn feature(self) -> &'static str {
        match self {
            Self::SoftwareVulkan => "wgpu-unfused",
            Self::UnfusedCuda => "cuda-unfused",
            other => other.burn_name(),
        }
    }

    fn is_gpu(self) -> bool {
        !matches!(self, Self::Flex | Self::Ndarray)
    }

    /// Test programs that share it. A card has one memory and is set up for one of them at a time; what is a GPU by
    /// software alone is as many as there are processes, and most of a test's time there is spent on one core.
    fn programs_at_once(self) -> usize {
        if self == Self::SoftwareVulkan { 2 } else { 1 }
    }
}

/// The runner that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runner {
    /// cargo-nextest: a process per test, and all failures at the end.
    Nextest,
    /// What comes with cargo.
    Cargo,
    /// The programs of the tensor crates, without either: all tests of one in one process.
    Programs,
}

impl Runner {
    fn of(device: TestDevice, first: bool, nextest: bool) -> Self {
        // On a GPU one process runs all tests of a program: what it has compiled serves them all.
        match (nextest && !device.is_gpu(), first) {
            (true, _) => Self::Nextest,
            (false, true) => Self::Cargo,
            (false, false) => Self::Programs,
        }
    }
}

/// Run the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let devices = if args.all_backends {
        &ALL[..]
    } else {
        &args.devices
    };
    suite(devices, devices, args.filter.as_deref())
}

/// The suite on the first device, and the tensor crates on the others, with one build that holds
/// the devices of `built`.
pub(crate) fn suite(
    devices: &[TestDevice],
    built: &[TestDevice],
    filter: Option<&str>,
) -> anyhow::Result<()> {
    let nextest = has_cargo_subcommand("nextest");
    for (index, &device) in devices.iter().enumerate() {
        let first = index == 0;
        let done = match Runner::of(device, first, nextest) {
            Runner::Programs => {
                let programs = test_programs::build(&build_arguments(built), &TENSOR_CRATES)?;
                test_programs::run(&programs, device.programs_at_once(), |command| {
                    command.args(filter).args(test_arguments(device));
                    environment(command, device)
                })
            }
            runner => {
                let mut command = cargo();
                command.args(arguments(runner, built, device, first, filter));
                environment(&mut command, device)?;
                step(&mut command)
            }
        };
        done.with_context(|| format!("tests on {device:?}"))?;
    }
    Ok(())
}

/// Send a command's tests to a device.
pub(crate) fn environment(command: &mut Command, device: TestDevice) -> anyhow::Result<()> {
    command.env("BURN_DEVICE", device.burn_name());
    if device == TestDevice::SoftwareVulkan {
        command.envs(software_vulkan::environment()?);
    }
    Ok(())
}

/// Which packages and features a build of these devices has. The same words in every command, so
/// that all of them use one build.
pub(crate) fn build_arguments(devices: &[TestDevice]) -> Vec<String> {
    let mut words = vec!["--workspace".to_owned()];
    // A build without cubecl has no use for it, and would build cubecl for it.
    if !devices.iter().any(|device| device.is_gpu()) {
        words.extend(["--exclude".to_owned(), CUDA_ONLY.to_owned()]);
    }
    let mut features: Vec<_> = devices
        .iter()
        .map(|device| format!("salt-cli/{}", device.feature()))
        .collect();
    // Off by default, and tested all the same.
    features.push("salt-data/dicom".to_owned());
    features.sort();
    features.dedup();
    words.extend(["--features".to_owned(), features.join(",")]);
    words
}

fn arguments(
    runner: Runner,
    built: &[TestDevice],
    device: TestDevice,
    first: bool,
    filter: Option<&str>,
) -> Vec<String> {
    let mut words: Vec<String> = if runner == Runner::Nextest {
        vec!["nextest".into(), "run".into(), "--no-fail-fast".into()]
    } else {
        vec!["test".into(), "--tests".into(), "--no-fail-fast".into()]
    };
    words.extend(build_arguments(built));
    if runner == Runner::Nextest && !first {
        // By filter and not by package: other packages would be another build.
        let packages = TENSOR_CRATES.map(|name| format!("package({name})"));
        words.extend(["-E".into(), packages.join(" | ")]);
    }
    words.extend(filter.map(str::to_owned));
    let own = test_arguments(device);
    if !own.is_empty() {
        words.push("--".into());
        words.extend(own);
    }
    words
}

/// What a test program is told.
fn test_arguments(device: TestDevice) -> Vec<String> {
    if device.is_gpu() {
        // One device, and drivers that crash when it is set up several times at once.
        vec!["--test-threads=1".into()]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(runner: Runner, devices: &[TestDevice], at: usize) -> String {
        arguments(runner, devices, devices[at], at == 0, None).join(" ")
    }

    #[test]
    fn every_device_of_a_run_has_the_same_build() {
        let build = build_arguments(&ALL).join(" ");
        assert!(
            build.contains("salt-cli/flex,salt-cli/ndarray,salt-cli/wgpu-unfused"),
            "{build}"
        );
        for runner in [Runner::Nextest, Runner::Cargo] {
            for at in 0..ALL.len() {
                assert!(words(runner, &ALL, at).contains(&build));
            }
        }
    }

    #[test]
    fn the_first_device_runs_everything_and_the_others_what_computes() {
        assert!(!words(Runner::Nextest, &ALL, 0).contains("-E"));
        assert!(words(Runner::Nextest, &ALL, 1).contains("package(salt-peft) | "));
        for (device, first, nextest, expected) in [
            (TestDevice::Flex, true, true, Runner::Nextest),
            (TestDevice::Flex, true, false, Runner::Cargo),
            (TestDevice::Ndarray, false, true, Runner::Nextest),
            (TestDevice::Ndarray, false, false, Runner::Programs),
            (TestDevice::Cuda, true, true, Runner::Cargo),
            (TestDevice::SoftwareVulkan, false, true, Runner::Programs),
        ] {
            assert_eq!(Runner::of(device, first, nextest), expected, "{device:?}");
        }
    }

    #[test]
    fn a_gpu_is_used_by_one_test_at_a_time() {
        for runner in [Runner::Nextest, Runner::Cargo] {
            assert!(!words(runner, &ALL, 1).contains("--test-threads"));
        }
        assert!(words(Runner::Cargo, &ALL, 2).ends_with("-- --test-threads=1"));
        assert_eq!(test_arguments(TestDevice::Cuda), ["--test-threads=1"]);
        assert_eq!(TestDevice::Cuda.programs_at_once(), 1);
    }

    #[test]
    fn builds_without_a_gpu_leave_its_crates_out() {
        let cpu = build_arguments(&[TestDevice::Flex, TestDevice::Ndarray]).join(" ");
        assert!(cpu.contains("--exclude cubecl-llvm"), "{cpu}");
        assert!(!build_arguments(&ALL).contains(&"--exclude".to_owned()));
    }

    #[test]
    fn the_tensor_crates_exist() {
        for name in TENSOR_CRATES {
            assert!(
                crate::workspace::root().join("crates").join(name).is_dir(),
                "{name}"
            );
        }
    }
}
