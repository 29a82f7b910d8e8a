//! `--devices`: two copies of the CPU share the batches of a training.

use super::inputs::{Inputs, salt, succeed};

/// Arguments that train the recipe into `run` with these options in the place of `--device`.
fn train(inputs: &Inputs, run: &str, options: &[&str]) -> Vec<String> {
    let mut words = inputs.train(run, &[]);
    let at = words.iter().position(|word| word == "--device");
    words.truncate(at.expect("a training names its device"));
    words.extend(options.iter().map(|word| (*word).to_owned()));
    words
}

#[test]
fn two_devices_write_the_bytes_of_two_parts_on_one_and_are_on_record() {
    let inputs = Inputs::new();
    let one = ["--device", "flex", "--set", "train.shards=2"];
    succeed(&train(&inputs, "one", &one));
    let output = salt(&train(&inputs, "two", &["--devices", "flex,flex"]));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(
        stderr.contains("train.shards = 1 of the recipe is 2"),
        "{stderr}"
    );
    for name in [
        "adapter/adapter_model.safetensors",
        "adapter/adapter_config.json",
        "metrics.csv",
        "cases.csv",
        "recipe.toml",
    ] {
        assert_eq!(inputs.read("one", name), inputs.read("two", name), "{name}");
    }
    let result: serde_json::Value =
        serde_json::from_slice(&inputs.read("two", "result.json")).unwrap();
    assert_eq!(result["device"], "flex,flex");
    // A finished run gives its result again, on what it was computed on.
    let output = salt(&["resume", &inputs.path("two")]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("resuming on flex,flex"), "{stderr}");
}

#[test]
fn devices_that_cannot_share_a_batch() {
    let inputs = Inputs::new();
    for (options, words) in [
        (&["--devices", "flex,gpu"][..], &["cuda:N", "`gpu`"][..]),
        (
            &["--devices", "cuda:0,cuda:0"],
            &["every GPU once", "cuda:0 twice"],
        ),
        (
            &["--devices", "flex,cuda:1"],
            &["one kind", "flex and cuda:1"],
        ),
        (
            &["--device", "flex", "--devices", "flex,flex"],
            &["--device <DEVICE>"],
        ),
        (
            &["--devices", "flex,flex,flex,flex"],
            &[
                "at most 3 devices",
                "received 4",
                "hint: give fewer devices",
            ],
        ),
    ] {
        let output = salt(&train(&inputs, "run", options));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{options:?}: {stderr}");
        }
        assert!(!inputs.file("run").exists(), "{options:?}");
    }
}
