//! What `cargo xtask bench` does when it is told nothing more.

use clap::ValueEnum;

/// A size of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetName {
    /// Minutes on two cores: every method, generated vessels, one seed, the embedded base.
    Quick,
    /// The same with three seeds, more images and longer training.
    Standard,
    /// The paper's settings on SAM ViT-B at 512 pixels: needs --base and --datasets, and a GPU.
    Paper,
}

impl PresetName {
    /// The name on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Paper => "paper",
        }
    }

    /// What the name stands for.
    pub(crate) fn get(self) -> &'static Preset {
        match self {
            Self::Quick => &QUICK,
            Self::Standard => &STANDARD,
            Self::Paper => &PAPER,
        }
    }
}

/// The settings behind a name.
#[derive(Debug)]
pub(crate) struct Preset {
    /// Rows, unless `--methods` names others.
    pub(crate) methods: &'static [&'static str],
    /// Seeds, unless `--seeds` names others.
    pub(crate) seeds: &'static [u64],
    /// The generated vessels, the data set when `--datasets` names none; `None` demands that it does.
    pub(crate) vessels: Option<Vessels>,
    /// Registered name of the network.
    pub(crate) model: &'static str,
    /// Side of the network input in pixels.
    pub(crate) image_size: u32,
    /// Whether a base comes with the program; otherwise `--base` is needed.
    pub(crate) has_embedded_base: bool,
    /// The recipe's `[train]` section, without the seed.
    pub(crate) train: &'static str,
}

/// A generated data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vessels {
    /// Images in all splits together.
    pub(crate) count: u32,
    /// Side of an image in pixels.
    pub(crate) size_px: u32,
    /// Seed of the generator.
    pub(crate) seed: u64,
}

const ALL: &[&str] = &["frozen", "norms", "ssam", "lora", "salt", "full", "scratch"];

const QUICK: Preset = Preset {
    methods: ALL,
    seeds: &[0],
    vessels: Some(Vessels {
        count: 40,
        size_px: 256,
        seed: 0,
    }),
    model: "sam_nano",
    image_size: 128,
    has_embedded_base: true,
    train: r"
epochs = 6
samples_per_epoch = 160
batch_size = 8
shards = 2
lr = 1e-3
validate_every = 2
workers = 1
overlays = 2
",
};

const STANDARD: Preset = Preset {
    methods: ALL,
    seeds: &[0, 1, 2],
    vessels: Some(Vessels {
        count: 120,
        size_px: 256,
        seed: 0,
    }),
    model: "sam_nano",
    image_size: 128,
    has_embedded_base: true,
    train: r"
epochs = 30
samples_per_epoch = 320
batch_size = 8
shards = 2
lr = 1e-3
validate_every = 2
workers = 1
",
};

/// Learning rate, weight decay, epochs and batch of the reference code (method.md, section 2).
const PAPER: Preset = Preset {
    methods: &[
        "frozen",
        "norms",
        "paper-ssam",
        "paper-lora-4",
        "paper-lora-256",
        "paper-salt-4",
        "paper-salt-256",
    ],
    seeds: &[0, 1, 2],
    vessels: None,
    model: "sam_vit_b",
    image_size: 512,
    has_embedded_base: false,
    train: r"
epochs = 200
batch_size = 2
lr = 1e-4
weight_decay = 1e-2
validate_every = 5
workers = 2
",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::method;

    #[test]
    fn presets_name_registered_methods_and_hold_toml() {
        for preset in PresetName::value_variants().iter().map(|name| name.get()) {
            for name in preset.methods {
                assert!(method::by_name(name).is_some(), "{name}");
            }
            let train: toml::Table = preset.train.parse().unwrap();
            assert!(
                train.contains_key("epochs") && !train.contains_key("seed"),
                "{train}"
            );
        }
    }

    #[test]
    fn the_name_is_the_one_on_the_command_line() {
        for name in PresetName::value_variants() {
            assert_eq!(name.to_possible_value().unwrap().get_name(), name.as_str());
        }
    }
}
