//! `salt weights`: what can be fetched, what is said without a network, and formats.

use std::path::{Path, PathBuf};
use std::process::Output;

use safetensors::SafeTensors;
use salt_sam::SamConfig;

use super::inputs::{command, device, json, salt, succeed, weights};

/// A folder with random weights of sam_nano.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        weights(&SamConfig::nano(), 3, &folder.file("nano.safetensors"));
        folder
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).unwrap()
    }

    fn convert(&self, from: &str, to: &str, more: &[&str]) -> Output {
        let [from, to] = [from, to].map(|name| self.file(name).display().to_string());
        let device = device();
        let words = [
            "weights", "convert", "--from", &from, "--out", &to, "--device", &device,
        ];
        salt(&[&words[..], more].concat())
    }

    fn converted(&self, from: &str, to: &str, more: &[&str]) -> String {
        let output = self.convert(from, to, more);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Exit code, and words on standard error, with nothing on standard output.
fn check(output: &Output, code: i32, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(output.stdout.is_empty());
    for word in words {
        assert!(stderr.contains(word), "{stderr:?} lacks {word:?}");
    }
}

#[test]
fn the_list_is_for_people_and_for_programs() {
    let text = succeed(&["weights", "list"]);
    for words in [
        "| sam_vit_b ",
        "375.0 MB",
        "Apache-2.0",
        "medsam_vit_b",
        "CC BY 4.0",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let document = json(&["weights", "list", "--json"]);
    let all = document["weights"].as_array().unwrap();
    let names: Vec<_> = all.iter().map(|w| w["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["sam_vit_b", "sam_vit_l", "sam_vit_h", "medsam_vit_b"]
    );
    for entry in all {
        let [sha256, md5] = ["sha256", "md5"].map(|kind| entry[kind].is_string());
        assert!(sha256 != md5, "{entry}");
        assert!(!entry["urls"].as_array().unwrap().is_empty());
    }
    assert_eq!(all[0]["bytes"], 375_042_383);
    assert_eq!(all[3]["bytes"], serde_json::Value::Null);
}

#[test]
fn an_unknown_name_brings_the_nearest_ones() {
    let output = salt(&["weights", "fetch", "medsam"]);
    check(
        &output,
        2,
        &["`medsam`", "sam_vit_h", "hint: nearest: medsam_vit_b"],
    );
}

#[test]
fn offline_says_what_to_bring_and_where() {
    let tmp = tempfile::tempdir().unwrap();
    let folder = tmp.path().join("brought");
    let out = folder.display().to_string();
    let words = ["weights", "fetch", "sam_vit_b", "--out", &out];
    let by_option = salt(&[&words[..], &["--offline"]].concat());
    let by_variable = command(&words).env("SALT_OFFLINE", "1").output().unwrap();
    for output in [&by_option, &by_variable] {
        check(
            output,
            1,
            &[
                "licence: Apache-2.0",
                "sam_vit_b_01ec64.pth in",
                &out,
                "hint: download https://dl.fbaipublicfiles.com/segment_anything/sam_vit_b_01ec64.pth",
                "sha256 ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            ],
        );
    }
    assert!(!folder.exists(), "nothing is made for what does not begin");

    // What was brought is looked at, and left where it is.
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("sam_vit_b_01ec64.pth");
    std::fs::write(&file, "half of it").unwrap();
    let output = salt(&[&words[..], &["--offline"]].concat());
    check(&output, 1, &["expected 375042383 bytes", "received 10"]);
    assert!(file.is_file());
}

#[test]
fn without_a_connection_it_says_what_to_bring_too() {
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().display().to_string();
    // A proxy that is not there: nothing leaves this machine, and nothing is looked up.
    let words = ["weights", "fetch", "sam_vit_b", "--out", &out];
    let mut fetch = command(&words);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        fetch.env_remove(name).env_remove(name.to_uppercase());
    }
    let proxy = format!("http://{}.invalid:1", "a".repeat(64));
    let output = fetch.env("HTTPS_PROXY", proxy).output().unwrap();
    check(
        &output,
        1,
        &[
            "hint: check the network and the proxy",
            "download https://dl.fbaipublicfiles.com/segment_anything/sam_vit_b_01ec64.pth",
            "sha256 ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            &out,
        ],
    );
}

#[test]
fn a_folder_that_is_a_file_is_wrong_use() {
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("file");
    std::fs::write(&file, "").unwrap();
    let out = file.join("weights").display().to_string();
    let output = salt(&["weights", "fetch", "sam_vit_b", "--out", &out]);
    check(&output, 2, &[&out, "hint: "]);
}

#[test]
fn names_go_there_and_back_and_half_precision_is_half() {
    let folder = Folder::new();
    let said = folder.converted("nano.safetensors", "hf.safetensors", &["--naming", "hf"]);
    assert!(said.starts_with("sam_nano, "), "{said}");
    let bytes = folder.read("hf.safetensors");
    let hf = SafeTensors::deserialize(&bytes).unwrap();
    assert!(hf.tensor("vision_encoder.layers.0.attn.qkv.weight").is_ok());
    folder.converted("hf.safetensors", "back.safetensors", &[]);
    assert!(folder.read("back.safetensors") == folder.read("nano.safetensors"));

    folder.converted("nano.safetensors", "half.safetensors", &["--half"]);
    let [whole, half] =
        ["nano.safetensors", "half.safetensors"].map(|name| folder.read(name).len() as f64);
    assert!((0.49..0.53).contains(&(half / whole)), "{half} {whole}");
    // Half precision is exact in full precision, and half again.
    folder.converted("half.safetensors", "full.safetensors", &[]);
    folder.converted("full.safetensors", "again.safetensors", &["--half"]);
    assert!(folder.read("again.safetensors") == folder.read("half.safetensors"));
}

#[test]
fn endings_may_be_in_capitals() {
    let folder = Folder::new();
    std::fs::rename(
        folder.file("nano.safetensors"),
        folder.file("NANO.SAFETENSORS"),
    )
    .unwrap();
    folder.converted("NANO.SAFETENSORS", "OUT.SafeTensors", &[]);
    assert!(folder.read("OUT.SafeTensors") == folder.read("NANO.SAFETENSORS"));
}

#[test]
fn the_embedded_base_keeps_its_tokens() {
    let folder = Folder::new();
    let out = folder.file("base.safetensors").display().to_string();
    let said = succeed(&["weights", "convert", "--from", "embedded", "--out", &out]);
    assert!(said.starts_with("sam_nano, "), "{said}");
    let written = folder.read("base.safetensors");
    let written = SafeTensors::deserialize(&written).unwrap();
    let embedded = SafeTensors::deserialize(salt_sam::weights::embedded_nano_bytes()).unwrap();
    let names = |file: &SafeTensors<'_>| {
        let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(names(&written), names(&embedded));
    assert_eq!(
        written.tensor("prompt_tokens").unwrap().shape(),
        embedded.tensor("prompt_tokens").unwrap().shape()
    );
}

/// The weights with one tensor under another name.
fn rename_a_tensor(path: &Path, from: &str, to: &str) {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter().map(|(name, view)| match name {
        name if name == from => (to.to_owned(), view),
        name => (name, view),
    });
    let changed = safetensors::serialize(tensors.collect::<Vec<_>>(), None).unwrap();
    std::fs::write(path, changed).unwrap();
}

#[test]
fn what_is_not_a_whole_checkpoint_is_refused() {
    let folder = Folder::new();
    let from = folder.file("nano.safetensors");
    rename_a_tensor(
        &from,
        "image_encoder.neck.0.weight",
        "image_encoder.neck.0.weigth",
    );
    let output = folder.convert("nano.safetensors", "out.safetensors", &[]);
    let words = [
        "1 missing (image_encoder.neck.0.weight)",
        "neck.0.weigth [nearest: image_encoder.neck.0.weight]",
    ];
    check(&output, 2, &words);
    assert!(!folder.file("out.safetensors").exists());

    let output = folder.convert("nowhere.pth", "out.safetensors", &[]);
    check(&output, 2, &["nowhere.pth", "do not exist"]);
    let output = folder.convert("nano.safetensors", "out.pth", &[]);
    check(&output, 2, &[".safetensors"]);
    let output = folder.convert("nano.safetensors", "nano.safetensors", &[]);
    check(&output, 2, &["would be overwritten"]);
}
