//! Hugging Face `SamModel` names and the original's.
//!
//! Source: `convert_sam_to_hf.py` of transformers, which renames by substring; here both
//! directions are the same table read from either side.

/// Which names a checkpoint uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// `image_encoder.blocks.0.norm1.weight`
    #[default]
    Original,
    /// `vision_encoder.layers.0.layer_norm1.weight`
    HuggingFace,
}

/// Path fragments, `(original, hugging face)`. A fragment matches whole path segments.
const FRAGMENTS: &[(&str, &str)] = &[
    (
        "mask_decoder.output_upscaling.0",
        "mask_decoder.upscale_conv1",
    ),
    (
        "mask_decoder.output_upscaling.1",
        "mask_decoder.upscale_layer_norm",
    ),
    (
        "mask_decoder.output_upscaling.3",
        "mask_decoder.upscale_conv2",
    ),
    ("mask_downscaling.0", "mask_embed.conv1"),
    ("mask_downscaling.1", "mask_embed.layer_norm1"),
    ("mask_downscaling.3", "mask_embed.conv2"),
    ("mask_downscaling.4", "mask_embed.layer_norm2"),
    ("mask_downscaling.6", "mask_embed.conv3"),
    ("point_embeddings", "point_embed"),
    (
        "pe_layer.positional_encoding_gaussian_matrix",
        "shared_embedding.positional_embedding",
    ),
    ("neck.0", "neck.conv1"),
    ("neck.1", "neck.layer_norm1"),
    ("neck.2", "neck.conv2"),
    ("neck.3", "neck.layer_norm2"),
    ("patch_embed.proj", "patch_embed.projection"),
    ("norm1", "layer_norm1"),
    ("norm2", "layer_norm2"),
    ("norm3", "layer_norm3"),
    ("norm4", "layer_norm4"),
    ("norm_final_attn", "layer_norm_final_attn"),
    ("image_encoder.blocks", "vision_encoder.layers"),
    ("image_encoder", "vision_encoder"),
];

/// The MLPs of the decoder: layer index to name.
const MLP_LAYERS: &[(&str, &str)] = &[
    ("layers.0", "proj_in"),
    ("layers.1", "layers.0"),
    ("layers.2", "proj_out"),
];

/// Hugging Face keeps a second copy of the positional matrix at the top.
pub(super) const HF_DUPLICATE: &str = "shared_image_embedding.positional_embedding";

/// The tensor that [`HF_DUPLICATE`] repeats.
pub(super) const HF_MATRIX: &str = "prompt_encoder.shared_embedding.positional_embedding";

/// The original key of [`HF_MATRIX`].
pub(super) const POSITIONAL_MATRIX: &str =
    "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix";

fn is_decoder_mlp(key: &str) -> bool {
    key.contains("output_hypernetworks_mlps.") || key.contains("iou_prediction_head.")
}

/// Replaces `from` by `to` where it spans whole segments of `key`.
fn replace_segments(key: &str, from: &str, to: &str) -> Option<String> {
    let mut start = 0;
    while let Some(found) = key[start..].find(from) {
        let (begin, end) = (start + found, start + found + from.len());
        let opens = begin == 0 || key.as_bytes()[begin - 1] == b'.';
        let closes = end == key.len() || key.as_bytes()[end] == b'.';
        if opens && closes {
            return Some(format!("{}{to}{}", &key[..begin], &key[end..]));
        }
        start = end;
    }
    None
}

fn rename(
    key: &str,
    pick: impl Fn(&(&'static str, &'static str)) -> (&'static str, &'static str),
) -> String {
    let mut name = key.to_owned();
    if is_decoder_mlp(key) {
        for pair in MLP_LAYERS {
            let (from, to) = pick(pair);
            if let Some(renamed) = replace_segments(&name, from, to) {
                return renamed;
            }
        }
        return name;
    }
    for pair in FRAGMENTS {
        let (from, to) = pick(pair);
        if let Some(renamed) = replace_segments(&name, from, to) {
            name = renamed;
        }
    }
    name
}

/// An original key under its Hugging Face name.
pub fn to_hugging_face(key: &str) -> String {
    rename(key, |(original, hf)| (original, hf))
}

/// A Hugging Face key under its original name.
pub fn to_original(key: &str) -> String {
    rename(key, |(original, hf)| (hf, original))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions() {
        let check = |original: &str, hf: &str| {
            assert_eq!(to_hugging_face(original), hf);
            assert_eq!(to_original(hf), original);
        };
        check("image_encoder.pos_embed", "vision_encoder.pos_embed");
        check(
            "image_encoder.blocks.11.norm1.weight",
            "vision_encoder.layers.11.layer_norm1.weight",
        );
        check(
            "image_encoder.patch_embed.proj.bias",
            "vision_encoder.patch_embed.projection.bias",
        );
        check(
            "image_encoder.neck.3.weight",
            "vision_encoder.neck.layer_norm2.weight",
        );
        check(
            "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
            "prompt_encoder.shared_embedding.positional_embedding",
        );
        check(
            "prompt_encoder.point_embeddings.2.weight",
            "prompt_encoder.point_embed.2.weight",
        );
        check(
            "prompt_encoder.mask_downscaling.4.bias",
            "prompt_encoder.mask_embed.layer_norm2.bias",
        );
        check(
            "mask_decoder.transformer.layers.1.norm4.weight",
            "mask_decoder.transformer.layers.1.layer_norm4.weight",
        );
        check(
            "mask_decoder.transformer.norm_final_attn.weight",
            "mask_decoder.transformer.layer_norm_final_attn.weight",
        );
        check(
            "mask_decoder.output_upscaling.1.weight",
            "mask_decoder.upscale_layer_norm.weight",
        );
        check(
            "mask_decoder.output_hypernetworks_mlps.3.layers.0.weight",
            "mask_decoder.output_hypernetworks_mlps.3.proj_in.weight",
        );
        check(
            "mask_decoder.iou_prediction_head.layers.1.bias",
            "mask_decoder.iou_prediction_head.layers.0.bias",
        );
        check(
            "mask_decoder.iou_prediction_head.layers.2.bias",
            "mask_decoder.iou_prediction_head.proj_out.bias",
        );
    }
}
