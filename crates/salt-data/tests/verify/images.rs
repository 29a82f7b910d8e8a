//! Faults of images.

use png::{BitDepth, ColorType};
use salt_data::verify::{Check, Severity};

use super::{SIDE, Set, bar, noise};

fn jpeg(set: &Set, k: usize) -> Vec<u8> {
    let grey = image::GrayImage::from_raw(SIDE, SIDE, noise(k as u32, 576)).expect("24 x 24");
    let mut bytes = std::io::Cursor::new(Vec::new());
    grey.write_to(&mut bytes, image::ImageFormat::Jpeg)
        .expect("encoded");
    let bytes = bytes.into_inner();
    // The name says PNG: the first bytes decide.
    std::fs::write(set.0.at(&format!("images/c{k}.png")), &bytes).expect("written");
    bytes
}

#[test]
fn files_that_are_cut_short() {
    for keep in [0.0, 0.3, 0.6, 0.98] {
        let set = Set::new();
        let whole = std::fs::read(set.0.at("images/c2.png")).expect("there");
        let kept = &whole[..(whole.len() as f64 * keep) as usize];
        std::fs::write(set.0.at("images/c2.png"), kept).expect("written");
        set.check(Severity::Error, Check::Truncated, "c2.png");
        let set = Set::new();
        let whole = jpeg(&set, 2);
        assert_eq!(set.report().findings, [], "a whole JPEG is fine");
        let kept = &whole[..(whole.len() as f64 * keep) as usize];
        std::fs::write(set.0.at("images/c2.png"), kept).expect("written");
        set.check(Severity::Error, Check::Truncated, "c2.png");
    }
}

#[test]
fn files_that_are_no_pictures_or_of_another_size() {
    let set = Set::new();
    set.0.text("images/c2.png", "this is no picture");
    set.check(Severity::Error, Check::Readable, "c2.png");
    let set = Set::new();
    set.0.mask("masks/c2.png", SIDE, SIDE + 1, 255);
    set.check(Severity::Error, Check::Size, "received 24 x 25");
}

#[test]
fn images_that_show_nothing() {
    for (level, mention) in [
        (0, "c2 is black everywhere"),
        (255, "c2 is white everywhere"),
        (90, "c2 is of one colour everywhere"),
    ] {
        let set = Set::new();
        set.image(2, &[level; 576]);
        set.check(Severity::Warning, Check::Blank, mention);
    }
}

#[test]
fn one_coloured_image_among_grey_ones() {
    let set = Set::new();
    set.png(
        "images/c2.png",
        ColorType::Rgb,
        BitDepth::Eight,
        &noise(2, 3 * 576),
    );
    set.check(
        Severity::Warning,
        Check::Colour,
        "1 image is coloured, 11 are grey",
    );
}

#[test]
fn another_shape_or_size() {
    let check = |width: u32, height: u32, mention: &str| {
        let set = Set::new();
        let length = (width * height) as usize;
        set.0
            .grey("images/c2.png", width, height, &noise(2, length));
        let mask: Vec<u8> = (0..length)
            .map(|i| if i < length / 10 { 255 } else { 0 })
            .collect();
        set.0.grey("masks/c2.png", width, height, &mask);
        set.check(Severity::Warning, Check::SizeOutlier, mention);
    };
    check(48, 24, "1 image has another shape");
    check(72, 72, "1 image has another size");
    check(200, 24, "1 image has another shape");
}

/// Two bytes a sample, most significant first.
fn wide(levels: impl Iterator<Item = u16>) -> Vec<u8> {
    levels.flat_map(u16::to_be_bytes).collect()
}

#[test]
fn sixteen_bits_that_are_not_used() {
    let write = |set: &Set, k: usize, scale: u16| {
        let levels = noise(k as u32, 576).into_iter();
        let data = wide(levels.map(|v| u16::from(v) * scale));
        let name = format!("images/c{k}.png");
        set.png(&name, ColorType::Grayscale, BitDepth::Sixteen, &data);
    };
    for (scale, mention) in [(1, "only the lower 8"), (16, "only the lower 12")] {
        let set = Set::new();
        (0..Set::COUNT).for_each(|k| write(&set, k, scale));
        set.check(Severity::Warning, Check::BitDepth, mention);
    }
    let set = Set::new();
    (0..Set::COUNT).for_each(|k| write(&set, k, 257));
    assert_eq!(set.report().findings, []);
    let set = Set::new();
    write(&set, 2, 257);
    set.check(
        Severity::Warning,
        Check::BitDepth,
        "8 bits (11 files), 16 bits (1 file)",
    );
}

#[test]
fn transparency_that_would_be_dropped() {
    let set = Set::new();
    let with_alpha =
        |alpha: u8| -> Vec<u8> { noise(2, 576).into_iter().flat_map(|v| [v, alpha]).collect() };
    set.png(
        "images/c2.png",
        ColorType::GrayscaleAlpha,
        BitDepth::Eight,
        &with_alpha(255),
    );
    assert_eq!(set.report().findings, []);
    set.png(
        "images/c2.png",
        ColorType::GrayscaleAlpha,
        BitDepth::Eight,
        &with_alpha(200),
    );
    set.check(Severity::Warning, Check::Alpha, "1 image has transparent");
}

#[test]
fn a_rotation_that_only_the_image_knows() {
    let set = Set::new();
    let mut bytes = jpeg(&set, 2);
    let with_orientation = |bytes: &[u8], value: u8| {
        // APP1 with the tag 0x0112 (orientation) alone, after the two bytes of the start.
        let mut exif =
            b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
        exif.extend([0, value, 0, 0, 0, 0, 0, 0]);
        [&bytes[..2], &exif, &bytes[2..]].concat()
    };
    std::fs::write(set.0.at("images/c2.png"), with_orientation(&bytes, 1)).expect("written");
    assert_eq!(set.report().findings, []);
    bytes = with_orientation(&bytes, 6);
    std::fs::write(set.0.at("images/c2.png"), bytes).expect("written");
    set.check(
        Severity::Warning,
        Check::Orientation,
        "1 image has an EXIF orientation",
    );
}

#[test]
fn one_picture_twice() {
    let set = Set::new();
    set.image(3, &noise(2, 576));
    set.check(
        Severity::Warning,
        Check::Duplicate,
        "c2 (train), c3 (train)",
    );
    let set = Set::new();
    set.image(11, &noise(2, 576));
    set.check(Severity::Error, Check::Duplicate, "c2 (train), c11 (test)");
    // A mask of the same shape does not excuse it.
    set.mask(11, &bar(2, 255));
    assert!(!set.report().is_sound());
}
