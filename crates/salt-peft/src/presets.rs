//! The paper's five settings, counted: method.md section 3 from layer shapes alone.
//!
//! The paper adapts SAM ViT-B at 512 px (qkv, proj, lin1, lin2 of twelve blocks and the neck's two
//! convolutions) and counts over SAM without relative positions, CLIP ViT-B/32 and the text affine.

use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::method_id::MethodId;
use crate::nearest::nearest;
use crate::rank::Rank;
use crate::report::{AttachReport, LayerReport};
use crate::weight::WeightShape;

/// SAM ViT-B at 512 px without relative positions, 91,283,504; CLIP ViT-B/32, 151,277,313; text
/// affine, 131,840 (method.md section 3).
const PAPER_BASE: usize = 91_283_504 + 151_277_313 + 131_840;

/// What the paper trains beside the adapter in every setting: path, shape, parameters.
const ALWAYS_TRAINED: [(&str, &[usize], usize); 4] = [
    ("image_encoder.pos_embed", &[1, 32, 32, 768], 786_432),
    // 12 blocks with two norms of 768: 24 * 2 * 768.
    ("image_encoder.blocks.*.norm*", &[24, 2, 768], 36_864),
    // Nine decoder norms of 256: four in each of two layers, one final.
    ("mask_decoder.transformer.*norm*", &[9, 2, 256], 4_608),
    // Linear 512 -> 256 with bias, and a batch norm of 256: replaced by a prompt token here.
    ("text_affine", &[131_840], 131_840),
];

/// Width, depth and neck of ViT-B (segment-anything, `build_sam_vit_b`).
const WIDTH: usize = 768;
const DEPTH: usize = 12;
const NECK: usize = 256;

/// The paper's layers, as targets.
const TARGETS: [&str; 3] = [
    r"blocks\.\d+\.attn\.(qkv|proj)",
    r"blocks\.\d+\.mlp\.lin[12]",
    r"neck\.[02]",
];

/// The names of the presets.
pub const PRESETS: [&str; 5] = [
    "paper-salt-256",
    "paper-salt-4",
    "paper-lora-256",
    "paper-lora-4",
    "paper-ssam",
];

/// The configuration of a preset. It attaches to this project's SAM as it is; the prompt token
/// stands where the paper has its text affine.
///
/// # Errors
/// [`PeftError::UnknownPreset`].
pub fn config(preset: &str) -> Result<AdapterConfig, PeftError> {
    let (method, size) = match preset {
        "paper-salt-256" => ("salt", 256),
        "paper-salt-4" => ("salt", 4),
        "paper-lora-256" => ("lora", 256),
        "paper-lora-4" => ("lora", 4),
        "paper-ssam" => ("ssam", 0),
        _ => {
            return Err(PeftError::UnknownPreset {
                name: preset.into(),
                known: PRESETS.join(", "),
                nearest: nearest(preset, PRESETS, 1),
            });
        }
    };
    let mut config = AdapterConfig::new(method.parse::<MethodId>()?);
    config.targets = TARGETS.map(String::from).to_vec();
    config.modules_to_save = ["norms", "pos_embed", "prompt_token"]
        .map(String::from)
        .to_vec();
    match method {
        "salt" => {
            config.tail_rank = Some(size);
            config.rank_pattern = [(TARGETS[0], 760), (TARGETS[1], 50), (TARGETS[2], 250)]
                .map(|(pattern, rank)| (pattern.to_string(), Rank::Absolute(rank)))
                .into();
        }
        "lora" => config.rank = Some(Rank::Absolute(size)),
        _ => {}
    }
    Ok(config)
}

/// The shapes of the layers the paper adapts, SAM ViT-B's.
pub fn layers() -> Vec<WeightShape> {
    let mut shapes = Vec::new();
    for block in 0..DEPTH {
        let path = |layer: &str| format!("image_encoder.blocks.{block}.{layer}");
        shapes.extend([
            WeightShape::new(path("attn.qkv"), [3 * WIDTH, WIDTH]),
            WeightShape::new(path("attn.proj"), [WIDTH, WIDTH]),
            WeightShape::new(path("mlp.lin1"), [4 * WIDTH, WIDTH]),
            WeightShape::new(path("mlp.lin2"), [WIDTH, 4 * WIDTH]),
        ]);
    }
    shapes.push(WeightShape::new(
        "image_encoder.neck.0",
        [NECK, WIDTH, 1, 1],
    ));
    shapes.push(WeightShape::new("image_encoder.neck.2", [NECK, NECK, 3, 3]));
    shapes
}

/// The paper's count for a preset: per layer, in all, and as a share of its base plus adapter.
///
/// # Errors
/// [`PeftError::UnknownPreset`].
pub fn counts(preset: &str) -> Result<AttachReport, PeftError> {
    let config = config(preset)?;
    let mut adapted = Vec::new();
    for shape in layers() {
        let method = config.method.get();
        let rank = method.rank(&config, &shape, None)?;
        let rank = rank.expect("the presets' ranks are absolute");
        let trainable = method.trainable(&shape, rank);
        adapted.push(LayerReport {
            path: shape.path,
            shape: shape.dims,
            method: config.method.to_string(),
            rank: rank.to_string(),
            trainable,
        });
    }
    let whole = ALWAYS_TRAINED
        .iter()
        .map(|(path, shape, count)| LayerReport::whole(*path, shape.to_vec(), *count))
        .collect();
    Ok(AttachReport::new(config.method, PAPER_BASE, adapted, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of the table in method.md section 3.
    fn check(preset: &str, adapter: usize, trainable: usize, percent: &str) {
        let report = counts(preset).expect("a preset");
        assert_eq!(report.adapter, adapter, "{preset}");
        assert_eq!(report.trainable, trainable, "{preset}");
        assert_eq!(report.total, 242_692_657 + adapter, "{preset}");
        assert_eq!(format!("{:.3}", report.percent), percent, "{preset}");
        let summed: usize = report.layers.iter().map(|layer| layer.trainable).sum();
        assert_eq!(summed, trainable, "{preset}");
    }

    #[test]
    fn the_table_of_the_specification() {
        check("paper-lora-4", 604_160, 1_563_904, "0.643");
        check("paper-lora-256", 38_666_240, 39_625_984, "14.084");
        check("paper-salt-256", 8_967_112, 9_926_856, "3.945");
        check("paper-salt-4", 179_368, 1_139_112, "0.469");
        check("paper-ssam", 74_752, 1_034_496, "0.426");
    }

    #[test]
    fn every_preset_is_a_sound_configuration() {
        for preset in PRESETS {
            config(preset).expect("known").check().expect("sound");
        }
        let error = config("paper-slat-4").expect_err("mistyped").to_string();
        assert!(error.contains("Did you mean `paper-salt-4`"), "{error}");
    }
}
