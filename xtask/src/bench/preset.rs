//! What `cargo xtask bench` does when it is told nothing more.

use clap::ValueEnum;

use super::method::Learns;

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
    /// The recipe's `[train]` section, without seed and learning rate.
    pub(crate) train: &'static str,
    /// The learning rates.
    pub(crate) rates: Rates,
}

/// A learning rate for whatever [`Learns`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    /// Of adapters, and of the norms, positions and tokens trained beside them.
    pub(crate) adapter: f64,
    /// Of full fine-tuning: all parameters move, so each by less.
    pub(crate) full: f64,
    /// Of a network without a base.
    pub(crate) scratch: f64,
}

impl Preset {
    /// The keys of `[train]` that depend on what learns.
    pub(crate) fn keys_of(&self, learns: Learns) -> toml::Table {
        let (key, value): (_, toml::Value) = match learns {
            Learns::Nothing => ("epochs", 0.into()),
            Learns::Adapter => ("lr", self.rates.adapter.into()),
            Learns::Everything => ("lr", self.rates.full.into()),
            Learns::FromScratch => ("lr", self.rates.scratch.into()),
        };
        [(key.to_owned(), value)].into_iter().collect()
    }
}

/// For the small base: chosen on the validation images of CHASE_DB1 and of generated vessels of a seed
/// that no preset draws. What was tried, and what was not, is in docs/results/README.md.
const NANO_RATES: Rates = Rates {
    adapter: 1e-2,
    full: 2e-3,
    scratch: 1e-3,
};

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
epochs = 9
samples_per_epoch = 160
batch_size = 4
shards = 2
validate_every = 3
workers = 1
overlays = 2
",
    rates: NANO_RATES,
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
batch_size = 4
shards = 2
validate_every = 3
workers = 1
",
    rates: NANO_RATES,
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
weight_decay = 1e-2
validate_every = 5
workers = 2
",
    // The reference code has no full fine-tuning: a tenth is usual there.
    rates: Rates {
        adapter: 1e-4,
        full: 1e-5,
        scratch: 1e-4,
    },
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
                train.contains_key("epochs")
                    && !train.contains_key("seed")
                    && !train.contains_key("lr"),
                "{train}"
            );
        }
    }

    #[test]
    fn what_learns_more_learns_slower_and_frozen_not_at_all() {
        for preset in PresetName::value_variants().iter().map(|name| name.get()) {
            let rate = |learns| preset.keys_of(learns)["lr"].as_float().unwrap();
            assert!(rate(Learns::Everything) < rate(Learns::Adapter));
            assert_eq!(
                preset.keys_of(Learns::Nothing)["epochs"].as_integer(),
                Some(0)
            );
            assert!(!preset.keys_of(Learns::Nothing).contains_key("lr"));
        }
    }

    #[test]
    fn the_name_is_the_one_on_the_command_line() {
        for name in PresetName::value_variants() {
            assert_eq!(name.to_possible_value().unwrap().get_name(), name.as_str());
        }
    }
}
