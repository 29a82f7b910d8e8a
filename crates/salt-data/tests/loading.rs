//! From files to batches and back to native resolution.

use std::sync::Arc;

use salt_data::synth::vessels;
use salt_data::{
    Augment, Canvas, Dataset, LoaderConfig, Split, TrainLoader, View, inference_inputs,
};

use crate::fixture::shared;

#[test]
fn generated_vessels_go_through_the_whole_crate() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    vessels::write_dataset(dir.path(), 6, 96, 3).expect("written");
    let set = Dataset::open(dir.path()).expect("opens");
    let train = Arc::new(set.load_split(Split::Train).expect("loads"));
    let config = LoaderConfig {
        batch_size: 3,
        samples_per_epoch: 9,
        view: View::Resize { image_size: 64 },
        augment: Augment::standard(),
        ..LoaderConfig::default()
    };
    let loader = TrainLoader::new(Arc::clone(&train), config).expect("valid");
    let batches: Vec<_> = loader
        .batches(0, 0)
        .map(|b| b.expect("in memory"))
        .collect();
    assert_eq!(batches.len(), 3);
    for batch in &batches {
        assert_eq!(batch.pixels_bchw.len(), 3 * 3 * 64 * 64);
        assert!(batch.pixels_bchw.iter().all(|v| (0.0..=255.0).contains(v)));
        assert!(batch.labels_bhw.iter().all(|&c| c < 2 || c == 255));
        assert!(
            batch.labels_bhw.contains(&1),
            "no vessel in the whole batch"
        );
    }
}

/// A perfect network at half resolution: its answer is the labels it sees. What comes back at native
/// resolution is compared with the native labels, which bounds what half resolution can reach.
#[test]
fn half_resolution_tiles_of_a_real_image_come_back_in_place() {
    let Some(path) = shared("CHASE_DB1") else {
        return;
    };
    let set = Dataset::open(&path).expect("opens");
    let case = set.load(&set.cases[0]).expect("loads");
    let view = View::Tiles {
        tile: 128,
        scale: 0.5,
        overlap: 0.25,
    };
    let (width, height) = (case.image.width, case.image.height);
    let [w, h] = view.scaled_size(width, height);
    let truth = salt_data::resize_labels(&case.labels, w, h);
    let mut canvas = Canvas::new(1, width, height, &view).expect("valid");
    for window in inference_inputs(&case.image, &view).expect("valid") {
        let mut logits = vec![-8.0; 128 * 128];
        for row in 0..window.place.height {
            for column in 0..window.place.width {
                let at = (window.place.y + row) * w + window.place.x + column;
                logits[row * 128 + column] = if truth.classes[at] == 1 { 8.0 } else { -8.0 };
            }
        }
        canvas.add(&window, &logits).expect("fits");
    }
    let predicted: Vec<bool> = canvas.finish().iter().map(|&logit| logit > 0.0).collect();
    let (mut both, mut either) = (0_u64, 0_u64);
    for (p, t) in predicted.iter().zip(case.labels.mask_of(1)) {
        both += u64::from(*p && t);
        either += u64::from(*p) + u64::from(t);
    }
    let dice = 2.0 * both as f64 / either as f64;
    assert!(dice > 0.9, "half resolution allows only {dice}");
}
