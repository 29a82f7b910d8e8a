//! Checkpoint files: what can be read, what is written, what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use salt_sam::weights::{
    Checkpoint, Naming, Precision, SaveOptions, StoredTensor, load, save, to_bytes,
    to_hugging_face, to_original,
};
use salt_sam::{SamConfig, SamError};

use crate::parity::{config, path, sam};

/// Where transformers keeps the copy of the positional matrix that belongs to the image.
const HF_COPY: &str = "shared_image_embedding.positional_embedding";
const HF_MATRIX: &str = "prompt_encoder.shared_embedding.positional_embedding";

/// transformers' own name of every original key, from generate.py.
fn hf_names() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path("sam_small.json")).unwrap();
    let about: serde_json::Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(about["hf_names"].clone()).unwrap()
}

fn original() -> Checkpoint {
    Checkpoint::read(&path("sam_small.safetensors")).unwrap()
}

/// Writes the checkpoint's tensors as f32 under names given by `rename`.
fn write(checkpoint: &Checkpoint, rename: impl Fn(&str) -> Vec<String>, to: &Path) {
    let bytes: BTreeMap<String, (Vec<usize>, Vec<u8>)> = checkpoint
        .tensors
        .iter()
        .flat_map(|(key, tensor)| {
            let values = tensor.read(key).unwrap();
            let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            rename(key)
                .into_iter()
                .map(move |name| (name, (tensor.shape.clone(), data.clone())))
        })
        .collect();
    let views: BTreeMap<&String, TensorView<'_>> = bytes
        .iter()
        .map(|(name, (shape, data))| {
            (
                name,
                TensorView::new(Dtype::F32, shape.clone(), data).unwrap(),
            )
        })
        .collect();
    std::fs::write(to, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Shapes and values of every tensor.
fn values(checkpoint: &Checkpoint) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let tensors = checkpoint.tensors.iter();
    let read = |(key, tensor): (&String, &StoredTensor)| {
        (
            key.clone(),
            (tensor.shape.clone(), tensor.read(key).unwrap()),
        )
    };
    tensors.map(read).collect()
}

fn keys(bytes: &[u8]) -> BTreeSet<String> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    file.names().into_iter().map(str::to_owned).collect()
}

#[test]
fn pth_and_safetensors_hold_the_same_model() {
    let device = Device::default();
    let pth = Checkpoint::read(&path("sam_small.pth")).unwrap();
    assert_eq!(values(&pth), values(&original()));
    let from_pth = load(&path("sam_small.pth"), &config(), None, &device).unwrap();
    let options = SaveOptions::default();
    assert_eq!(
        to_bytes(&from_pth, &options).unwrap(),
        to_bytes(&sam(&device), &options).unwrap()
    );
}

#[test]
fn every_key_has_transformers_name() {
    for (original, hf) in hf_names() {
        assert_eq!(to_hugging_face(&original), hf);
        assert_eq!(to_original(&hf), original);
    }
}

/// Files of transformers hold the positional matrix twice or, since tied tensors are written once,
/// only at the top.
#[test]
fn hugging_face_files_load() {
    let folder = tempfile::tempdir().unwrap();
    let names = hf_names();
    let check = |what: &str, matrix: &[&str]| {
        let file = folder.path().join(format!("{what}.safetensors"));
        let rename = |key: &str| {
            if names[key] == HF_MATRIX {
                matrix.iter().map(|name| (*name).to_owned()).collect()
            } else {
                vec![names[key].clone()]
            }
        };
        write(&original(), rename, &file);
        let read = Checkpoint::read(&file).unwrap();
        assert_eq!(values(&read), values(&original()), "{what}");
    };
    check("both", &[HF_MATRIX, HF_COPY]);
    check("only_prompt", &[HF_MATRIX]);
    check("only_image", &[HF_COPY]);
}

/// One is what prompts are encoded with, the other what images are: neither may be chosen silently.
#[test]
fn hugging_face_files_whose_two_matrices_differ_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.safetensors");
    let names = hf_names();
    let check = |change: &dyn Fn(&mut StoredTensor)| {
        let mut checkpoint = original();
        let matrix = names.iter().find(|(_, hf)| *hf == HF_MATRIX).unwrap().0;
        let mut copy = checkpoint.tensors[matrix].clone();
        change(&mut copy);
        checkpoint.tensors.insert(HF_COPY.to_owned(), copy);
        let rename = |key: &str| vec![names.get(key).map_or(key, String::as_str).to_owned()];
        write(&checkpoint, rename, &file);
        let error = Checkpoint::read(&file).unwrap_err();
        let is_told = matches!(error, SamError::Contradiction { .. });
        assert!(is_told, "{error}");
    };
    check(&|copy| {
        let mut values = copy.read(HF_COPY).unwrap();
        values[3] += 1e-6;
        *copy = StoredTensor::new(copy.shape.clone(), values);
    });
    check(&|copy| copy.shape.reverse());
}

/// The wrappings of training scripts are prefixes of keys.
#[test]
fn checkpoints_of_training_scripts_load() {
    let folder = tempfile::tempdir().unwrap();
    let check = |what: &str, prefix: &str, beside: &[&str]| {
        let file = folder.path().join(format!("{what}.safetensors"));
        let mut checkpoint = original();
        for key in beside {
            let moment = StoredTensor::new(vec![3], vec![1.0, 2.0, 3.0]);
            checkpoint.tensors.insert((*key).to_owned(), moment);
        }
        let rename = |key: &str| match beside.contains(&key) {
            true => vec![key.to_owned()],
            false => vec![format!("{prefix}{key}")],
        };
        write(&checkpoint, rename, &file);
        let read = Checkpoint::read(&file).unwrap();
        assert_eq!(values(&read), values(&original()), "{what}");
    };
    check("parallel", "module.", &[]);
    check("nested", "state_dict.", &[]);
    check("medsam", "model.", &["optimizer.state.0.exp_avg"]);
    check("both", "model_state_dict.module.", &["loss"]);

    // Two models: which one is meant cannot be told.
    let file = folder.path().join("two.safetensors");
    let twice = |key: &str| vec![key.to_owned(), format!("model.{key}")];
    write(&original(), twice, &file);
    let error = Checkpoint::read(&file).unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, SamError::SeveralModels { .. }), "{message}");
    assert!(message.contains("at the top, under `model`"), "{message}");
}

/// What `torch.save` makes of MedSAM's checkpoint while it trains: `generate_nested.py`.
#[test]
fn weights_beside_an_optimizer_are_found_in_a_pth() {
    let read = Checkpoint::read(&path("nested.pth")).unwrap();
    let found: Vec<_> = read.tensors.keys().collect();
    assert_eq!(
        found,
        ["image_encoder.pos_embed", "mask_decoder.iou_token.weight"]
    );
    let values = read.tensors["image_encoder.pos_embed"].read("positions");
    assert_eq!(values.unwrap(), [1.0, 2.0, 3.0]);
}

#[test]
fn export_round_trip_is_exact() {
    let device = Device::default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.safetensors");
    let options = SaveOptions {
        metadata: BTreeMap::from([("made_by".to_owned(), "a test".to_owned())]),
        ..SaveOptions::default()
    };
    save(&sam(&device), &file, &options).unwrap();
    let read = Checkpoint::read(&file).unwrap();
    assert_eq!(read.metadata, options.metadata);
    assert_eq!(values(&read), values(&original()));

    let again = load(&file, &config(), None, &device).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(to_bytes(&again, &options).unwrap(), bytes);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "no temporary file stays behind");
}

/// As after a full disk, which fails at the same place: the last step cannot be done.
#[test]
fn a_save_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken.safetensors");
    std::fs::create_dir_all(taken.join("something")).unwrap();
    let sam = sam(&Device::default());
    let error = save(&sam, &taken, &SaveOptions::default()).unwrap_err();
    assert!(matches!(error, SamError::Io { .. }), "{error}");
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");

    #[cfg(target_os = "linux")]
    {
        // A device that is always full, in the place of the temporary file.
        let full = folder.path().join("full.safetensors");
        let partial = folder.path().join("full.safetensors.partial");
        std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
        let error = save(&sam, &full, &SaveOptions::default()).unwrap_err();
        let is_full = matches!(&error, SamError::Io { source, .. }
            if source.kind() == std::io::ErrorKind::StorageFull);
        assert!(is_full, "{error}");
        assert!(!full.exists() && partial.symlink_metadata().is_err());
    }
}

#[test]
fn hugging_face_export_has_every_key_of_transformers() {
    let device = Device::default();
    let options = SaveOptions {
        naming: Naming::HuggingFace,
        ..SaveOptions::default()
    };
    let bytes = to_bytes(&sam(&device), &options).unwrap();
    let mut expected: BTreeSet<String> = hf_names().into_values().collect();
    expected.insert(HF_COPY.to_owned());
    assert_eq!(keys(&bytes), expected);

    let read = Checkpoint::from_safetensors(&bytes, Path::new("export")).unwrap();
    assert_eq!(values(&read), values(&original()));
}

#[test]
fn half_precision_rounds_to_eleven_bits() {
    let device = Device::default();
    let options = SaveOptions {
        precision: Precision::Half,
        ..SaveOptions::default()
    };
    let full = to_bytes(&sam(&device), &SaveOptions::default()).unwrap();
    let half = to_bytes(&sam(&device), &options).unwrap();
    assert!(half.len() < full.len() * 6 / 10);
    let read = Checkpoint::from_safetensors(&half, Path::new("half")).unwrap();
    for (key, tensor) in original().tensors {
        let rounded = read.tensors[&key].read(&key).unwrap();
        for (a, b) in tensor.read(&key).unwrap().iter().zip(&rounded) {
            // Below 2^-14 half precision steps by 2^-24.
            let allowed = (a.abs() / 2048.0).max(f32::EPSILON / 2.0);
            assert!((a - b).abs() <= allowed, "{key}: {a} became {b}");
        }
    }
}

#[test]
fn checkpoints_of_another_model_are_refused() {
    let device = Device::default();
    let check = |config: &SamConfig, change: fn(&mut Checkpoint), words: &[&str]| {
        let mut checkpoint = original();
        change(&mut checkpoint);
        let error = checkpoint.into_sam(config, None, &device).unwrap_err();
        let message = error.to_string();
        for word in words {
            assert!(message.contains(word), "`{word}` in: {message}");
        }
    };
    check(
        &config(),
        |c| {
            c.tensors.remove("image_encoder.neck.0.weight");
        },
        &["1 missing", "image_encoder.neck.0.weight"],
    );
    check(
        &config(),
        |c| {
            let tensor = c.tensors["image_encoder.pos_embed"].clone();
            c.tensors
                .insert("image_encoder.pos_embedding".into(), tensor);
        },
        &["1 unused", "nearest: image_encoder.pos_embed"],
    );
    let wider = SamConfig {
        iou_head_hidden: 24,
        ..config()
    };
    check(&wider, |_| {}, &["iou_prediction_head", "24", "16"]);
    let deeper = SamConfig {
        depth: 5,
        ..config()
    };
    check(&deeper, |_| {}, &["image_encoder.blocks.4", "missing"]);
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    };
    let good = std::fs::read(path("sam_small.safetensors")).unwrap();
    let pth = std::fs::read(path("sam_small.pth")).unwrap();
    for damaged in [
        file("cut.safetensors", &good[..good.len() / 2]),
        file("empty.safetensors", &[]),
        file("cut.pth", &pth[..pth.len() / 2]),
        file("text.pth", b"not a checkpoint"),
        file("name.onnx", &good),
    ] {
        let error = Checkpoint::read(&damaged).unwrap_err();
        assert!(
            matches!(error, SamError::Format { .. }),
            "{}: {error}",
            damaged.display()
        );
    }
    let missing = Checkpoint::read(&folder.path().join("nowhere.pth")).unwrap_err();
    assert!(matches!(missing, SamError::Io { .. }), "{missing}");

    // The first value of the data.
    let length = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let mut diverged = good;
    diverged[8 + length..12 + length].copy_from_slice(&f32::NAN.to_le_bytes());
    let read = Checkpoint::read(&file("nan.safetensors", &diverged)).unwrap();
    let error = read
        .into_sam(&config(), None, &Device::default())
        .unwrap_err();
    assert!(matches!(error, SamError::NonFinite { .. }), "{error}");
}
