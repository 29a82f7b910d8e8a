//! `salt doctor`: what this machine has, what this program was built with, and what follows.

mod advice;
mod drivers;
mod machine;

use serde::Serialize;

use self::drivers::Driver;
use self::machine::Processor;
use crate::checkpoint_model;
use crate::device::{BACKENDS, COMMIT};
use crate::failure::Failure;
use crate::screen;

/// Options of `salt doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt doctor --json")]
pub(crate) struct Args {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// The JSON document.
#[derive(Debug, Serialize)]
struct Findings {
    version: &'static str,
    commit: Option<&'static str>,
    devices: Vec<DeviceFacts>,
    drivers: Vec<Driver>,
    processor: Processor,
    memory: Option<machine::Memory>,
    embedded_base: BaseFacts,
    advice: Vec<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct DeviceFacts {
    name: &'static str,
    about: &'static str,
    /// The cargo feature that brings it.
    feature: &'static str,
    compiled: bool,
}

/// The base inside the program.
#[derive(Debug, Serialize)]
struct BaseFacts {
    model: Option<String>,
    parameters: Option<usize>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let findings = look();
    if args.json {
        screen::json(&findings)
    } else {
        show(&findings)
    }
}

fn look() -> Findings {
    let devices = BACKENDS.map(|backend| DeviceFacts {
        name: backend.name,
        about: backend.about,
        feature: backend.name,
        compiled: backend.compiled,
    });
    let mut findings = Findings {
        version: env!("CARGO_PKG_VERSION"),
        commit: COMMIT,
        devices: devices.to_vec(),
        drivers: drivers::look(),
        processor: Processor::look(),
        memory: machine::Memory::look(),
        embedded_base: embedded_base(),
        advice: Vec::new(),
    };
    findings.advice = advice::of(&findings);
    findings
}

fn embedded_base() -> BaseFacts {
    let checkpoint = checkpoint_model::read(salt_train::base_model::EMBEDDED).ok();
    let known = checkpoint.and_then(|checkpoint| {
        let (name, _) = checkpoint_model::config(&checkpoint, None).ok()?;
        let values = checkpoint
            .tensors
            .values()
            .map(|tensor| tensor.shape.iter().product::<usize>());
        Some((name, values.sum()))
    });
    let (model, parameters) = known.unzip();
    BaseFacts { model, parameters }
}

fn show(findings: &Findings) -> Result<(), Failure> {
    let commit = findings.commit.map_or("an unknown commit", |commit| commit);
    screen::result(format_args!("salt {} of {commit}\n", findings.version))?;
    let rows = findings.devices.iter().map(|device| {
        [
            device.name.to_owned(),
            device.about.to_owned(),
            (if device.compiled { "yes" } else { "no" }).to_owned(),
        ]
    });
    screen::result(screen::table(
        ["device", "runs on", "compiled in"],
        rows.collect(),
    ))?;
    let rows = findings.drivers.iter().map(|driver| {
        let path = driver.path.as_ref().map(|path| path.display().to_string());
        [
            driver.library.to_owned(),
            driver.for_device.to_owned(),
            path.unwrap_or_else(|| "not found".to_owned()),
        ]
    });
    screen::result("")?;
    screen::result(screen::table(
        ["driver library", "for", "where"],
        rows.collect(),
    ))?;
    let processor = &findings.processor;
    screen::result(format_args!(
        "\nprocessor: {} cores, {} {}",
        processor.cores,
        processor.architecture,
        processor.features.join(" ")
    ))?;
    if let Some(memory) = &findings.memory {
        screen::result(format_args!(
            "memory: {} MiB, {} MiB of them free",
            screen::count(memory.total_mb),
            screen::count(memory.available_mb)
        ))?;
    }
    let base = &findings.embedded_base;
    match (&base.model, base.parameters) {
        (Some(model), Some(n)) => screen::result(format_args!(
            "embedded base: {model}, {} values",
            screen::count(n as u64)
        ))?,
        _ => screen::result("embedded base: none")?,
    }
    for line in &findings.advice {
        screen::result(format_args!("advice: {line}"))?;
    }
    Ok(())
}
