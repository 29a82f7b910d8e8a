//! Copies of a picture in another split, changed so that no byte is the same.

use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, RgbImage};
use salt_data::synth::vessels;
use salt_data::verify::{Check, Finding, verify};

use crate::fixture::{Folder, shared};

/// A picture of generated vessels.
fn vessels(index: u64) -> DynamicImage {
    let image = vessels::draw(200, 7, index).image;
    let picture = RgbImage::from_raw(image.width as u32, image.height as u32, image.data);
    picture.expect("a whole picture").into()
}

/// Every way in which a copy is made.
fn copies(picture: &DynamicImage) -> Vec<(&'static str, DynamicImage)> {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 50);
    picture
        .to_rgb8()
        .write_with_encoder(encoder)
        .expect("encoded");
    let jpeg = image::load_from_memory_with_format(jpeg.get_ref(), ImageFormat::Jpeg);
    let (width, height) = (picture.width(), picture.height());
    vec![
        ("stored as JPEG", jpeg.expect("decodes")),
        (
            "half the size",
            picture.resize_exact(width / 2, height / 2, FilterType::CatmullRom),
        ),
        (
            "larger",
            picture.resize_exact(width * 4 / 3, height * 4 / 3, FilterType::Triangle),
        ),
        (
            "squeezed",
            picture.resize_exact(128, 160, FilterType::Triangle),
        ),
        ("brighter", picture.brighten(15)),
        ("more contrast", picture.adjust_contrast(15.0)),
        ("mirrored", picture.fliph()),
        ("upside down", picture.flipv()),
        ("turned left", picture.rotate270()),
        ("turned by half", picture.rotate180()),
        ("grey", picture.grayscale()),
    ]
}

/// What is said about `first` for training and `second` for the test.
fn near(first: &DynamicImage, second: &DynamicImage) -> Vec<Finding> {
    let folder = Folder::empty();
    let mut table = "image,mask,split\n".to_owned();
    for (name, picture, split) in [("a", first, "train"), ("b", second, "test")] {
        picture
            .save(folder.at(&format!("images/{name}.png")))
            .expect("written");
        let (width, height) = (picture.width(), picture.height());
        folder.mask(&format!("masks/{name}.png"), width, height, 255);
        table += &format!("images/{name}.png,masks/{name}.png,{split}\n");
    }
    folder.text("pairs.csv", &table);
    let mut findings = verify(folder.path()).findings;
    findings.retain(|finding| finding.check == Check::NearDuplicate);
    findings
}

fn check_copies(picture: &DynamicImage) {
    for (how, copy) in copies(picture) {
        if copy.to_rgb8() == picture.to_rgb8() {
            // The grey copy of a grey picture is the picture.
            continue;
        }
        let found = near(picture, &copy);
        assert_eq!(found.len(), 1, "{how}");
        assert!(
            found[0]
                .problem
                .contains("b (test) looks like a copy of a (train)")
        );
    }
}

#[test]
fn copies_of_generated_vessels_are_found_and_others_are_not() {
    let pictures: Vec<_> = (0..6).map(vessels).collect();
    check_copies(&pictures[0]);
    for (i, first) in pictures.iter().enumerate() {
        for second in &pictures[i + 1..] {
            assert_eq!(near(first, second), []);
        }
    }
}

#[test]
fn copies_of_real_images_are_found() {
    for (set, name) in [("CHASE_DB1", "Image_05L.jpg"), ("ROSSA", "201.png")] {
        let Some(path) = shared(set) else { continue };
        let picture = image::open(path.join("images").join(name)).expect("readable");
        check_copies(&picture);
    }
}
