//! The image encoder: each stage from the oracle's input to it, then the whole.

use burn::tensor::{Device, Tensor};
use salt_sam::preprocess::normalise;
use salt_sam::weights::load;

use super::{Expected, config, path, sam};

#[test]
fn pixels_are_normalised() {
    let expected = Expected::open(&Device::default());
    let corner = normalise(expected.get::<4>("pixels")).slice([0..2, 0..3, 0..4, 0..4]);
    expected.check("normalised_corner", corner);
}

#[test]
fn patches_and_positions() {
    let device = Device::default();
    let expected = Expected::open(&device);
    let pixels = normalise(expected.get::<4>("pixels"));
    let tokens = sam(&device).image_encoder.embed(pixels);
    expected.check("encoder.patch_pos", tokens);
}

#[test]
fn every_block_windowed_and_global() {
    let device = Device::default();
    let expected = Expected::open(&device);
    let encoder = sam(&device).image_encoder;
    let mut input = "encoder.patch_pos".to_owned();
    for (index, block) in encoder.blocks.iter().enumerate() {
        let output = format!("encoder.block{index}");
        expected.check(&output, block.forward(expected.get::<4>(&input)));
        input = output;
    }
}

#[test]
fn image_embedding() {
    let device = Device::default();
    let expected = Expected::open(&device);
    let embedding = sam(&device).encode_image(expected.get::<4>("pixels"));
    expected.check("encoder.image_embedding", embedding);
}

#[test]
fn another_image_size_resamples_positions() {
    let device = Device::default();
    let expected = Expected::open(&device);
    let pixels: Tensor<4> = expected.get("px96.pixels");

    let resized = sam(&device).with_image_size(96).unwrap();
    assert_eq!(resized.image_size(), 96);
    expected.check("px96.image_embedding", resized.encode_image(pixels.clone()));

    let larger = config().with_image_size(96);
    let loaded = load(&path("sam_small.safetensors"), &larger, None, &device).unwrap();
    assert_eq!(loaded.image_size(), 96);
    expected.check("px96.image_embedding", loaded.encode_image(pixels));
}
