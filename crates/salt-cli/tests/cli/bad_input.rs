//! Bad input: message and hint on standard error, the right exit code, never a panic.

use std::path::Path;

use salt_sam::SamConfig;

use super::inputs::{Inputs, json, salt, succeed, tiny, weights};

/// Run `salt`; expect this exit code and these words on standard error.
fn check<S: AsRef<std::ffi::OsStr> + std::fmt::Debug>(arguments: &[S], code: i32, words: &[&str]) {
    let output = salt(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    for word in words {
        assert!(
            stderr.contains(word),
            "{arguments:?}: {stderr:?} lacks {word:?}"
        );
    }
    assert!(stderr.contains("error: "), "{arguments:?}: {stderr}");
    for bad in ["panicked", "internal error", "\u{1b}["] {
        assert!(!stderr.contains(bad), "{arguments:?}: {stderr}");
    }
}

/// Training with these overrides is wrong use, and leaves no run directory behind.
fn check_train(inputs: &Inputs, overrides: &[&str], words: &[&str]) {
    check(&inputs.train("run", overrides), 2, words);
    assert!(!inputs.file("run").exists(), "{overrides:?}");
}

#[test]
fn data_that_is_not_as_it_should_be() {
    let inputs = Inputs::new();
    check_train(
        &inputs,
        &["data.path=nowhere"],
        &["nowhere", "hint: check the path"],
    );
    check(&["data", "verify", "nowhere"], 2, &["nowhere", "hint: "]);
    check(&["data", "inspect", "nowhere"], 2, &["nowhere", "hint: "]);

    let mask = inputs.file("vessels/masks/vessel_000_mask.png");
    let image = inputs.file("vessels/images/vessel_001.png");
    let [good_mask, good_image] = [&mask, &image].map(|path| std::fs::read(path).unwrap());

    std::fs::remove_file(&mask).unwrap();
    check_train(&inputs, &[], &["vessel_000", "mask", "hint: add the mask"]);

    image::GrayImage::new(20, 30).save(&mask).unwrap();
    check_train(
        &inputs,
        &[],
        &["48 x 48", "20 x 30", "hint: export the mask again"],
    );
    std::fs::write(&mask, good_mask).unwrap();

    std::fs::write(&image, &good_image[..good_image.len() / 2]).unwrap();
    check_train(&inputs, &[], &["vessel_001.png", "whole PNG picture"]);
    std::fs::write(&image, good_image).unwrap();

    let table = inputs.file("vessels/data_split.csv");
    let lines = std::fs::read_to_string(&table).unwrap();
    let without = |split: &str| {
        let kept: Vec<&str> = lines
            .lines()
            .filter(|line| !line.ends_with(split))
            .collect();
        std::fs::write(&table, kept.join("\n")).unwrap();
    };
    without(",test");
    check_train(
        &inputs,
        &[],
        &["test split", "no cases", "hint: assign some cases"],
    );
    without(",train");
    check_train(&inputs, &[], &["train split", "hint: "]);
    std::fs::remove_file(&table).unwrap();
    check_train(&inputs, &[], &["data_split.csv", "pairs.csv"]);
}

#[test]
fn synthetic_data_with_impossible_sizes() {
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("v").display().to_string();
    let synth = |option: &str, value: &str, words: &[&str]| {
        check(
            &["data", "synth", "vessels", "--out", &out, option, value],
            2,
            words,
        );
    };
    synth(
        "--count",
        "1",
        &["at least 3", "hint: give another --count"],
    );
    synth("--size", "8", &["32", "hint: give another --size"]);
    synth("--size", "many", &["many"]);
    std::fs::write(tmp.path().join("note.txt"), "mine").unwrap();
    let taken = tmp.path().display().to_string();
    check(
        &["data", "synth", "vessels", "--out", &taken],
        2,
        &["other files", "hint: choose another"],
    );
}

#[test]
fn recipes_with_mistakes() {
    let inputs = Inputs::new();
    check_train(
        &inputs,
        &["train.epoch=3"],
        &["`train.epoch`", "did you mean `epochs`?"],
    );
    check_train(
        &inputs,
        &["train.lr=-1"],
        &["train.lr", "positive", "--set train.lr"],
    );
    check_train(&inputs, &["epochs"], &["section.key=value"]);
    check_train(
        &inputs,
        &["adapter.targets=['attn\\.qvk']"],
        &["qvk", "attn.qkv", "hint: "],
    );
    check_train(
        &inputs,
        &["adapter.head_rank=400"],
        &["400", "smaller side", "16", "hint: Choose at most"],
    );
    check_train(&inputs, &["adapter.modules_to_save=['nroms']"], &["nroms"]);
    check_train(&inputs, &["adapter.method=slat"], &["slat", "salt"]);
    check_train(
        &inputs,
        &["model.weights=none.safetensors"],
        &["none.safetensors", "hint: "],
    );
    check_train(&inputs, &["model.token_init=tube"], &["tube"]);

    let recipe = inputs.path("recipe.toml");
    check(
        &["params", &recipe, "--set", "train.epoch=3"],
        2,
        &["`train.epoch`"],
    );
    check(
        &["params", "missing.toml"],
        2,
        &["missing.toml", "hint: check the path"],
    );
    check(
        &["params", "--preset", "paper-slat-4"],
        2,
        &["paper-slat-4", "`paper-salt-4`"],
    );
    let text = std::fs::read_to_string(&recipe).unwrap();
    std::fs::write(
        inputs.file("recipe.toml"),
        text.replace("[train]", "[train"),
    )
    .unwrap();
    check_train(&inputs, &[], &["line", "hint: correct the recipe"]);
}

#[test]
fn checkpoints_of_another_model() {
    let inputs = Inputs::new();
    check_train(
        &inputs,
        &["model.config.embed_dim=32"],
        &["shape", "hint: choose the model"],
    );
    check_train(
        &inputs,
        &["model.config.depth=3"],
        &["image_encoder.blocks.2", "hint: choose the model"],
    );
    std::fs::write(
        inputs.file("broken.safetensors"),
        b"12345678 no safetensors",
    )
    .unwrap();
    let broken = format!("model.weights={}", inputs.path("broken.safetensors"));
    check_train(
        &inputs,
        &[&broken],
        &["broken.safetensors", "hint: give a whole checkpoint"],
    );

    let image = inputs.path("vessels/images/vessel_000.png");
    let segment = |weights: &str, more: &[&str], code: i32, words: &[&str]| {
        let out = inputs.path("mask.png");
        let start = [
            "segment",
            "--weights",
            weights,
            "--image",
            &image,
            "--out",
            &out,
        ];
        check(&[&start[..], more].concat(), code, words);
        assert!(!inputs.file("mask.png").exists());
    };
    let tiny = inputs.path("base.safetensors");
    segment(&tiny, &["--point", "3,4"], 2, &["hint: choose the model"]);
    segment(
        &tiny,
        &["--point", "3,4", "--model", "sam_vit_x"],
        2,
        &["sam_vit_x", "sam_nano"],
    );
    segment(
        "none.pth",
        &["--point", "3,4"],
        2,
        &["none.pth", "embedded"],
    );
    segment(
        &inputs.path("broken.safetensors"),
        &["--point", "3,4"],
        2,
        &["broken.safetensors"],
    );
    segment(
        &image,
        &["--point", "3,4"],
        2,
        &[".safetensors, .pth or .pt"],
    );
}

#[test]
fn prompts_that_ask_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let path = |name: &str| tmp.path().join(name).display().to_string();
    weights(&SamConfig::nano(), 3, Path::new(&path("nano.safetensors")));
    image::RgbImage::new(20, 10).save(path("a.png")).unwrap();
    let segment = |out: &str, image: &str, more: &[&str], words: &[&str]| {
        let (weights, image, out) = (path("nano.safetensors"), path(image), path(out));
        let start = [
            "segment",
            "--weights",
            &weights,
            "--image",
            &image,
            "--out",
            &out,
        ];
        check(&[&start[..], more].concat(), 2, words);
    };
    segment("m.png", "a.png", &[], &["--point", "--box"]);
    segment(
        "m.png",
        "a.png",
        &["--point", "20,3"],
        &["outside", "20 x 10", "hint: x runs from 0 to 19"],
    );
    segment("m.png", "a.png", &["--point", "-1,3"], &["outside"]);
    segment(
        "m.png",
        "a.png",
        &["--box", "5,5,21,8"],
        &["outside", "hint: x runs from 0 to 20, y from 0 to 10"],
    );
    segment("m.png", "a.png", &["--point", "1,3,2"], &["label 0 or 1"]);
    segment("m.png", "a.png", &["--box", "5,5,2,8"], &["X0 < X1"]);
    segment(
        "m.jpg",
        "a.png",
        &["--point", "1,1"],
        &["m.jpg", "hint: for example"],
    );
    segment("m.png", "b.png", &["--point", "1,1"], &["b.png"]);
    std::fs::write(path("c.png"), "no picture").unwrap();
    segment(
        "m.png",
        "c.png",
        &["--point", "1,1"],
        &["c.png", "hint: open it"],
    );
    image::RgbImage::new(65_537, 1)
        .save(path("wide.png"))
        .unwrap();
    segment(
        "m.png",
        "wide.png",
        &["--point", "1,0"],
        &["received 65537 x 1", "hint: cut or scale"],
    );
}

#[test]
fn two_results_in_one_file() {
    let tmp = tempfile::tempdir().unwrap();
    let path = |name: &str| tmp.path().join(name).display().to_string();
    image::RgbImage::new(20, 10).save(path("a.png")).unwrap();
    let segment = |more: &[&str], words: &[&str]| {
        let (image, out) = (path("a.png"), path("w/m.png"));
        let start = [
            "segment",
            "--weights",
            "embedded",
            "--image",
            &image,
            "--point",
            "3,4",
            "--out",
            &out,
        ];
        check(&[&start[..], more].concat(), 2, words);
        assert!(!Path::new(&out).exists());
    };
    for same in ["w/m.png", "w/./m.png", "w/../w/m.png"] {
        segment(
            &["--overlay", &path(same)],
            &["--overlay", "are one file", "hint: give --overlay another"],
        );
    }
    segment(
        &["--overlay", &path("w/../a.png")],
        &["would be overwritten"],
    );
    segment(&["--save-logits", &path("w/m.png")], &[".safetensors"]);
}

#[test]
fn weights_that_are_no_file() {
    let tmp = tempfile::tempdir().unwrap();
    let path = |name: &str| tmp.path().join(name).display().to_string();
    let convert = |from: &str, words: &[&str]| {
        let out = path("out.safetensors");
        let words_typed = ["weights", "convert", "--from", &path(from), "--out", &out];
        check(&words_typed, 2, words);
    };
    std::fs::create_dir(path("folder.pth")).unwrap();
    convert("folder.pth", &["folder.pth` are a folder", "hint: give a"]);
    convert("none.pth", &["none.pth` do not exist"]);
    #[cfg(unix)]
    {
        let pipe = path("pipe.pth");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        convert("pipe.pth", &["pipe.pth` are a pipe"]);
    }
    // Widths of a model that the program does not have: no recipe is spoken of.
    weights(&tiny(), 42, Path::new(&path("tiny.safetensors")));
    convert("tiny.safetensors", &["hint: choose the model"]);
}

#[test]
fn an_adapter_of_another_base() {
    let inputs = Inputs::new();
    succeed(&inputs.train("run", &["train.epochs=1"]));
    weights(&tiny(), 43, inputs.file("other.safetensors").as_path());
    let merge = |weights: &str, adapter: &str, words: &[&str]| {
        let arguments = inputs.merge(weights, adapter, "merged.safetensors");
        check(&arguments, 2, words);
        assert!(!inputs.file("merged.safetensors").exists());
    };
    merge(
        "other.safetensors",
        "run",
        &["sha256", "hint: Load the base"],
    );
    merge("none.safetensors", "run", &["none.safetensors"]);
    merge(
        "base.safetensors",
        "vessels",
        &["neither an adapter nor", "hint: "],
    );
    check(&["adapter", "inspect", "nowhere"], 2, &["nowhere"]);

    // The base file of a finished run was changed under it.
    std::fs::copy(
        inputs.file("other.safetensors"),
        inputs.file("base.safetensors"),
    )
    .unwrap();
    check(
        &["eval", &inputs.path("run")],
        2,
        &["sha256", "hint: Load the base"],
    );
}

#[test]
fn folders_that_hold_no_run_or_no_image() {
    let inputs = Inputs::new();
    let folder = inputs.path("vessels");
    for command in ["resume", "eval"] {
        check(&[command, &folder], 2, &["not a run directory", "hint: "]);
        check(&[command, "nowhere"], 2, &["nowhere"]);
    }
    check(
        &["eval", &folder, "--split", "tset"],
        2,
        &["did you mean `test`?"],
    );
    succeed(&inputs.train("run", &["train.epochs=1"]));
    let (run, out) = (inputs.path("run"), inputs.path("masks"));
    let predict = |images: &str, words: &[&str]| {
        check(
            &["predict", &run, "--images", images, "--out", &out],
            2,
            words,
        );
    };
    predict("nowhere", &["nowhere", "hint: "]);
    predict(&run, &["holds no image", "hint: "]);
}

#[test]
fn devices_that_were_not_compiled_in_or_do_not_exist() {
    let inputs = Inputs::new();
    let devices = json(&["doctor", "--json"]);
    let missing = devices["devices"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|d| d["compiled"] == false);
    for device in missing {
        let name = device["name"].as_str().unwrap();
        let feature = format!("--features {name}");
        let words = ["params", &inputs.path("recipe.toml"), "--device", name];
        check(
            &words,
            2,
            &[
                "was not compiled in",
                &format!("`{name}`"),
                &feature,
                "flex",
            ],
        );
    }
    check(&["doctor", "--device", "flex"], 2, &["--device"]);
    check(
        &["params", "x.toml", "--device", "gpu"],
        2,
        &["flex, ndarray, wgpu, vulkan or cuda:N", "gpu"],
    );
}

#[test]
fn a_loss_that_explodes_is_a_failed_job() {
    let inputs = Inputs::new();
    let settings = [
        "train.lr=1e30",
        "train.warmup=0",
        "train.grad_clip=0",
        "train.epochs=9",
    ];
    check(
        &inputs.train("run", &settings),
        1,
        &["epoch", "hint: lower train.lr"],
    );
}
