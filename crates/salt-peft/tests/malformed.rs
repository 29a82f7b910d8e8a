//! Adapter directories that are not as they should be: each kind has its error, none panics, and
//! none gives a model.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use salt_peft::{AdapterConfig, PeftError, Rank, attach, load_adapter, save_adapter};

use crate::errors::{device, salt};
use crate::nets::{Mlp, Net};

const TENSORS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";

/// Spoils a fresh directory and loads it: the error is of this variant and says these words.
fn check(what: &str, spoil: impl FnOnce(&Path), variant: &str, parts: &[&str]) {
    let dir = tempfile::tempdir().expect("tmp");
    let (model, _) = attach(Mlp::new(1, &device()), &salt()).expect("sound");
    save_adapter(&model, &salt(), dir.path()).expect("saves");
    spoil(dir.path());
    let error = match load_adapter(Mlp::new(1, &device()), dir.path()) {
        Ok(_) => panic!("{what}: loaded"),
        Err(error) => error,
    };
    let (name, message) = (format!("{error:?}"), error.to_string());
    assert!(name.starts_with(variant), "{what}: {name}");
    for part in parts {
        assert!(
            message.contains(part),
            "{what}: `{part}` is not in: {message}"
        );
    }
}

/// Rewrites a file of the directory.
fn rewrite(name: &'static str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> impl FnOnce(&Path) {
    move |dir| {
        let path = dir.join(name);
        let bytes = change(fs::read(&path).expect("written"));
        fs::write(path, bytes).expect("writes");
    }
}

/// Rewrites the configuration by text replacement.
fn edit(from: &'static str, to: &'static str) -> impl FnOnce(&Path) {
    rewrite(CONFIG, move |bytes| {
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.contains(from), "{from} is not in {text}");
        text.replacen(from, to, 1).into_bytes()
    })
}

/// Rewrites the header of the tensor file by text replacement of the same length.
fn edit_header(from: &'static str, to: &'static str) -> impl FnOnce(&Path) {
    assert_eq!(from.len(), to.len());
    rewrite(TENSORS, move |mut bytes| {
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes());
        let at = at.expect("in the header");
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    })
}

type Tensors = Vec<(String, Dtype, Vec<usize>, Vec<u8>)>;

/// Writes the tensors anew, changed.
fn tensors(change: impl Fn(&mut Tensors)) -> impl FnOnce(&Path) {
    rewrite(TENSORS, move |bytes| {
        let file = SafeTensors::deserialize(&bytes).expect("sound");
        let mut tensors: Tensors = file
            .iter()
            .map(|(name, view)| {
                let (dims, data) = (view.shape().to_vec(), view.data().to_vec());
                (name.to_owned(), view.dtype(), dims, data)
            })
            .collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        change(&mut tensors);
        let views = tensors.iter().map(|(name, dtype, dims, data)| {
            let view = TensorView::new(*dtype, dims.clone(), data).expect("sound");
            (name, view)
        });
        safetensors::serialize(views, None).expect("sound")
    })
}

/// Sets the first value of the first tensor.
fn first_value(value: f32) -> impl FnOnce(&Path) {
    tensors(move |tensors| tensors[0].3[..4].copy_from_slice(&value.to_le_bytes()))
}

#[test]
fn tensor_files_that_are_none() {
    let bad = |what: &str, change: fn(Vec<u8>) -> Vec<u8>| {
        check(what, rewrite(TENSORS, change), "BadTensorFile", &[TENSORS]);
    };
    bad("empty", |_| Vec::new());
    bad("text", |_| b"not a tensor file".to_vec());
    bad("cut in the header", |bytes| bytes[..40].to_vec());
    bad("cut in the values", |bytes| {
        bytes[..bytes.len() - 3].to_vec()
    });
    bad("values left over", |bytes| [bytes, vec![0; 8]].concat());
    bad("a header as long as all memory", |bytes| {
        [&u64::MAX.to_le_bytes(), &bytes[8..]].concat()
    });
    bad("a header longer than the file", |bytes| {
        [&(1_u64 << 40).to_le_bytes(), &bytes[8..]].concat()
    });
    bad("a header that is no JSON", |mut bytes| {
        bytes[8] = b'[';
        bytes
    });
    check(
        "values that overlap",
        edit_header("data_offsets\":[0,", "data_offsets\":[4,"),
        "BadTensorFile",
        &[],
    );
    check(
        "an element type that does not exist",
        edit_header("\"F32\"", "\"X32\""),
        "BadTensorFile",
        &[],
    );
    let remove = |dir: &Path| fs::remove_file(dir.join(TENSORS)).expect("written");
    check("no tensor file", remove, "Io", &["cannot read", TENSORS]);
    let folder = |dir: &Path| {
        remove(dir);
        fs::create_dir(dir.join(TENSORS)).expect("creates");
    };
    check(
        "a folder in its place",
        folder,
        "Io",
        &["cannot read", TENSORS],
    );
}

#[test]
fn tensors_that_do_not_fit() {
    check(
        "a tensor is missing",
        tensors(|tensors| tensors.retain(|t| !t.0.ends_with("fc1.salt_scale"))),
        "MissingTensor",
        &["fc1.salt_scale"],
    );
    check(
        "a tensor too many",
        tensors(|tensors| {
            let name = "base_model.model.fc1.salt_sclae".to_owned();
            tensors.push((name, Dtype::F32, vec![1], vec![0; 4]));
        }),
        "UnusedTensor",
        &["fc1.salt_sclae", "nearest", "fc1.salt_scale"],
    );
    check(
        "another shape",
        tensors(|tensors| tensors[0].2.push(1)),
        "Misshapen",
        &["expects"],
    );
    check(
        "another rank",
        tensors(|tensors| {
            let x = tensors.iter_mut().find(|t| t.0.ends_with("fc1.salt_x"));
            let x = x.expect("trained");
            x.2[1] -= 1;
            x.3.truncate(4 * x.2[0] * x.2[1]);
        }),
        "Misshapen",
        &["fc1.salt_x"],
    );
    check(
        "integers",
        tensors(|tensors| tensors[0].1 = Dtype::I32),
        "WrongDType",
        &["I32"],
    );
    check(
        "not a number",
        first_value(f32::NAN),
        "NonFinite",
        &["adapter file"],
    );
    check(
        "infinite",
        first_value(f32::INFINITY),
        "NonFinite",
        &["adapter file"],
    );
}

#[test]
fn configurations_that_are_none() {
    let bad = |what: &str, change: fn(Vec<u8>) -> Vec<u8>| {
        check(what, rewrite(CONFIG, change), "BadConfigFile", &[CONFIG]);
    };
    bad("empty", |_| Vec::new());
    bad("cut", |bytes| bytes[..bytes.len() / 2].to_vec());
    bad("a list", |_| b"[]".to_vec());
    bad("another object", |_| b"{\"peft_type\": \"SALT\"}".to_vec());
    bad("nested without end", |_| vec![b'['; 100_000]);
    check(
        "a mistyped key",
        edit("\"tail_rank\"", "\"tial_rank\""),
        "BadConfigFile",
        &["tial_rank"],
    );
    check(
        "a rank that is no number",
        edit("\"tail_rank\": 2", "\"tail_rank\": \"two\""),
        "BadConfigFile",
        &["two"],
    );
    let remove = |dir: &Path| fs::remove_file(dir.join(CONFIG)).expect("written");
    check("no configuration", remove, "Io", &["cannot read", CONFIG]);
}

/// HF peft reads `r` and its like, this crate `config`: both have to say the same.
#[test]
fn configurations_that_contradict_themselves() {
    let lora = || {
        let mut config = AdapterConfig::new("lora".parse().expect("registered"));
        config.targets = vec!["fc1".into(), "decoder".into()];
        config.rank = Some(Rank::Absolute(2));
        config
    };
    let refused = |key: &str, value: serde_json::Value| {
        let dir = tempfile::tempdir().expect("tmp");
        let (model, _) = attach(Mlp::new(1, &device()), &lora()).expect("sound");
        save_adapter(&model, &lora(), dir.path()).expect("saves");
        let path = dir.path().join(CONFIG);
        let text = fs::read_to_string(&path).expect("written");
        let mut fields: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        match key.split_once('/') {
            Some((table, key)) => fields[table][key] = value,
            None => fields[key] = value,
        }
        fs::write(&path, fields.to_string()).expect("writes");
        load_adapter(Mlp::new(1, &device()), dir.path()).err()
    };
    use serde_json::json;
    for (key, value) in [
        ("lora_alpha", json!(80)),
        ("r", json!(7)),
        ("use_dora", json!(true)),
        ("use_rslora", json!(true)),
        ("rank_pattern", json!({"fc1": 5})),
        ("bias", json!("all")),
        ("exclude_modules", json!(["fc1"])),
        ("modules_to_save", json!(["decoder"])),
        ("some_field", json!(1)),
        ("ranks/blocks.7", json!(2)),
        ("basis/fc1", json!([1.0, 2.0, 3.0, 4.0])),
    ] {
        let error = refused(key, value).unwrap_or_else(|| panic!("{key}: loaded"));
        let name = key.split('/').next().expect("not empty");
        let message = error.to_string();
        assert!(
            matches!(error, PeftError::BadConfigFile { .. }),
            "{key}: {message}"
        );
        assert!(message.contains(&format!("`{name}`")), "{key}: {message}");
    }
    for (key, value) in [
        ("base_model_name_or_path", json!("sam_vit_b")),
        ("task_type", json!("FEATURE_EXTRACTION")),
        ("inference_mode", json!(false)),
    ] {
        assert!(refused(key, value).is_none(), "{key}");
    }
}

#[test]
fn configurations_that_do_not_fit() {
    check(
        "a method nobody knows",
        edit("\"peft_type\": \"SALT\"", "\"peft_type\": \"IA3\""),
        "UnknownMethod",
        &["IA3", "SALT"],
    );
    check(
        "the type of another method",
        edit("\"peft_type\": \"SALT\"", "\"peft_type\": \"LORA\""),
        "OtherMethod",
        &["SALT", "LORA"],
    );
    check(
        "a setting of another method",
        edit("\"tail_rank\": 2", "\"alpha\": 2"),
        "UnusedSetting",
        &["`alpha`"],
    );
    check(
        "a rank beyond any matrix",
        edit("\"tail_rank\": 2", "\"tail_rank\": 9007199254740993"),
        "RankAboveLimit",
        &["fc1"],
    );
    check(
        "a pattern that is none",
        edit("\"fc1\",", "\"fc1(\","),
        "InvalidPattern",
        &["fc1("],
    );
    check(
        "no base",
        edit("\"base_sha256\": \"", "\"base_sha265\": \""),
        "WrongBase",
        &["none"],
    );
    check(
        "another base",
        edit("\"base_sha256\": \"", "\"base_sha256\": \"0"),
        "WrongBase",
        &["sha256 0"],
    );
    check(
        "no basis",
        edit("\"basis\": {", "\"basis\": {}, \"base\": {"),
        "WrongBasis",
        &["`blocks.0`"],
    );
    let probe = |dir: &Path| {
        let basis = salt_peft::read_header(dir).expect("sound").basis;
        let path = dir.join(CONFIG);
        let text = fs::read_to_string(&path).expect("written");
        let (from, to) = (basis["fc1"][0], basis["fc1"][0] + 0.01);
        fs::write(path, text.replacen(&from.to_string(), &to.to_string(), 1)).expect("writes");
    };
    check("another basis", probe, "WrongBasis", &["`fc1`"]);
    let elsewhere = |dir: &Path| fs::remove_dir_all(dir).expect("there");
    check("no folder", elsewhere, "Io", &["cannot read", CONFIG]);
}

#[test]
fn a_flipped_bit_is_seen() {
    check(
        "a value that is another",
        first_value(0.25),
        "ChangedTensors",
        &[TENSORS, "`tensors_sha256`"],
    );
    let meant = |dir: &Path| {
        first_value(0.25)(dir);
        rewrite(CONFIG, |bytes| {
            let mut fields: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            let hash = fields
                .as_object_mut()
                .expect("a table")
                .remove("tensors_sha256");
            assert!(hash.is_some());
            fields.to_string().into_bytes()
        })(dir);
    };
    let dir = tempfile::tempdir().expect("tmp");
    let (model, _) = attach(Mlp::new(1, &device()), &salt()).expect("sound");
    save_adapter(&model, &salt(), dir.path()).expect("saves");
    meant(dir.path());
    load_adapter(Mlp::new(1, &device()), dir.path()).expect("the change is meant");
}

#[test]
fn ranks_that_layers_cannot_have() {
    let ranks = |what: &str, to: &'static str, parts: &[&str]| {
        let spoil = rewrite(CONFIG, move |bytes| {
            let mut fields: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            fields["ranks"]["fc1"] = serde_json::from_str(to).expect("JSON");
            fields.to_string().into_bytes()
        });
        let variant = if parts.contains(&"fc1") {
            "OtherRank"
        } else {
            "BadConfigFile"
        };
        check(what, spoil, variant, parts);
    };
    ranks(
        "a head above the limit",
        r#"{"head": 10, "tail": 2}"#,
        &["fc1", "10+2", "at most 9"],
    );
    ranks("another head", r#"{"head": 3, "tail": 2}"#, &["fc1", "3+2"]);
    ranks(
        "a tail above the limit",
        r#"{"head": 4, "tail": 4000000000}"#,
        &["fc1"],
    );
    ranks("a rank of another method", "4", &["fc1"]);
    ranks("a negative rank", "-4", &["adapter_config.json"]);
    ranks("text", r#""4+2""#, &["adapter_config.json"]);
    let missing = rewrite(CONFIG, |bytes| {
        let mut fields: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        fields["ranks"]
            .as_object_mut()
            .expect("a table")
            .remove("fc1");
        fields.to_string().into_bytes()
    });
    check(
        "a layer without a rank",
        missing,
        "OtherRank",
        &["fc1", "none"],
    );
}
