//! Which model a checkpoint holds, told by its shapes.

use std::collections::BTreeSet;

use super::{Checkpoint, PROMPT_TOKENS};
use crate::config::{MODELS, SamConfig};
use crate::error::{NoEncoder, SamError};

impl SamConfig {
    /// Name and sizes of the registered model nearest to a checkpoint in width, depth and patches, at the
    /// checkpoint's own input size and with as many prompt tokens as it holds. Where that model does not fit,
    /// loading says what differs.
    ///
    /// # Errors
    /// [`SamError::NoEncoder`] for a checkpoint without an image encoder of Segment Anything, [`SamError::Config`] for
    /// one whose encoder has tensors of another kind.
    pub fn of_checkpoint(checkpoint: &Checkpoint) -> Result<(&'static str, Self), SamError> {
        let sizes = Sizes::of(checkpoint)?;
        let models = MODELS.iter().map(|(name, config)| (*name, config()));
        let nearest = models.min_by_key(|(_, config)| sizes.distance(config));
        let (name, config) = nearest.ok_or_else(|| no_encoder(checkpoint))?;
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

const PATCHES: &str = "image_encoder.patch_embed.proj.weight";
const POSITIONS: &str = "image_encoder.pos_embed";

/// Received keys that a message names.
const SHOWN: usize = 3;

/// Longest key that is compared with those that are looked for.
const MAX_COMPARED: usize = 1000;

fn no_encoder(checkpoint: &Checkpoint) -> SamError {
    let keys = checkpoint.tensors.keys();
    let absent = |key: &&str| !checkpoint.tensors.contains_key(*key);
    let missing = [PATCHES, POSITIONS].into_iter().filter(absent);
    SamError::NoEncoder(NoEncoder {
        missing: missing.map(|key| (key, nearest(checkpoint, key))).collect(),
        received: keys.clone().take(SHOWN).cloned().collect(),
        count: keys.len(),
    })
}

/// The key that most likely means `wanted`: one that ends in it, or the most similar one.
fn nearest(checkpoint: &Checkpoint, wanted: &str) -> Option<String> {
    let keys = checkpoint.tensors.keys();
    let score = |key: &str| match key.ends_with(wanted) {
        true => 2.0,
        false => strsim::jaro_winkler(key, wanted),
    };
    keys.filter(|key| key.len() < MAX_COMPARED)
        .max_by(|a, b| score(a).total_cmp(&score(b)))
        .cloned()
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
        let (Some(patches), Some(positions)) = (shape(PATCHES), shape(POSITIONS)) else {
            return Err(no_encoder(checkpoint));
        };
        let (&[embed_dim, _, patch_size, _], &[_, grid, _, _]) = (patches, positions) else {
            return Err(SamError::Config(format!(
                "expected `{PATCHES}` and `{POSITIONS}` of 4 dimensions each, received shapes {patches:?} and \
                 {positions:?}; give a checkpoint of sam_nano, sam_vit_b, sam_vit_l or sam_vit_h"
            )));
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
        let message = SamConfig::of_checkpoint(&empty).unwrap_err().to_string();
        assert!(message.contains("received no tensor;"), "{message}");
    }

    #[test]
    fn a_key_that_was_renamed_is_brought_with_the_nearest() {
        let check = |rename: fn(&str) -> Option<String>, words: &[&str]| {
            let mut checkpoint = shapes(&SamConfig::nano(), None);
            let tensors = std::mem::take(&mut checkpoint.tensors).into_iter();
            let renamed = tensors.filter_map(|(key, tensor)| Some((rename(&key)?, tensor)));
            checkpoint.tensors = renamed.collect();
            let error = SamConfig::of_checkpoint(&checkpoint).unwrap_err();
            let is_told = matches!(error, SamError::NoEncoder(_));
            let message = error.to_string();
            assert!(is_told, "{message}");
            for word in words {
                assert!(message.contains(word), "`{word}` in: {message}");
            }
        };
        check(
            |key| Some(key.replace("pos_embed", "pos_embedding")),
            &[
                "expected `image_encoder.pos_embed` [nearest: image_encoder.pos_embedding], received 8 others \
                 (image_encoder.blocks.0.norm1.weight, image_encoder.blocks.1",
                ", ...); rename the tensors",
            ],
        );
        check(
            |key| Some(key.replace("embed.proj.", "embed.projection.")),
            &["proj.weight` [nearest: image_encoder.patch_embed.projection.weight]"],
        );
        check(
            |key| (!key.contains("patch_embed")).then(|| key.to_owned()),
            &[
                "expected `image_encoder.patch_embed.proj.weight` [nearest: ",
                "7 others",
            ],
        );
        check(
            |key| Some(format!("sam.{key}")),
            &[
                "[nearest: sam.image_encoder.patch_embed.proj.weight]",
                "`image_encoder.pos_embed` [nearest: sam.image_encoder.pos_embed]",
            ],
        );
    }

    #[test]
    fn an_encoder_of_other_dimensions_is_refused() {
        let mut checkpoint = shapes(&SamConfig::nano(), None);
        let flat = StoredTensor::new(vec![256, 192], Vec::new());
        checkpoint.tensors.insert(POSITIONS.into(), flat);
        let message = SamConfig::of_checkpoint(&checkpoint)
            .unwrap_err()
            .to_string();
        assert!(message.contains("[256, 192]"), "{message}");
    }
}
