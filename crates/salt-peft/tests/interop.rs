//! Directories of HF peft: read here, and written here for it.
//!
//! `interop/hf_peft.py` made the directories in `interop/hf` and says what they compute.
//! `cargo xtask parity` makes them anew with the peft at hand and hands what this crate writes back to it;
//! `SALT_INTEROP` then names the folder.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use salt_peft::{
    AdapterConfig, ExportOptions, Names, PeftError, Rank, attach, export_hf_lora, import_adapter,
    load_adapter, load_trainable_state, merge, save_adapter, trainable_state,
};

use crate::nets::{assert_close, bits, floats, on_device, relative_error};

/// f32 sums in another order.
pub(crate) const TOLERANCE: f32 = 1e-5;

/// The network of `hf_peft.py`.
#[derive(Module, Debug)]
pub(crate) struct InteropNet {
    stem: Conv2d,
    blocks: Vec<Linear>,
    norm: LayerNorm,
    qkv: Linear,
    head: Linear,
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

pub(crate) fn read(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).expect("a fixture");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let tensors = file.iter().map(|(name, view)| {
        assert_eq!(view.dtype(), Dtype::F32, "{name}");
        let values = view.data().as_chunks::<4>().0.iter();
        let values = values.map(|bytes| f32::from_le_bytes(*bytes)).collect();
        (name.to_owned(), (view.shape().to_vec(), values))
    });
    tensors.collect()
}

pub(crate) fn write(path: &Path, tensors: &Tensors) {
    let bytes: Vec<Vec<u8>> = tensors
        .values()
        .map(|(_, values)| values.iter().flat_map(|x| x.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, (dims, _)), bytes)| {
            let view = TensorView::new(Dtype::F32, dims.clone(), bytes).expect("sized");
            (name, view)
        });
    let bytes = safetensors::serialize(views, None).expect("plain");
    std::fs::write(path, bytes).expect("writes");
}

fn device() -> Device {
    Device::default().autodiff()
}

pub(crate) fn fixtures() -> PathBuf {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/hf");
    std::env::var_os("SALT_INTEROP").map_or(committed, PathBuf::from)
}

impl InteropNet {
    /// The base in `base.safetensors`.
    pub(crate) fn load() -> Self {
        let device = &device();
        let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let net = Self {
            stem: Conv2dConfig::new([2, 6], [3, 3])
                .with_padding(padding)
                .init(device),
            blocks: vec![
                LinearConfig::new(96, 14).init(device),
                LinearConfig::new(14, 14).with_bias(false).init(device),
            ],
            norm: LayerNormConfig::new(14).init(device),
            qkv: LinearConfig::new(14, 42).init(device),
            head: LinearConfig::new(14, 5).init(device),
        };
        let mut base = read(&fixtures().join("base.safetensors"));
        let mut state = trainable_state(&net).expect("readable");
        for (path, data) in &mut state {
            let name = path
                .replace("norm.gamma", "norm.weight")
                .replace("norm.beta", "norm.bias");
            let (dims, values) = base.remove(&name).expect("the same net");
            // PyTorch's linear weights are [out, in].
            let values = match dims.as_slice() {
                [rows, cols] => transposed(&values, *rows, *cols),
                _ => values,
            };
            *data = TensorData::new(values, data.shape().to_vec());
        }
        assert!(base.is_empty(), "{base:?}");
        load_trainable_state(net, state).expect("fits")
    }

    pub(crate) fn outputs(&self) -> Tensor<2> {
        let (dims, values) = &read(&fixtures().join("outputs.safetensors"))["inputs"];
        let x = Tensor::<4>::from_data(TensorData::new(values.clone(), dims.clone()), &device());
        let hidden: Tensor<2> = relu(self.stem.forward(x)).flatten(1, 3);
        let hidden = self.norm.forward(self.blocks[0].forward(hidden));
        let [q, k, v] = self
            .qkv
            .forward(hidden)
            .chunk(3, 1)
            .try_into()
            .expect("three");
        self.head.forward(relu(self.blocks[1].forward(q * k + v)))
    }

    /// The weights that adapters change, in PyTorch's layout.
    pub(crate) fn weights(&self) -> Tensors {
        let linear = |name: &str, layer: &Linear| {
            let weight = layer.weight.val().transpose();
            let dims = weight.dims().to_vec();
            (format!("{name}.weight"), (dims, floats(weight)))
        };
        let stem = self.stem.weight.val();
        let stem = (stem.dims().to_vec(), floats(stem));
        BTreeMap::from([
            linear("qkv", &self.qkv),
            linear("blocks.0", &self.blocks[0]),
            linear("blocks.1", &self.blocks[1]),
            ("stem.weight".into(), stem),
        ])
    }
}

fn transposed(values: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    let places = (0..cols).flat_map(|col| (0..rows).map(move |row| row * cols + col));
    places.map(|at| values[at]).collect()
}

/// The directories of one folder, by name.
fn cases(root: &Path) -> BTreeMap<String, PathBuf> {
    let entries = std::fs::read_dir(root).expect("fixtures");
    let dirs = entries.map(|entry| entry.expect("readable").path());
    let dirs = dirs.filter(|path| path.join("adapter_config.json").is_file());
    dirs.map(|path| {
        let name = path.file_name().expect("named").to_string_lossy();
        (name.into_owned(), path)
    })
    .collect()
}

#[test]
fn directories_of_hf_peft_are_read() {
    let outputs = read(&fixtures().join("outputs.safetensors"));
    let close = |found: &[f32], key: &str| {
        assert_close(found, &outputs[key].1, TOLERANCE, key);
        relative_error(found, &outputs[key].1)
    };
    close(&floats(InteropNet::load().outputs()), "base");
    let mut table = String::from(
        "| adapter of peft, read by salt-peft | method | output | merged weights |\n|---|---|---|---|\n",
    );
    let cases = cases(&fixtures());
    assert!(cases.len() >= 11, "{cases:?}");
    for (name, dir) in cases {
        let (model, report) =
            load_adapter(InteropNet::load(), &dir).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(report.adapter > 0, "{name}");
        let of_output = close(&floats(model.outputs()), &name);
        // Saved and loaded as ours.
        let tmp = tempfile::tempdir().expect("tmp");
        let header = import_adapter(&dir, tmp.path(), Names::SAME).expect("reads");
        assert!(header.imported, "{name}");
        let (imported, _) = load_adapter(InteropNet::load(), tmp.path()).expect("reads");
        assert_eq!(bits(imported.outputs()), bits(model.outputs()), "{name}");
        let again = tempfile::tempdir().expect("tmp");
        save_adapter(&imported, &header.config, again.path()).expect("saves");
        let (again, _) = load_adapter(InteropNet::load(), again.path()).expect("reads");
        assert_eq!(bits(again.outputs()), bits(model.outputs()), "{name}");
        let mut of_weights = 0.0_f32;
        for (path, (_, values)) in merge(model).expect("finite").weights() {
            of_weights = of_weights.max(close(&values, &format!("{name}.{path}")));
        }
        let method = report.method;
        writeln!(
            table,
            "| {name} | {method} | {of_output:.1e} | {of_weights:.1e} |"
        )
        .expect("fits");
    }
    if let Some(folder) = std::env::var_os("SALT_INTEROP") {
        std::fs::write(Path::new(&folder).join("read.md"), table).expect("writes");
    }
}

/// Methods, and the settings their files need for it.
fn configs() -> Vec<(&'static str, AdapterConfig)> {
    let config = |method: &str, targets: &[&str]| {
        let mut config = AdapterConfig::new(method.parse().expect("registered"));
        config.targets = targets.iter().map(|target| target.to_string()).collect();
        config.rank = Some(Rank::Absolute(3));
        config.alpha = Some(5.0);
        config
    };
    let all = ["stem", "qkv", r"blocks\.\d"];
    let salt = || {
        let mut salt = config("salt", &all);
        (salt.rank, salt.alpha) = (None, None);
        salt.head_rank = Some(Rank::Absolute(2));
        salt.tail_rank = Some(2);
        salt
    };
    let mut extras = salt();
    extras.modules_to_save = vec!["norms".into(), r"head\.bias".into()];
    let mut patterns = config("lora", &all);
    patterns.rank_pattern = [(r"blocks\.1".to_owned(), Rank::Absolute(5))].into();
    patterns.alpha_pattern = [("stem".to_owned(), 1.0)].into();
    vec![
        ("lora", config("lora", &all)),
        ("rslora", config("rslora", &all)),
        ("dora", config("dora", &all)),
        ("pissa", config("pissa", &all)),
        ("olora", config("olora", &all)),
        ("loraxs", config("loraxs", &all)),
        ("lora_rows", config("lora", &["qkv[q,v]", r"blocks\.0"])),
        ("lora_patterns", patterns),
        ("salt", salt()),
        ("salt_extras", extras),
    ]
}

/// Attached, and moved a little as training would.
pub(crate) fn trained(config: &AdapterConfig) -> InteropNet {
    let (model, _) = attach(InteropNet::load(), config).expect("sound");
    let mut state = trainable_state(&model).expect("readable");
    for (at, data) in state.values_mut().enumerate() {
        let values = data.iter::<f32>().enumerate();
        let values = values.map(|(i, x)| x + 0.1 * (1.7 * at as f32 + 0.9 * i as f32).sin());
        *data = TensorData::new(values.collect::<Vec<f32>>(), data.shape().to_vec());
    }
    load_trainable_state(model, state).expect("fits")
}

#[test]
fn directories_for_hf_peft_compute_the_same() {
    let root = tempfile::tempdir().expect("tmp");
    let root = match std::env::var_os("SALT_INTEROP") {
        Some(folder) => Path::new(&folder).join("ours"),
        None => root.path().join("ours"),
    };
    let mut outputs = Tensors::new();
    for (name, config) in configs() {
        let model = trained(&config);
        let mut dirs = vec![(name.to_owned(), true)];
        // These are HF peft's as they are saved.
        if ["lora", "rslora", "dora", "lora_patterns"].contains(&name) {
            dirs.push((format!("{name}_saved"), false));
        }
        for (case, exported) in dirs {
            let dir = root.join(&case);
            if exported {
                let options = ExportOptions {
                    names: Names::SAME,
                    rank: None,
                };
                let report = export_hf_lora(&model, &config, &dir, &options).expect("thin");
                assert!(report.layers.iter().all(|layer| layer.2 == 0.0), "{case}");
                let beside: &[&str] = match name {
                    "salt_extras" => &["head.bias"],
                    _ => &[],
                };
                assert_eq!(report.beside, beside, "{case}");
            } else {
                save_adapter(&model, &config, &dir).expect("saves");
            }
            let (read, _) = load_adapter(InteropNet::load(), &dir).expect("reads");
            let expected = floats(model.outputs());
            assert_close(&floats(read.outputs()), &expected, TOLERANCE, &case);
            let found = merge(read).expect("finite").weights();
            let [rows, cols] = model.outputs().dims();
            outputs.insert(case.clone(), (vec![rows, cols], expected));
            for (path, (dims, values)) in merge(model.clone()).expect("finite").weights() {
                assert_close(&found[&path].1, &values, TOLERANCE, &case);
                outputs.insert(format!("{case}.{path}"), (dims, values));
            }
        }
    }
    write(&root.join("outputs.safetensors"), &outputs);
}

#[test]
fn an_update_of_full_rank_is_approximated_or_refused() {
    let mut ssam = AdapterConfig::new("ssam".parse().expect("registered"));
    ssam.targets = vec!["qkv".into(), "stem".into()];
    let model = trained(&ssam);
    let dir = tempfile::tempdir().expect("tmp");
    let export = |rank| {
        let names = Names::SAME;
        export_hf_lora(&model, &ssam, dir.path(), &ExportOptions { names, rank })
    };
    let error = export(None).expect_err("full rank");
    assert!(matches!(error, PeftError::NoLowRank { .. }), "{error}");
    assert!(!dir.path().join("adapter_config.json").exists());
    let base = InteropNet::load().weights();
    let adapted = merge(model.clone()).expect("finite").weights();
    for rank in [2, 14] {
        let report = export(Some(rank)).expect("a rank is given");
        let (read, _) = load_adapter(InteropNet::load(), dir.path()).expect("reads");
        let found = merge(read).expect("finite").weights();
        for (path, kept, error) in report.layers {
            let path = format!("{path}.weight");
            let norm = |a: &[f32], b: &[f32]| -> f64 {
                let pairs = a.iter().zip(b);
                let squares = pairs.map(|(a, b)| f64::from(a - b).powi(2));
                squares.sum::<f64>().sqrt()
            };
            let (w, v) = (&base[&path].1, &adapted[&path].1);
            let measured = norm(&found[&path].1, v) / norm(w, v);
            assert!(
                (measured - error).abs() < f64::from(on_device(1e-4)),
                "{path}: {measured} {error}"
            );
            let k = if path == "stem.weight" { 6 } else { 14 };
            assert_eq!(kept, rank.min(k), "{path}");
            assert_eq!(error > 1e-3, rank < k, "{path}: {error}");
        }
    }
}

/// More rows than dimensions: the ranks add up to more than the weight has, and come down to that.
#[test]
fn ranks_of_rows_add_up_and_are_bounded() {
    let mut config = AdapterConfig::new("lora".parse().expect("registered"));
    config.targets = vec!["qkv[q,k,v]".into()];
    config.rank = Some(Rank::Absolute(6));
    let model = trained(&config);
    for (rank, expected) in [(None, 14), (Some(1), 1)] {
        let dir = tempfile::tempdir().expect("tmp");
        let options = ExportOptions {
            names: Names::SAME,
            rank,
        };
        let report = export_hf_lora(&model, &config, dir.path(), &options).expect("thin");
        assert_eq!((report.layers.len(), report.layers[0].1), (1, expected));
        let (read, _) = load_adapter(InteropNet::load(), dir.path()).expect("reads");
        if rank.is_none() {
            assert_eq!(report.layers[0].2, 0.0);
            let expected = floats(model.outputs());
            assert_close(
                &floats(read.outputs()),
                &expected,
                TOLERANCE,
                "all dimensions",
            );
        } else {
            assert!(report.layers[0].2 > 1e-3, "{report:?}");
        }
    }
}
