//! The bytes of batches, pinned: a recipe of last year gives the batches of last year.
//!
//! The hashes were made before elastic deformation, crops on the foreground, blur, noise and CLAHE
//! existed. Whoever changes them changes what every recorded run was trained on.

use std::sync::Arc;

use salt_data::{Augment, ImageRgb, LabelMap, LoadedCase, LoaderConfig, TrainLoader, View};
use sha2::{Digest, Sha256};

fn case(k: usize) -> LoadedCase {
    let (width, height) = (90 + 7 * k, 70 + 5 * k);
    let data = (0..3 * width * height).map(|i| (i * (2 * k + 3) / 5 % 256) as u8);
    let classes = (0..width * height).map(|i| (i / (k + 4) % 3) as u8);
    LoadedCase {
        id: format!("case{k}"),
        image: ImageRgb::new(width, height, data.collect()).expect("valid"),
        labels: LabelMap::new(width, height, classes.collect()).expect("valid"),
    }
}

/// Hashes of one epoch of tiles and of one of whole pictures.
fn hashes(augment: Augment) -> [String; 2] {
    let whole = View::Resize { image_size: 64 };
    let tiles = View::Tiles {
        tile: 48,
        scale: 0.8,
        overlap: 0.5,
    };
    [tiles, whole].map(|view| hash(view, augment))
}

fn hash(view: View, augment: Augment) -> String {
    let config = LoaderConfig {
        batch_size: 3,
        samples_per_epoch: 12,
        seed: 7,
        workers: 2,
        prefetch: 2,
        view,
        augment,
    };
    let cases = Arc::new((0..4).map(case).collect());
    let loader = TrainLoader::new(cases, config).expect("valid settings");
    let mut hash = Sha256::new();
    for batch in loader.batches(1, 0) {
        let batch = batch.expect("cases in memory");
        for value in &batch.pixels_bchw {
            hash.update(value.to_le_bytes());
        }
        hash.update(&batch.labels_bhw);
        hash.update(batch.ids.join(" "));
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn without_augmentation() {
    assert_eq!(
        hashes(Augment::none()),
        [
            "dd010daa3e90d37d807797501ad8b5ff8bbce71034a44aeafed95564ef07c54c",
            "7d6434662e26a5c2379e294918b8ae75baa3cd1130f06a7db1005268ffdcbec4"
        ]
    );
}

/// Elsewhere the system's `exp` and `sin` may round otherwise.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn with_the_standard_augmentation() {
    let shifted = Augment {
        translate: 0.2,
        ..Augment::standard()
    };
    assert_eq!(
        [hashes(Augment::standard()), hashes(shifted)],
        [
            [
                "bdaed15a45d53170c93ff2555df114d348773c7735fefb991082edcc023f472e",
                "dae4c54d3116b653f8d629516a7dd26a68017ca5857f59a32190cad359e53570"
            ],
            [
                "969624e6a09997f9fef7439e616895c70ec67fdf417891d803ff2b03ffe7410d",
                "c53fa7672426b3d97a84faeceee83125b6b7ba9bd22d56fbea629c8c3f66c005"
            ]
        ]
    );
}
