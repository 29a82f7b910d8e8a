//! `--devices`: several devices that share the batches of one training.

use std::fmt;
use std::str::FromStr;

use salt_train::Machine;

use crate::device::{DeviceName, DeviceOption};
use crate::failure::Failure;

/// The options of a training: on one device, or on several.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TrainDevices {
    #[command(flatten)]
    one: DeviceOption,
    /// Share every batch between several of one kind: cuda:0,cuda:1
    #[arg(long, value_name = "DEVICE,DEVICE", conflicts_with = "device")]
    devices: Option<DeviceList>,
}

impl TrainDevices {
    /// What was named.
    pub(crate) fn list(&self) -> DeviceList {
        match &self.devices {
            Some(list) => list.clone(),
            None => DeviceList::one(self.one.device.clone()),
        }
    }
}

/// Devices of one kind, as they are named on the command line; at least one.
#[derive(Clone, Debug)]
pub(crate) struct DeviceList {
    first: DeviceName,
    others: Vec<DeviceName>,
}

impl DeviceList {
    /// A single device.
    pub(crate) fn one(first: DeviceName) -> Self {
        Self {
            first,
            others: Vec::new(),
        }
    }

    /// The devices with their names and the program's commit, as a run wants them.
    pub(crate) fn machine(&self) -> Result<Machine, Failure> {
        let others: Result<Vec<_>, _> = self.others.iter().map(DeviceName::open).collect();
        Ok(Machine {
            name: self.to_string(),
            others: others?,
            ..self.first.machine()?
        })
    }

    fn names(&self) -> impl Iterator<Item = &DeviceName> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl FromStr for DeviceList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut names = text.split(',').map(str::parse::<DeviceName>);
        // Splitting gives at least one part.
        let first = names.next().unwrap_or_else(|| text.parse())?;
        let mut list = Self::one(first);
        for name in names {
            let name = name?;
            if !name.is_same_kind(&list.first) {
                return Err(format!(
                    "expected devices of one kind, received {} and {name}: the slower would set the pace, and the result \
                     would be of neither",
                    list.first
                ));
            }
            let twice = list
                .names()
                .any(|other| other.to_string() == name.to_string());
            if twice && name.is_gpu() {
                return Err(format!(
                    "expected every GPU once, received {name} twice; two parts of a batch on one GPU are \
                     `--device {name}` with train.shards=2"
                ));
            }
            list.others.push(name);
        }
        Ok(list)
    }
}

impl fmt::Display for DeviceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names().map(ToString::to_string).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn lists_are_read_and_written_back() {
        for (text, shown) in [
            ("flex", "flex"),
            ("flex,flex", "flex,flex"),
            ("cuda:0,cuda:1", "cuda:0,cuda:1"),
            ("cuda,cuda:1,cuda:3", "cuda:0,cuda:1,cuda:3"),
        ] {
            assert_eq!(text.parse::<DeviceList>().unwrap().to_string(), shown);
        }
        for (wrong, why) in [
            ("", "received ``"),
            ("flex,", "received ``"),
            ("cuda:0,gpu", "received `gpu`"),
            ("cuda:0 cuda:1", "received `cuda:0 cuda:1`"),
            ("cuda:1,cuda:1", "cuda:1 twice"),
            ("cuda,cuda:0", "cuda:0 twice"),
            ("vulkan,vulkan", "vulkan twice"),
            ("flex,ndarray", "flex and ndarray"),
            ("cuda:0,flex", "cuda:0 and flex"),
        ] {
            let error = wrong.parse::<DeviceList>().unwrap_err();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        devices: TrainDevices,
    }

    #[test]
    fn one_device_or_several_are_named_and_not_both() {
        let parse = |words: &[&str]| Line::try_parse_from([&["train"], words].concat());
        let shown = |words| {
            parse(words)
                .ok()
                .map(|line| line.devices.list().to_string())
        };
        for (words, expected) in [
            (&[][..], Some("flex")),
            (&["--device", "cuda:1"], Some("cuda:1")),
            (&["--devices", "cuda:1,cuda:0"], Some("cuda:1,cuda:0")),
            (&["--device", "flex", "--devices", "flex,flex"], None),
        ] {
            assert_eq!(shown(words).as_deref(), expected, "{words:?}");
        }
    }
}
