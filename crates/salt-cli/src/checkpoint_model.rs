//! Which registered model a weights file holds, told by its shapes.

use std::collections::BTreeSet;
use std::path::Path;

use salt_sam::SamConfig;
use salt_sam::config::MODELS;
use salt_sam::weights::{Checkpoint, PROMPT_TOKENS, embedded_nano_bytes};
use salt_train::base_model::EMBEDDED;

use crate::failure::Failure;

/// `--weights`: a checkpoint file, or `embedded`.
pub(crate) fn read(weights: &str) -> Result<Checkpoint, Failure> {
    if weights == EMBEDDED {
        let name = Path::new("the embedded base of sam_nano");
        return Ok(Checkpoint::from_safetensors(embedded_nano_bytes(), name)?);
    }
    check_exists(weights)?;
    Ok(Checkpoint::read(Path::new(weights))?)
}

/// Refuse weights that are not there, before anything slow is done for them.
pub(crate) fn check_exists(weights: &str) -> Result<(), Failure> {
    if weights == EMBEDDED || Path::new(weights).is_file() {
        return Ok(());
    }
    Err(Failure::usage(
        format!("the weights `{weights}` do not exist"),
        "give a .pth or .safetensors file, or `embedded` for the small base in this program",
    ))
}

/// The name and sizes of the model that `checkpoint` is loaded into, at the checkpoint's own input
/// size and with as many prompt tokens as it holds.
///
/// Without a `name` it is the registered model nearest in width and depth: where it does not fit,
/// loading says what differs.
pub(crate) fn config(
    checkpoint: &Checkpoint,
    name: Option<&str>,
) -> Result<(String, SamConfig), Failure> {
    let sizes = Sizes::of(checkpoint)?;
    let (name, config) = match name {
        Some(name) => (name.to_owned(), SamConfig::by_name(name)?),
        None => {
            let nearest = MODELS
                .iter()
                .map(|(name, config)| (*name, config()))
                .min_by_key(|(_, config)| sizes.distance(config));
            let (name, config) = nearest.ok_or_else(not_sam)?;
            (name.to_owned(), config)
        }
    };
    let image_size = sizes.grid * config.patch_size;
    let config = config
        .with_image_size(image_size)
        .with_prompt_tokens(sizes.tokens);
    Ok((name, config))
}

fn not_sam() -> Failure {
    Failure::usage(
        "the weights hold no image encoder of Segment Anything",
        "give a checkpoint of sam_nano, sam_vit_b, sam_vit_l or sam_vit_h",
    )
}

/// Sizes as the tensors tell them.
#[derive(Debug, PartialEq, Eq)]
struct Sizes {
    embed_dim: usize,
    patch_size: usize,
    depth: usize,
    /// Tokens a side.
    grid: usize,
    /// Learned prompt tokens; 1 where there are none, which is the least a model has.
    tokens: usize,
}

impl Sizes {
    fn of(checkpoint: &Checkpoint) -> Result<Self, Failure> {
        let shape = |key: &str| {
            checkpoint
                .tensors
                .get(key)
                .map(|tensor| tensor.shape.as_slice())
        };
        let patches = shape("image_encoder.patch_embed.proj.weight");
        let positions = shape("image_encoder.pos_embed");
        let (Some(&[embed_dim, _, patch_size, _]), Some(&[_, grid, _, _])) = (patches, positions)
        else {
            return Err(not_sam());
        };
        let blocks = checkpoint
            .tensors
            .keys()
            .filter_map(|key| key.strip_prefix("image_encoder.blocks.")?.split('.').next());
        Ok(Self {
            embed_dim,
            patch_size,
            depth: blocks.collect::<BTreeSet<_>>().len(),
            grid,
            tokens: shape(PROMPT_TOKENS)
                .and_then(|s| s.first().copied())
                .unwrap_or(1)
                .max(1),
        })
    }

    /// Zero for the model itself. Widths differ by hundreds and depths by tens, so depth is scaled.
    fn distance(&self, config: &SamConfig) -> usize {
        self.embed_dim.abs_diff(config.embed_dim)
            + 10 * self.depth.abs_diff(config.depth)
            + 10 * self.patch_size.abs_diff(config.patch_size)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use salt_sam::weights::StoredTensor;

    use super::*;

    /// A checkpoint of which only shapes are looked at.
    fn shapes(config: &SamConfig, tokens: Option<usize>) -> Checkpoint {
        let mut tensors = BTreeMap::new();
        let mut put = |key: String, shape: Vec<usize>| {
            let values = Vec::new();
            tensors.insert(key, StoredTensor { shape, values });
        };
        let (dim, patch, grid) = (config.embed_dim, config.patch_size, config.grid());
        put(
            "image_encoder.patch_embed.proj.weight".into(),
            vec![dim, 3, patch, patch],
        );
        put("image_encoder.pos_embed".into(), vec![1, grid, grid, dim]);
        for block in 0..config.depth {
            put(
                format!("image_encoder.blocks.{block}.norm1.weight"),
                vec![dim],
            );
        }
        if let Some(tokens) = tokens {
            put(PROMPT_TOKENS.into(), vec![tokens, config.out_chans]);
        }
        Checkpoint {
            tensors,
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn every_registered_model_is_recognised_at_any_size() {
        for (expected, model) in MODELS {
            for scale in [1, 2] {
                let made = model().with_image_size(model().image_size / scale);
                let (name, config) = config(&shapes(&made, Some(5)), None).unwrap();
                assert_eq!(
                    (name.as_str(), config),
                    (*expected, made.with_prompt_tokens(5))
                );
            }
        }
    }

    #[test]
    fn a_name_is_taken_at_its_word() {
        let (name, sizes) = config(&shapes(&SamConfig::vit_b(), None), Some("sam_vit_l")).unwrap();
        assert_eq!(
            (name.as_str(), sizes.embed_dim, sizes.n_prompt_tokens),
            ("sam_vit_l", 1024, 1)
        );
        assert!(config(&shapes(&SamConfig::vit_b(), None), Some("sam")).is_err());
    }

    #[test]
    fn other_files_are_refused() {
        let empty = Checkpoint {
            tensors: BTreeMap::new(),
            metadata: BTreeMap::new(),
        };
        assert!(config(&empty, None).is_err());
    }
}
