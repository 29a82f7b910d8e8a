//! The program, a tiny base, a tiny data set, and a recipe over them.

use std::path::{Path, PathBuf};
use std::process::Output;

use burn::tensor::Device;
use salt_sam::SamConfig;
use salt_sam::weights::{SaveOptions, save};
use salt_train::scratch::redraw;

/// Run `salt` with these arguments.
pub(super) fn salt<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    command(arguments).output().expect("salt starts")
}

/// The process, not started yet. Nothing of the caller's environment changes what it prints.
pub(super) fn command<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_salt"));
    command.args(arguments).env_remove("NO_COLOR");
    command.env("SALT_SVD_CACHE", "off");
    command
}

/// Run `salt` and expect success; gives standard output.
pub(super) fn succeed<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> String {
    let output = salt(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// Run `salt` and expect exactly one JSON document on standard output.
pub(super) fn json<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> serde_json::Value {
    let text = succeed(arguments);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// `--device` of the tests: `BURN_DEVICE`, as in the other crates.
pub(super) fn device() -> String {
    match std::env::var("BURN_DEVICE").as_deref() {
        Ok("cuda") => "cuda:0".to_owned(),
        Ok(name) => name.to_owned(),
        Err(_) => "flex".to_owned(),
    }
}

/// Sizes of a network that trains in milliseconds.
pub(super) fn tiny() -> SamConfig {
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
        n_prompt_tokens: 1,
    }
}

/// Weights of a model drawn at random.
pub(super) fn weights(config: &SamConfig, seed: u64, path: &Path) {
    let sam = redraw(config.init(&Device::default()).expect("valid sizes"), seed);
    save(&sam, path, &SaveOptions::default()).expect("written");
}

/// A folder with everything a tiny run needs.
pub(super) struct Inputs {
    folder: tempfile::TempDir,
}

impl Inputs {
    /// Six vessel images of 48 pixels, a base, and a recipe for SALT of 2 epochs of 2 batches.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inputs = Self { folder };
        let out = inputs.path("vessels");
        let words = [
            "data", "synth", "vessels", "--count", "6", "--size", "48", "--seed", "1", "--out",
        ];
        succeed(&[&words[..], &[&out]].concat());
        weights(&tiny(), 42, inputs.file("base.safetensors").as_path());
        let config = toml::to_string(&tiny()).expect("plain data");
        let recipe = format!(
            "[model]\nname = 'tiny'\nweights = '{}'\n[model.config]\n{config}\n\
             [adapter]\nmethod = 'salt'\ntargets = ['attn\\.(qkv|proj)']\nhead_rank = 0.5\n\
             tail_rank = 2\nmodules_to_save = ['norms', 'prompt_token']\n\
             [data]\npath = '{out}'\nview = 'tiles'\n\
             [train]\nepochs = 2\nbatch_size = 3\nsamples_per_epoch = 6\nlr = 1e-2\nseed = 5\n",
            inputs.path("base.safetensors"),
        );
        std::fs::write(inputs.file("recipe.toml"), recipe).expect("written");
        inputs
    }

    /// A path in the folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as an argument.
    pub(super) fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// Arguments that train the recipe into `run`, with overrides.
    pub(super) fn train(&self, run: &str, overrides: &[&str]) -> Vec<String> {
        let mut words = vec!["train".to_owned(), self.path("recipe.toml")];
        words.extend(["--out".to_owned(), self.path(run)]);
        words.extend(["--device".to_owned(), device()]);
        for setting in overrides {
            words.extend(["--set".to_owned(), (*setting).to_owned()]);
        }
        words
    }

    /// Arguments that merge an adapter into weights, all of them names in the folder.
    pub(super) fn merge(&self, weights: &str, adapter: &str, out: &str) -> Vec<String> {
        let mut words = vec!["adapter".to_owned(), "merge".to_owned()];
        for (option, name) in [
            ("--weights", weights),
            ("--adapter", adapter),
            ("--out", out),
        ] {
            words.extend([option.to_owned(), self.path(name)]);
        }
        words.extend(["--device".to_owned(), device()]);
        words
    }

    /// A file of a run.
    pub(super) fn read(&self, run: &str, name: &str) -> Vec<u8> {
        let path = self.file(run).join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}
