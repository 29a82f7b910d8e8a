//! Adapters to and from other programs.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::inputs::{Inputs, device, json, salt, succeed};

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn tensors(inputs: &Inputs, folder: &str, name: &str) -> Tensors {
    let bytes = inputs.read(folder, name);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.iter().map(|(name, view)| {
        let values = view.data().as_chunks::<4>().0.iter();
        let values = values.map(|bytes| f32::from_le_bytes(*bytes)).collect();
        (name.to_owned(), (view.shape().to_vec(), values))
    });
    tensors.collect()
}

/// A folder with the run's recipe, which tells the sizes of the tiny network.
fn beside_the_recipe(inputs: &Inputs, run: &str) -> String {
    std::fs::create_dir_all(inputs.file(run)).unwrap();
    std::fs::copy(
        inputs.file("run/recipe.toml"),
        inputs.file(run).join("recipe.toml"),
    )
    .unwrap();
    inputs.path(&format!("{run}/adapter"))
}

fn merged(inputs: &Inputs, run: &str) -> Tensors {
    let out = format!("{run}.safetensors");
    succeed(&inputs.merge("base.safetensors", run, &out));
    tensors(inputs, "", &out)
}

fn largest_difference(a: &Tensors, b: &Tensors) -> f32 {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let pairs = a.iter().flat_map(|(name, (dims, values))| {
        assert_eq!(dims, &b[name].0, "{name}");
        values.iter().zip(&b[name].1)
    });
    pairs.fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

fn failure(words: &[&str]) -> String {
    let output = salt(words);
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn exported_and_imported_it_is_the_same_adapter() {
    let inputs = Inputs::new();
    succeed(&inputs.train("run", &[]));
    let (run, lora) = (inputs.path("run"), inputs.path("lora"));
    let export = [
        "adapter",
        "export",
        "--adapter",
        &run,
        "--format",
        "hf-lora",
    ];
    let to = ["--naming", "hf", "--out", &lora, "--device"];
    let on = device();
    let export = [&export[..], &to, &[&on]].concat();
    let said = succeed(&export);
    // Half of 16 singular values, and 2.
    assert!(said.contains("LoRA of rank up to 10"), "{said}");
    let config: serde_json::Value =
        serde_json::from_slice(&inputs.read("lora", "adapter_config.json")).unwrap();
    assert_eq!(config["peft_type"], "LORA");
    let targets = config["target_modules"].as_array().unwrap();
    assert!(
        targets.contains(&"vision_encoder.layers.0.attn.qkv".into()),
        "{targets:?}"
    );
    let saved = config["modules_to_save"].as_array().unwrap();
    assert!(
        saved.contains(&"vision_encoder.layers.1.layer_norm2".into()),
        "{saved:?}"
    );
    let extra = tensors(&inputs, "lora", "extra_parameters.safetensors");
    assert_eq!(extra.keys().collect::<Vec<_>>(), ["prompt_tokens"]);
    let again = failure(&export);
    assert!(again.contains("no empty folder"), "{again}");

    let weights = inputs.path("base.safetensors");
    let out = beside_the_recipe(&inputs, "imported");
    let import = ["adapter", "import", "--from", &lora, "--out", &out];
    let checked = ["--weights", &weights, "--device", &device()];
    succeed(&[&import[..], &checked].concat());
    let facts = json(&["adapter", "inspect", &out, "--json"]);
    assert_eq!(facts["config"]["method"], "lora");
    assert!(facts["base_sha256"].is_string(), "{facts}");
    let ranks = facts["ranks"].as_object().unwrap();
    assert_eq!(ranks["image_encoder.blocks.0.attn.qkv"], 10, "{ranks:?}");
    let error = largest_difference(&merged(&inputs, "run"), &merged(&inputs, "imported"));
    assert!(error < 1e-6, "{error}");

    // Without the base nothing is known of it, and that is said.
    let out = beside_the_recipe(&inputs, "unchecked");
    succeed(&["adapter", "import", "--from", &lora, "--out", &out]);
    let text = succeed(&["adapter", "inspect", &out]);
    assert!(
        text.contains("not known, the adapter was imported"),
        "{text}"
    );
    assert_eq!(
        largest_difference(&merged(&inputs, "imported"), &merged(&inputs, "unchecked")),
        0.0
    );

    let nothing = failure(&[
        "adapter",
        "import",
        "--from",
        &inputs.path("vessels"),
        "--out",
        "x",
    ]);
    assert!(nothing.contains("adapter_config.json"), "{nothing}");
    let rank = failure(&[&export[..6], &["--rank", "0", "--out", "x"]].concat());
    assert!(rank.contains("--rank"), "{rank}");
}

#[test]
fn a_file_of_samed_changes_queries_and_values() {
    let inputs = Inputs::new();
    succeed(&inputs.train("run", &["train.epochs=1"]));
    let mut bytes = BTreeMap::new();
    for index in 0..4 {
        for (side, dims) in [("a", [3, 16]), ("b", [16, 3])] {
            let values = (0..48).map(|i| 0.1 * ((index * 7 + i) as f32).sin());
            let data: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
            bytes.insert(format!("w_{side}_{index:03}"), (dims.to_vec(), data));
        }
    }
    let write = |name: &str, bytes: &BTreeMap<String, (Vec<usize>, Vec<u8>)>| {
        let views = bytes.iter().map(|(name, (dims, data))| {
            let view = TensorView::new(Dtype::F32, dims.clone(), data).unwrap();
            (name, view)
        });
        std::fs::write(
            inputs.file(name),
            safetensors::serialize(views, None).unwrap(),
        )
        .unwrap();
        inputs.path(name)
    };
    let samed = write("samed.safetensors", &bytes);
    let weights = inputs.path("base.safetensors");
    let out = beside_the_recipe(&inputs, "samed");
    let import = [
        "adapter",
        "import",
        "--from",
        &samed,
        "--weights",
        &weights,
        "--out",
        &out,
    ];
    succeed(&[&import[..], &["--device", &device()]].concat());

    let (base, adapted) = (
        tensors(&inputs, "", "base.safetensors"),
        merged(&inputs, "samed"),
    );
    let of = |index: usize, side: &str| -> Vec<f32> {
        let data = &bytes[&format!("w_{side}_{index:03}")].1;
        let chunks = data.as_chunks::<4>().0.iter();
        chunks.map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    for block in 0..2 {
        let key = format!("image_encoder.blocks.{block}.attn.qkv.weight");
        let (before, after) = (&base[&key].1, &adapted[&key].1);
        for row in 0..48 {
            // Rows of q, k, v in this order; SAMed has pairs for q and v.
            let index = match row / 16 {
                0 => Some(2 * block),
                1 => None,
                _ => Some(2 * block + 1),
            };
            for col in 0..16 {
                let delta = index.map_or(0.0, |index| {
                    let (a, b) = (of(index, "a"), of(index, "b"));
                    (0..3).map(|r| b[row % 16 * 3 + r] * a[r * 16 + col]).sum()
                });
                let at = row * 16 + col;
                let error = (after[at] - before[at] - delta).abs();
                assert!(error < 1e-6, "block {block}, row {row}: {error}");
            }
        }
    }

    bytes.remove("w_b_003");
    let half = write("half.safetensors", &bytes);
    let refused = failure(&[
        "adapter",
        "import",
        "--from",
        &half,
        "--out",
        &inputs.path("half"),
    ]);
    assert!(refused.contains("003"), "{refused}");
}
