//! Adapter files as others read them.

use salt_peft::save_adapter;

use crate::laws::attached;
use crate::nets::{Mlp, bits, config};

/// Adapter files are in PyTorch's names and layouts, wherever Burn differs.
#[test]
fn files_speak_pytorch() {
    let check = |method: &str, expected: &[(&str, &[usize])]| {
        let config = config::<Mlp>(method.parse().expect("registered"));
        let dir = tempfile::tempdir().expect("tmp");
        let model: Mlp = attached(&config, 1);
        save_adapter(&model, &config, dir.path()).expect("saves");
        let bytes = std::fs::read(dir.path().join("adapter_model.safetensors")).expect("written");
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        for (name, dims) in expected {
            let tensor = file.tensor(&format!("base_model.model.{name}"));
            assert_eq!(tensor.expect(name).shape(), *dims, "{method}: {name}");
        }
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).expect("a header");
        let format = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get("format").cloned());
        assert_eq!(format.as_deref(), Some("pt"));
        (model, bytes)
    };
    check(
        "salt",
        &[
            ("fc1.salt_scale", &[4]),
            ("fc1.salt_x", &[5, 2]),
            ("fc1.salt_y", &[2, 5]),
        ],
    );
    check(
        "lora",
        &[
            ("fc1.lora_A.weight", &[3, 9]),
            ("fc1.lora_B.weight", &[14, 3]),
        ],
    );
    check("norms", &[("norm.weight", &[14]), ("norm.bias", &[14])]);
    let (model, bytes) = check("full", &[("fc1.weight", &[14, 9]), ("pos_embed", &[4, 9])]);
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let stored = file
        .tensor("base_model.model.fc1.weight")
        .expect("trained")
        .data()
        .to_vec();
    let transposed = bits(model.fc1.weight.val().transpose());
    assert_eq!(
        stored,
        transposed
            .iter()
            .flat_map(|b| b.to_le_bytes())
            .collect::<Vec<u8>>()
    );
}
