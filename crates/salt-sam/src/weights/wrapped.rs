//! Weights that a training script has wrapped: nested beside its optimizer, or under the name of a parallel module.

use std::collections::{BTreeMap, BTreeSet};

use super::stored::StoredTensor;
use crate::error::SamError;

/// Keys under which training scripts keep weights beside other things: MedSAM's `train_one_gpu.py` has `model`,
/// Lightning `state_dict`, PyTorch's tutorial `model_state_dict`.
const NESTS: [&str; 3] = ["model.", "state_dict.", "model_state_dict."];

/// What `DistributedDataParallel` and `DataParallel` of PyTorch put before every key.
const PARALLEL: &str = "module.";

/// Where a Segment Anything is recognised, under the original's name and under transformers'.
const ENCODERS: [&str; 2] = ["image_encoder.", "vision_encoder."];

/// The weights without what they are wrapped in; what stands beside a nest is not part of a model and is dropped.
/// Anything else that is wrapped otherwise stays as it is.
///
/// # Errors
/// [`SamError::SeveralModels`] where there is more than one encoder: which one is meant cannot be told.
pub(super) fn unwrapped(
    tensors: BTreeMap<String, StoredTensor>,
) -> Result<BTreeMap<String, StoredTensor>, SamError> {
    let places: BTreeSet<&str> = tensors.keys().filter_map(|key| place(key)).collect();
    if places.len() > 1 {
        let places = places.into_iter().map(str::to_owned).collect();
        return Err(SamError::SeveralModels { places });
    }
    let Some(place) = places.first().map(|place| (*place).to_owned()) else {
        return Ok(tensors);
    };
    let nest = NESTS
        .into_iter()
        .find(|nest| place.starts_with(nest))
        .unwrap_or("");
    if place.is_empty() || !["", PARALLEL].contains(&&place[nest.len()..]) {
        return Ok(tensors);
    }
    let in_nest = tensors.into_iter().filter(|(key, _)| key.starts_with(nest));
    // What lies in the nest and not in the module keeps its name, which no model has.
    let without = in_nest.map(|(key, tensor)| match key.strip_prefix(&place) {
        Some(rest) => (rest.to_owned(), tensor),
        None => (key, tensor),
    });
    Ok(without.collect())
}

/// What stands before the encoder in the key of one of its tensors.
fn place(key: &str) -> Option<&str> {
    let starts = ENCODERS
        .iter()
        .flat_map(|encoder| key.match_indices(encoder));
    let segments = starts.filter(|(at, _)| *at == 0 || key.as_bytes()[at - 1] == b'.');
    segments.map(|(at, _)| &key[..at]).min_by_key(|p| p.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &[&str], expected: Option<&[&str]>) {
        let tensor = || StoredTensor::new(Vec::new(), vec![0.0]);
        let tensors = keys.iter().map(|key| ((*key).to_owned(), tensor()));
        let result = unwrapped(tensors.collect());
        match (result, expected) {
            (Ok(tensors), Some(expected)) => {
                assert!(tensors.keys().eq(expected), "{:?}", tensors.keys());
            }
            (Err(SamError::SeveralModels { .. }), None) => {}
            (result, _) => panic!("{keys:?}: {result:?}"),
        }
    }

    #[test]
    fn the_usual_wrappings_are_taken_off() {
        let plain = ["image_encoder.pos_embed", "mask_decoder.a"];
        check(&plain, Some(&plain));
        for wrapping in [
            "module.",
            "model.",
            "state_dict.",
            "model_state_dict.",
            "model.module.",
        ] {
            let wrapped = plain.map(|key| format!("{wrapping}{key}"));
            check(&[&wrapped[0], &wrapped[1]], Some(&plain));
        }
        check(
            &["module.vision_encoder.a", "module.mask_decoder.a"],
            Some(&["mask_decoder.a", "vision_encoder.a"]),
        );
        // Only a nest has neighbours that are no part of the model.
        check(
            &["model.image_encoder.a", "optimizer.state.0.exp_avg"],
            Some(&["image_encoder.a"]),
        );
        check(
            &["module.image_encoder.a", "optimizer.a"],
            Some(&["image_encoder.a", "optimizer.a"]),
        );
    }

    #[test]
    fn other_wrappings_stay_to_be_told() {
        for keys in [
            &["sam.image_encoder.a"][..],
            &["net.model.image_encoder.a"],
            &["model.sam.image_encoder.a", "optimizer.a"],
            &["my_image_encoder.a"],
            &["lora_a"],
            &[],
        ] {
            check(keys, Some(keys));
        }
    }

    #[test]
    fn of_two_models_none_is_chosen() {
        check(&["image_encoder.a", "model.image_encoder.a"], None);
        check(&["ema.image_encoder.a", "model.image_encoder.a"], None);
        check(&["image_encoder.a", "sam.vision_encoder.a"], None);
    }
}
