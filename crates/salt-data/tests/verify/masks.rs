//! Faults of masks.

use png::{BitDepth, ColorType, Encoder};
use salt_data::verify::{Check, Severity};

use super::{SIDE, Set, bar, noise};

#[test]
fn empty_full_and_inverted() {
    let set = Set::new();
    set.mask(2, &[0; 576]);
    set.check(Severity::Warning, Check::EmptyMask, "mask of c2 has no");
    let set = Set::new();
    set.mask(2, &[255; 576]);
    set.check(
        Severity::Warning,
        Check::FullMask,
        "mask of c2 is foreground everywhere",
    );
    let set = Set::new();
    set.mask(2, &bar(2, 255).iter().map(|v| 255 - v).collect::<Vec<_>>());
    set.check(
        Severity::Warning,
        Check::MaskValues,
        "91 % of the mask of c2",
    );
}

#[test]
fn far_less_foreground_than_the_others() {
    let set = Set::new();
    let mut dot = vec![0; 576];
    dot[300] = 255;
    set.mask(2, &dot);
    set.check(
        Severity::Warning,
        Check::MaskOutlier,
        "0.17 % of the mask of c2",
    );
}

#[test]
fn one_number_here_and_another_there() {
    let set = Set::new();
    set.mask(2, &bar(2, 1));
    set.check(
        Severity::Warning,
        Check::MaskValues,
        "1 (1 mask), 255 (11 masks)",
    );
    // Values of 1 only, or of palettes, are fine.
    for k in 0..Set::COUNT {
        set.mask(k, &bar(k, 1));
    }
    assert_eq!(set.report().findings, []);
}

#[test]
fn classes_spread_over_the_grey_levels() {
    let set = Set::new();
    for k in 0..Set::COUNT {
        let mut mask = bar(k, 255);
        mask.iter_mut().step_by(2).for_each(|v| *v /= 3);
        set.mask(k, &mask);
    }
    let report = set.report();
    super::only(
        &report,
        Severity::Warning,
        Check::MaskValues,
        "grey levels 85, 255",
    );
    assert!(report.findings[0].remedy.contains("85 -> 1, 255 -> 2"));
    // Many levels are soft edges.
    for k in 0..Set::COUNT {
        let mut mask = bar(k, 255);
        let soft = noise(k as u32, 576);
        mask.iter_mut()
            .zip(soft)
            .for_each(|(v, s)| *v = (*v).min(s));
        set.mask(k, &mask);
    }
    set.check(
        Severity::Warning,
        Check::MaskValues,
        "12 masks have several grey levels",
    );
}

#[test]
fn classes_that_are_nowhere_or_not_in_every_split() {
    let with_classes = |classes: fn(usize) -> [u8; 2]| {
        let set = Set::new();
        for k in 0..Set::COUNT {
            let mut mask = bar(k, classes(k)[0]);
            mask.iter_mut()
                .step_by(2)
                .filter(|v| **v > 0)
                .for_each(|v| *v = classes(k)[1]);
            set.mask(k, &mask);
        }
        set
    };
    let set = with_classes(|_| [1, 3]);
    set.check(
        Severity::Warning,
        Check::Classes,
        "class 2 occurs in no mask",
    );
    assert_eq!(set.report().mapping, "1 -> class 1, 3 -> class 3");
    let set = with_classes(|k| if k < 10 { [1, 1] } else { [1, 2] });
    set.check(
        Severity::Warning,
        Check::Classes,
        "class 2 occurs in test but not in train and val",
    );
    assert_eq!(with_classes(|_| [1, 2]).report().findings, []);
}

#[test]
fn the_image_in_place_of_the_mask() {
    let set = Set::new();
    set.mask(2, &noise(2, 576));
    let report = set.report();
    let errors: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].check, Check::ImageAsMask);
    assert!(errors[0].problem.contains("mask of c2"));
}

#[test]
fn one_mask_for_two_images() {
    let set = Set::new();
    set.mask(2, &bar(3, 255));
    set.check(
        Severity::Warning,
        Check::DuplicateMask,
        "c2 (train) and c3 (train)",
    );
    // The frames of one sequence may share theirs.
    set.table("image,mask,split,group", |k| {
        let group = if k == 3 { 2 } else { k };
        format!("images/c{k}.png,masks/c{k}.png,{},{group}", Set::split(k))
    });
    assert_eq!(set.report().findings, []);
}

/// A mask of palette indices with these colours.
fn indexed(set: &Set, k: usize, data: &[u8], palette: &[u8]) {
    let file = std::fs::File::create(set.0.at(&format!("masks/c{k}.png"))).expect("created");
    let mut encoder = Encoder::new(file, SIDE, SIDE);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(palette.to_vec());
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(data).expect("written");
}

#[test]
fn colours_of_palettes() {
    let with = |palette: &dyn Fn(usize) -> Vec<u8>| {
        let set = Set::new();
        for k in 0..Set::COUNT {
            indexed(&set, k, &bar(k, 1), &palette(k));
        }
        set
    };
    assert_eq!(with(&|_| vec![0, 0, 0, 255, 0, 0]).report().findings, []);
    with(&|_| vec![255, 255, 255, 0, 0, 0]).check(
        Severity::Warning,
        Check::Palette,
        "12 masks have a palette whose index 0",
    );
    with(&|k| {
        if k == 5 {
            vec![0, 0, 0, 0, 255, 0]
        } else {
            vec![0, 0, 0, 255, 0, 0]
        }
    })
    .check(
        Severity::Warning,
        Check::Palette,
        "index 1 has the colour [0, 255, 0] here and [255, 0, 0] in the mask of c0",
    );
    // An index without a colour: viewers show it in any.
    let report = with(&|_| vec![0, 0, 0]).report();
    assert_eq!(report.findings.len(), Set::COUNT);
    for finding in &report.findings {
        assert_eq!(
            (finding.severity, finding.check),
            (Severity::Error, Check::Readable)
        );
        assert!(finding.problem.contains("palette index 1"), "{finding:?}");
    }
}

#[test]
fn one_bit_among_eight() {
    let set = Set::new();
    let bits: Vec<u8> = bar(2, 1)
        .chunks(8)
        .map(|c| c.iter().fold(0, |byte, bit| byte << 1 | bit))
        .collect();
    set.png("masks/c2.png", ColorType::Grayscale, BitDepth::One, &bits);
    set.check(
        Severity::Warning,
        Check::BitDepth,
        "1 bit (1 file), 8 bits (11 files)",
    );
}

#[test]
fn a_mask_drawn_in_its_transparency() {
    let set = Set::new();
    let drawn: Vec<u8> = bar(2, 255)
        .into_iter()
        .flat_map(|v| [v, v.max(9)])
        .collect();
    set.png(
        "masks/c2.png",
        ColorType::GrayscaleAlpha,
        BitDepth::Eight,
        &drawn,
    );
    set.check(Severity::Warning, Check::Alpha, "1 mask has transparent");
    let opaque: Vec<u8> = bar(2, 255).into_iter().flat_map(|v| [v, 255]).collect();
    set.png(
        "masks/c2.png",
        ColorType::GrayscaleAlpha,
        BitDepth::Eight,
        &opaque,
    );
    assert_eq!(set.report().findings, []);
}

#[test]
fn a_stored_copy_with_loss() {
    let set = Set::new();
    let grey = image::GrayImage::from_raw(SIDE, SIDE, bar(2, 255)).expect("24 x 24");
    let mut bytes = std::io::Cursor::new(Vec::new());
    grey.write_to(&mut bytes, image::ImageFormat::Jpeg)
        .expect("encoded");
    std::fs::write(set.0.at("masks/c2.png"), bytes.into_inner()).expect("written");
    set.check(
        Severity::Warning,
        Check::MaskValues,
        "1 mask is stored as JPEG",
    );
}
