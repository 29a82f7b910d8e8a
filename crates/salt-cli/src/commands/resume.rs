//! `salt resume`: the rest of a run that was stopped.

use std::path::{Path, PathBuf};

use salt_train::Session;
use salt_train::run_dir::RunDir;

use super::run_outcome;
use crate::device::DeviceName;
use crate::device_list::DeviceList;
use crate::failure::Failure;
use crate::interrupt;
use crate::run_progress::{DashboardArgs, RunProgress};
use crate::screen;

/// Options of `salt resume`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt resume runs/vessels

On the devices the run began on, a resumed run writes the same bytes as one that was never stopped.")]
pub(crate) struct Args {
    /// Run directory of a salt train that was stopped
    run: PathBuf,
    /// What to compute on [default: what the run was computed on last]
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceName>,
    /// Share every batch between several of one kind: cuda:0,cuda:1
    #[arg(long, value_name = "DEVICE,DEVICE", conflicts_with = "device")]
    devices: Option<DeviceList>,
    #[command(flatten)]
    progress: DashboardArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let run = RunDir::open(&args.run)?;
    let devices = match (&args.devices, &args.device) {
        (Some(given), _) => given.clone(),
        (None, Some(given)) => DeviceList::one(given.clone()),
        (None, None) => match devices_of(&run.log()) {
            Some(began_on) => began_on,
            None => default_device()?,
        },
    };
    let machine = devices.machine()?;
    screen::note(format_args!("resuming on {devices}"));
    let interrupt = interrupt::listen()?;
    let mut progress = RunProgress::new(args.progress, &args.run, &interrupt);
    let mut session = Session::new(&mut progress, interrupt);
    let outcome = salt_train::resume(&args.run, &machine, &mut session)?;
    drop(progress);
    run_outcome::show(&outcome, &args.run)
}

fn default_device() -> Result<DeviceList, Failure> {
    "flex"
        .parse()
        .map_err(|message: String| Failure::job(message, None))
}

/// The devices in the newest line of `log.jsonl` that names some.
fn devices_of(log: &Path) -> Option<DeviceList> {
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
    fn the_newest_devices_of_the_log_count() {
        let tmp = tempfile::tempdir().unwrap();
        let log = tmp.path().join("log.jsonl");
        assert!(devices_of(&log).is_none());
        let lines = [
            r#"{"event":"start","device":"flex"}"#,
            r#"{"event":"resume","device":"cuda:1"}"#,
            r#"{"event":"epoch"}"#,
            r#"{"event":"ep"#,
        ];
        std::fs::write(&log, lines.join("\n")).unwrap();
        assert_eq!(devices_of(&log).unwrap().to_string(), "cuda:1");
        std::fs::write(&log, r#"{"event":"start","device":"cuda:0,cuda:1"}"#).unwrap();
        assert_eq!(devices_of(&log).unwrap().to_string(), "cuda:0,cuda:1");
    }
}
