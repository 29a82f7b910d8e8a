//! One mask in every way PNG and JPEG can store it.

use png::{BitDepth, ColorType};
use salt_data::{Dataset, LabelRule};

use crate::fixture::Folder;

/// A set of one 4x2 image whose mask is stored as given must give these labels.
fn check(colour: ColorType, depth: BitDepth, data: &[u8], n_classes: usize, labels: [u8; 8]) {
    let folder = Folder::empty();
    folder.image("images/a.png", 4, 2, 0);
    folder.png("masks/a.png", 4, 2, colour, depth, data);
    folder.text(
        "pairs.csv",
        "image,mask,split\nimages/a.png,masks/a.png,train\n",
    );
    let set = Dataset::open(folder.path()).expect("opens");
    assert_eq!(set.n_classes, n_classes, "{colour:?} {depth:?}");
    let case = set.load(&set.cases[0]).expect("loads");
    assert_eq!(case.labels.classes, labels, "{colour:?} {depth:?}");
}

const PATTERN: [u8; 8] = [0, 1, 1, 0, 1, 0, 0, 1];

#[test]
fn binary_masks_of_every_depth() {
    use BitDepth::{Eight, Four, One, Sixteen, Two};
    use ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    let with = |value: u8| PATTERN.map(|p| p * value);
    check(Grayscale, One, &[0b0110_0000, 0b1001_0000], 1, PATTERN);
    check(Indexed, One, &[0b0110_0000, 0b1001_0000], 1, PATTERN);
    check(Grayscale, Two, &[0b0011_1100, 0b1100_0011], 1, PATTERN);
    check(Grayscale, Four, &[0x0f, 0xf0, 0xf0, 0x0f], 1, PATTERN);
    check(Grayscale, Eight, &with(1), 1, PATTERN);
    check(Grayscale, Eight, &with(255), 1, PATTERN);
    check(Indexed, Eight, &with(1), 1, PATTERN);
    let wide: Vec<u8> = PATTERN.iter().flat_map(|p| [p * 255; 2]).collect();
    check(Grayscale, Sixteen, &wide, 1, PATTERN);
    let alpha: Vec<u8> = PATTERN.iter().flat_map(|p| [p * 255, 255]).collect();
    check(GrayscaleAlpha, Eight, &alpha, 1, PATTERN);
    let rgb: Vec<u8> = PATTERN.iter().flat_map(|p| [p * 255; 3]).collect();
    check(Rgb, Eight, &rgb, 1, PATTERN);
    let red: Vec<u8> = PATTERN.iter().flat_map(|p| [p * 255, 0, 0, 255]).collect();
    check(Rgba, Eight, &red, 1, PATTERN);
}

#[test]
fn class_ids_are_kept() {
    let ids = [0, 1, 2, 3, 3, 2, 1, 0];
    check(ColorType::Indexed, BitDepth::Eight, &ids, 3, ids);
    check(ColorType::Grayscale, BitDepth::Eight, &ids, 3, ids);
    check(
        ColorType::Indexed,
        BitDepth::Two,
        &[0b0001_1011, 0b1110_0100],
        3,
        ids,
    );
}

#[test]
fn a_jpeg_mask_comes_out_as_it_went_in() {
    let folder = Folder::empty();
    let side = 48_u32;
    let inside = |x: u32, y: u32| (x as f64 - 20.3).hypot(y as f64 - 25.1) < 13.7;
    let mask = image::GrayImage::from_fn(side, side, |x, y| {
        image::Luma([if inside(x, y) { 255 } else { 0 }])
    });
    let path = folder.at("masks/a.jpg");
    let file = std::fs::File::create(&path).expect("created");
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(file, 75);
    mask.write_with_encoder(encoder).expect("encoded");
    folder.image("images/a.png", side, side, 0);
    folder.text(
        "pairs.csv",
        "image,mask,split\nimages/a.png,masks/a.jpg,train\n",
    );
    let set = Dataset::open(folder.path()).expect("opens");
    assert_eq!(set.label_rule, LabelRule::Binary { ignore_255: false });
    let labels = set.load(&set.cases[0]).expect("loads").labels;
    let wrong = labels.classes.iter().enumerate().filter(|&(i, &c)| {
        let (x, y) = (i as u32 % side, i as u32 / side);
        (c == 1) != inside(x, y)
    });
    assert!(wrong.count() <= 3, "compression moved the edge");
}

#[test]
fn a_sixteen_bit_image_is_scaled_to_eight() {
    let folder = Folder::empty();
    let samples: Vec<u8> = [0_u16, 257, 32896, 65535]
        .iter()
        .flat_map(|v| v.to_be_bytes())
        .collect();
    folder.png(
        "images/a.png",
        2,
        2,
        ColorType::Grayscale,
        BitDepth::Sixteen,
        &samples,
    );
    let image = salt_data::read_image(&folder.at("images/a.png")).expect("readable");
    assert_eq!(image.data, [0, 0, 0, 1, 1, 1, 128, 128, 128, 255, 255, 255]);
}
