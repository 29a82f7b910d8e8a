//! Which model a checkpoint holds, told by its shapes.

use std::collections::BTreeSet;

use super::{Checkpoint, PROMPT_TOKENS};
use crate::config::{MODELS, SamConfig};
use crate::error::SamError;

impl SamConfig {
    /// Name and sizes of the registered model nearest to a checkpoint in width, depth and patches, at the
    /// checkpoint's own input size and with as many prompt tokens as it holds. Where that model does not fit,
    /// loading says what differs.
    ///
    /// # Errors
    /// [`SamError::Config`] for a checkpoint without an image encoder of Segment Anything.
    pub fn of_checkpoint(checkpoint: &Checkpoint) -> Result<(&'static str, Self), SamError> {
        let sizes = Sizes::of(checkpoint)?;
        let models = MODELS.iter().map(|(name, config)| (*name, config()));
        let nearest = models.min_by_key(|(_, config)| sizes.distance(config));
        let (name, config) = nearest.ok_or_else(no_encoder)?;
        Ok((name, sizes.applied_to(config)))
    }

    /// This model at a checkpoint's input size and with as many prompt tokens as it holds.
    ///
    /// # Errors
    /// As [`SamConfig::of_checkpoint`].
    pub fn sized_as(self, checkpoint: &Checkpoint) -> Result<Self, SamError> {
        Ok(Sizes::of(checkpoint)?.applied_to(self))
    }
}

fn no_encoder() -> SamError {
    SamError::Config(
        "the weights hold no image encoder of Segment Anything; give a checkpoint of sam_nano, \
         sam_vit_b, sam_vit_l or sam_vit_h"
            .to_owned(),
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
    fn of(checkpoint: &Checkpoint) -> Result<Self, SamError> {
        let shape = |key: &str| {
            let tensor = checkpoint.tensors.get(key);
            tensor.map(|tensor| tensor.shape.as_slice())
        };
        let patches = shape("image_encoder.patch_embed.proj.weight");
        let positions = shape("image_encoder.pos_embed");
        let (Some(&[embed_dim, _, patch_size, _]), Some(&[_, grid, _, _])) = (patches, positions)
        else {
            return Err(no_encoder());
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
        let apart = |a: usize, b: usize, scale: usize| a.abs_diff(b).saturating_mul(scale);
        apart(self.embed_dim, config.embed_dim, 1)
            .saturating_add(apart(self.depth, config.depth, 10))
            .saturating_add(apart(self.patch_size, config.patch_size, 10))
    }

    fn applied_to(&self, config: SamConfig) -> SamConfig {
        let image_size = self.grid.saturating_mul(config.patch_size);
        config
            .with_image_size(image_size)
            .with_prompt_tokens(self.tokens)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::weights::StoredTensor;

    /// A checkpoint of which only shapes are looked at.
    fn shapes(config: &SamConfig, tokens: Option<usize>) -> Checkpoint {
        let mut tensors = BTreeMap::new();
        let mut put = |key: String, shape: Vec<usize>| {
            tensors.insert(key, StoredTensor::new(shape, Vec::new()));
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
                let found = SamConfig::of_checkpoint(&shapes(&made, Some(5))).unwrap();
                assert_eq!(found, (*expected, made.with_prompt_tokens(5)));
            }
        }
    }

    #[test]
    fn a_model_that_was_named_keeps_its_width() {
        let checkpoint = shapes(&SamConfig::vit_b().with_image_size(512), None);
        let sized = SamConfig::vit_l().sized_as(&checkpoint).unwrap();
        assert_eq!(sized, SamConfig::vit_l().with_image_size(512));
    }

    #[test]
    fn other_files_are_refused() {
        let empty = Checkpoint {
            tensors: BTreeMap::new(),
            metadata: BTreeMap::new(),
        };
        assert!(SamConfig::of_checkpoint(&empty).is_err());
    }
}
