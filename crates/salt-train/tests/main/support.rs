//! A tiny base, a tiny data set, and recipes over them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::tensor::Device;
use salt_sam::SamConfig;
use salt_sam::weights::{SaveOptions, TOKEN_NAMES, save};
use salt_train::scratch::redraw;
use salt_train::{
    Event, Interrupt, Machine, Observer, Outcome, Recipe, RunResult, Session, Silent, TrainError,
};

/// Inputs that all tests share; the folder lives as long as the process.
pub(crate) struct Inputs {
    root: tempfile::TempDir,
}

/// Whether the device under test is the CPU. On software Vulkan every new shape costs seconds of
/// compilation: tests over many shapes are left out there, and say so.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn on_cpu() -> bool {
    let device = format!("{:?}", Device::default());
    let on_cpu = ["Flex", "NdArray"].iter().any(|cpu| device.contains(cpu));
    if !on_cpu {
        eprintln!("skipped: too many shapes for {device}; runs on flex and ndarray");
    }
    on_cpu
}

/// Whether the device under test is flex. A test that shows nothing about a backend (files that fail, what a method
/// can learn) or whose claim is about flex is left out elsewhere, and says why.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn on_flex(why: &str) -> bool {
    let on_flex = Device::default() == Device::flex();
    if !on_flex {
        eprintln!("skipped: {why}; runs on flex");
    }
    on_flex
}

/// Sizes of a network that trains in milliseconds.
pub(crate) fn tiny() -> SamConfig {
    SamConfig {
        image_size: 32,
        patch_size: 8,
        embed_dim: 16,
        depth: 2,
        num_heads: 2,
        mlp_ratio: 2,
        window_size: 2,
        global_attn_indexes: vec![1],
        out_chans: 16,
        decoder_depth: 1,
        decoder_heads: 2,
        decoder_mlp_dim: 16,
        iou_head_hidden: 8,
        mask_in_chans: 4,
        n_prompt_tokens: 2,
    }
}

/// A checkpoint of [`tiny`] whose two tokens have names.
pub(crate) fn named_tokens() -> SaveOptions {
    SaveOptions {
        metadata: BTreeMap::from([(TOKEN_NAMES.to_owned(), "object,thin".to_owned())]),
        ..SaveOptions::default()
    }
}

pub(crate) fn inputs() -> &'static Inputs {
    static INPUTS: OnceLock<Inputs> = OnceLock::new();
    INPUTS.get_or_init(|| {
        let root = tempfile::tempdir().unwrap();
        let device = Device::default();
        let sam = redraw(tiny().init(&device).unwrap(), 42);
        save(&sam, &root.path().join("base.safetensors"), &named_tokens()).unwrap();
        salt_data::synth::vessels::write_dataset(&root.path().join("vessels"), 6, 48, 1).unwrap();
        Inputs { root }
    })
}

impl Inputs {
    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().join("vessels")
    }

    pub(crate) fn weights(&self) -> PathBuf {
        self.root.path().join("base.safetensors")
    }
}

/// The `[adapter]` table of a method, sized for the tiny network.
pub(crate) fn adapter(method: &str) -> &'static str {
    match method {
        "salt" => {
            "method = 'salt'\ntargets = ['attn\\.(qkv|proj)']\nhead_rank = 0.5\ntail_rank = 2\nmodules_to_save = ['norms', 'prompt_token']"
        }
        "ssam" => "method = 'ssam'\ntargets = ['attn\\.qkv']\nmodules_to_save = ['prompt_token']",
        "lora" => {
            "method = 'lora'\ntargets = ['attn\\.(qkv|proj)']\nrank = 2\nmodules_to_save = ['prompt_token']"
        }
        "rslora" => "method = 'rslora'\ntargets = ['attn\\.(qkv|proj)']\nrank = 2",
        "olora" => "method = 'olora'\ntargets = ['attn\\.(qkv|proj)']\nrank = 2",
        "loraxs" => "method = 'loraxs'\ntargets = ['attn\\.(qkv|proj)']\nrank = 2",
        "dora" => "method = 'dora'\ntargets = ['attn\\.(qkv|proj)', 'neck\\.2']\nrank = 2",
        "pissa" => "method = 'pissa'\ntargets = ['attn\\.(qkv|proj)', 'neck\\.2']\nrank = 2",
        "svft" => "method = 'svft'\ntargets = ['attn\\.(qkv|proj)', 'neck\\.2']\nband = 2",
        "norms" => "method = 'norms'\nmodules_to_save = ['prompt_token']",
        "bias" => "method = 'bias'",
        "decoder" => "method = 'decoder'",
        "full" => "method = 'full'",
        "scratch" => "method = 'scratch'",
        "frozen" => "method = 'frozen'",
        other => panic!("no settings for {other}"),
    }
}

/// A recipe of 2 epochs of 2 batches, as text.
pub(crate) fn text(method: &str) -> String {
    let inputs = inputs();
    let config = toml::to_string(&tiny()).unwrap();
    format!(
        "[model]\nname = 'tiny'\nweights = '{}'\n[model.config]\n{config}\n[adapter]\n{}\n\
         [data]\npath = '{}'\nview = 'tiles'\nvalidation = 0.3\n\
         [train]\nepochs = 2\nbatch_size = 3\nsamples_per_epoch = 6\nlr = 1e-2\nseed = 5\noverlays = 1\n",
        inputs.weights().display(),
        adapter(method),
        inputs.data().display(),
    )
}

pub(crate) fn recipe(method: &str, overrides: &[&str]) -> Result<Recipe, TrainError> {
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    Recipe::parse(&text(method), &overrides)
}

pub(crate) fn machine() -> Machine {
    Machine {
        device: Device::default(),
        others: Vec::new(),
        name: "test".into(),
        commit: None,
    }
}

pub(crate) fn train(recipe: &Recipe, out: &Path) -> Result<RunResult, TrainError> {
    finished(salt_train::train(
        recipe,
        out,
        &machine(),
        &mut Session::new(&mut Silent, Interrupt::new()),
    ))
}

pub(crate) fn finished(outcome: Result<Outcome, TrainError>) -> Result<RunResult, TrainError> {
    match outcome? {
        Outcome::Finished(result) => Ok(*result),
        Outcome::Interrupted { epoch, step } => panic!("interrupted at epoch {epoch}, step {step}"),
    }
}

/// Stops the run after a number of steps.
pub(crate) struct StopAfter {
    pub(crate) step: u64,
    pub(crate) interrupt: Interrupt,
}

impl Observer for StopAfter {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Step { step, .. } = event
            && step == self.step
        {
            self.interrupt.stop();
        }
    }
}

/// Keeps the warnings of a run.
#[derive(Debug, Default)]
pub(crate) struct Told(pub(crate) Vec<String>);

impl Observer for Told {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Warning(what) = event {
            self.0.push(what.to_owned());
        }
    }
}

/// The files of a run that must not depend on anything but the recipe.
pub(crate) fn stable_files(run: &Path) -> BTreeMap<&'static str, Vec<u8>> {
    [
        "recipe.toml",
        "metrics.csv",
        "cases.csv",
        "adapter/adapter_model.safetensors",
        "adapter/adapter_config.json",
        "curves.svg",
    ]
    .into_iter()
    .map(|name| {
        (
            name,
            std::fs::read(run.join(name)).unwrap_or_else(|e| panic!("{name}: {e}")),
        )
    })
    .collect()
}

/// Whether two runs wrote the same bytes; says which file differs, and nothing of what is in it.
pub(crate) fn assert_same_files(one: &Path, other: &Path, what: &str) {
    let (one, other) = (stable_files(one), stable_files(other));
    let differing: Vec<_> = one
        .keys()
        .filter(|name| one[*name] != other[*name])
        .collect();
    assert!(differing.is_empty(), "{what}: {differing:?} differ");
}
