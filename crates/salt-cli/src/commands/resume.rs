//! `salt resume`: the rest of a run that was stopped.

use std::path::{Path, PathBuf};

use salt_train::Session;
use salt_train::run_dir::RunDir;

use super::run_outcome;
use crate::device::DeviceName;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Progress;
use crate::screen;

/// Options of `salt resume`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt resume runs/vessels

On the device the run began on, a resumed run writes the same bytes as one that was never stopped.")]
pub(crate) struct Args {
    /// Run directory of a salt train that was stopped
    run: PathBuf,
    /// What to compute on [default: the device the run began on]
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceName>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let run = RunDir::open(&args.run)?;
    let began_on = device_of(&run.log());
    let name = match (&args.device, began_on) {
        (Some(given), _) => given.clone(),
        (None, Some(device)) => device,
        (None, None) => default_device()?,
    };
    let machine = name.machine()?;
    screen::note(format_args!("resuming on {name}"));
    let mut progress = Progress::new();
    let mut session = Session::new(&mut progress, interrupt::listen()?);
    let outcome = salt_train::resume(&args.run, &machine, &mut session)?;
    drop(progress);
    run_outcome::show(&outcome, &args.run)
}

fn default_device() -> Result<DeviceName, Failure> {
    "flex"
        .parse()
        .map_err(|message: String| Failure::job(message, None))
}

/// The device in the newest line of `log.jsonl` that names one.
fn device_of(log: &Path) -> Option<DeviceName> {
    let text = std::fs::read_to_string(log).ok()?;
    text.lines().rev().find_map(|line| {
        let document: serde_json::Value = serde_json::from_str(line).ok()?;
        document.get("device")?.as_str()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_device_of_the_log_counts() {
        let tmp = tempfile::tempdir().unwrap();
        let log = tmp.path().join("log.jsonl");
        assert!(device_of(&log).is_none());
        let lines = [
            r#"{"event":"start","device":"flex"}"#,
            r#"{"event":"resume","device":"cuda:1"}"#,
            r#"{"event":"epoch"}"#,
            r#"{"event":"ep"#,
        ];
        std::fs::write(&log, lines.join("\n")).unwrap();
        assert_eq!(device_of(&log).unwrap().to_string(), "cuda:1");
    }
}
