//! `--device`: from a name on the command line to Burn's device.
//!
//! Backends are cargo features. Each has a file that opens it; where the feature is off, `absent`
//! stands in. This is the only place that asks which are compiled in.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use burn::tensor::{Device, Tensor};
use salt_train::Machine;
use serde::Serialize;

use crate::failure::Failure;

#[cfg(not(all(
    feature = "flex",
    feature = "ndarray",
    feature = "wgpu-unfused",
    feature = "vulkan",
    feature = "cuda-unfused"
)))]
mod absent;
#[cfg(not(feature = "cuda-unfused"))]
use absent as cuda;
#[cfg(not(feature = "flex"))]
use absent as flex;
#[cfg(not(feature = "ndarray"))]
use absent as ndarray;
#[cfg(not(feature = "vulkan"))]
use absent as vulkan;
#[cfg(not(feature = "wgpu-unfused"))]
use absent as wgpu;
#[cfg(feature = "cuda-unfused")]
mod cuda;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "ndarray")]
mod ndarray;
#[cfg(feature = "vulkan")]
mod vulkan;
#[cfg(feature = "wgpu-unfused")]
mod wgpu;

/// One kind of device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backend {
    /// Its name, which is also the cargo feature that brings it.
    pub(crate) name: &'static str,
    /// What it runs on, for people.
    pub(crate) about: &'static str,
    /// Whether it was compiled in.
    pub(crate) compiled: bool,
    /// Whether several are told apart by a number, as in `cuda:1`.
    numbered: bool,
    /// Whether it needs a driver that may be missing at run time.
    driver: bool,
    open: fn(usize) -> Option<Device>,
}

/// The registry of devices. A new backend is one line here and one file.
pub(crate) const BACKENDS: [Backend; 5] = [
    Backend {
        name: "flex",
        about: "CPU",
        compiled: cfg!(feature = "flex"),
        numbered: false,
        driver: false,
        open: flex::open,
    },
    Backend {
        name: "ndarray",
        about: "CPU, the older backend",
        compiled: cfg!(feature = "ndarray"),
        numbered: false,
        driver: false,
        open: ndarray::open,
    },
    Backend {
        name: "wgpu",
        about: "any GPU",
        compiled: cfg!(feature = "wgpu-unfused"),
        numbered: false,
        driver: true,
        open: wgpu::open,
    },
    Backend {
        name: "vulkan",
        about: "GPUs with Vulkan",
        compiled: cfg!(feature = "vulkan"),
        numbered: false,
        driver: true,
        open: vulkan::open,
    },
    Backend {
        name: "cuda",
        about: "NVIDIA GPUs",
        compiled: cfg!(feature = "cuda-unfused"),
        numbered: true,
        driver: true,
        open: cuda::open,
    },
];

/// The option that commands share.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DeviceOption {
    /// What to compute on: flex, ndarray, wgpu, vulkan, cuda:0
    #[arg(long, value_name = "DEVICE", default_value = "flex")]
    pub(crate) device: DeviceName,
}

/// A device as it is named on the command line.
#[derive(Clone, Debug)]
pub(crate) struct DeviceName {
    backend: &'static Backend,
    index: usize,
}

impl DeviceName {
    /// The device behind the name.
    pub(crate) fn open(&self) -> Result<Device, Failure> {
        let Some(device) = (self.backend.open)(self.index) else {
            let compiled = BACKENDS.iter().filter(|backend| backend.compiled);
            let compiled: Vec<&str> = compiled.map(|backend| backend.name).collect();
            let feature = self.backend.name;
            return Err(Failure::usage(
                format!(
                    "device `{self}` was not compiled in: it comes with the cargo feature `{feature}`"
                ),
                format!(
                    "build with `cargo build --release -p salt-cli --features {feature}`, or choose \
                     one of: {}",
                    compiled.join(", ")
                ),
            ));
        };
        if self.backend.driver {
            probe(&device).map_err(|reason| {
                Failure::usage(
                    format!("device `{self}` does not answer: {reason}"),
                    "salt doctor shows which drivers are there; --device flex computes on the CPU",
                )
            })?;
        }
        Ok(device)
    }

    /// Whether both are of one backend.
    pub(crate) fn is_same_kind(&self, other: &Self) -> bool {
        self.backend.name == other.backend.name
    }

    /// Whether it is a GPU.
    pub(crate) fn is_gpu(&self) -> bool {
        self.backend.driver
    }

    /// The device with its name and the program's commit, as a run wants them.
    pub(crate) fn machine(&self) -> Result<Machine, Failure> {
        Ok(Machine {
            device: self.open()?,
            others: Vec::new(),
            name: self.to_string(),
            commit: COMMIT.map(str::to_owned),
        })
    }
}

/// The commit the program was built from, where there was a checkout.
pub(crate) const COMMIT: Option<&str> = option_env!("SALT_COMMIT");

/// Use a device once. Burn panics where a driver is missing, and does so on first use.
fn probe(device: &Device) -> Result<(), String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let sum = catch_unwind(AssertUnwindSafe(|| {
        Tensor::<1>::ones([3], device).sum().into_scalar::<f32>()
    }));
    std::panic::set_hook(hook);
    match sum {
        Ok(3.0) => Ok(()),
        Ok(sum) => Err(format!("1 + 1 + 1 gave {sum}")),
        Err(panic) => Err(crate::panic_report::message_of(&*panic).to_owned()),
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number)),
            None => (text, None),
        };
        let wrong = || {
            format!("expected flex, ndarray, wgpu, vulkan or cuda:N (N from 0), received `{text}`")
        };
        let mut backends = BACKENDS.iter();
        let backend = backends
            .find(|backend| backend.name == name)
            .ok_or_else(wrong)?;
        let index = match number {
            None => 0,
            Some(number) if backend.numbered => number.parse().map_err(|_| wrong())?,
            Some(_) => return Err(wrong()),
        };
        Ok(Self { backend, index })
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.backend.numbered {
            true => write!(f, "{}:{}", self.backend.name, self.index),
            false => f.write_str(self.backend.name),
        }
    }
}

impl Serialize for DeviceName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_back() {
        for (text, shown) in [("flex", "flex"), ("cuda:2", "cuda:2"), ("cuda", "cuda:0")] {
            assert_eq!(text.parse::<DeviceName>().unwrap().to_string(), shown);
        }
        for wrong in ["gpu", "", "flex:0", "cuda:x", "cuda:-1", "CUDA:0"] {
            let error = wrong.parse::<DeviceName>().unwrap_err();
            assert!(error.contains("cuda:N"), "{error}");
        }
    }

    #[test]
    fn a_device_opens_exactly_when_its_feature_is_on() {
        for backend in BACKENDS {
            assert_eq!(
                (backend.open)(0).is_some(),
                backend.compiled,
                "{}",
                backend.name
            );
        }
    }

    #[test]
    fn a_missing_device_names_its_feature() {
        let Some(missing) = BACKENDS.iter().find(|backend| !backend.compiled) else {
            return;
        };
        let error = missing
            .name
            .parse::<DeviceName>()
            .unwrap()
            .open()
            .unwrap_err();
        let error = format!("{error:?}");
        assert!(error.contains(&format!("`{}`", missing.name)), "{error}");
        assert!(error.contains("--features"), "{error}");
    }
}
