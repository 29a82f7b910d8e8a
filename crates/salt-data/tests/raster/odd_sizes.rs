//! Pictures of unusual proportions, as they come from scanners and stitched sections.

use image::{ExtendedColorType, ImageEncoder};
use salt_data::{Dataset, decode_raster};

use crate::fixture::Folder;

/// Encodes a formula and decodes it in each format that can be written here.
fn check(width: usize, height: usize) {
    let grey: Vec<u8> = (0..width * height)
        .map(|i| (i % width * 7 + i / width * 13) as u8)
        .collect();
    let path = std::path::Path::new("odd");
    let (w, h) = (width as u32, height as u32);
    let mut png = Vec::new();
    image::codecs::png::PngEncoder::new(&mut png)
        .write_image(&grey, w, h, ExtendedColorType::L8)
        .expect("encoded");
    let mut bmp = Vec::new();
    image::codecs::bmp::BmpEncoder::new(&mut bmp)
        .write_image(&grey, w, h, ExtendedColorType::L8)
        .expect("encoded");
    let mut tiff = std::io::Cursor::new(Vec::new());
    tiff::encoder::TiffEncoder::new(&mut tiff)
        .and_then(|mut encoder| encoder.write_image::<tiff::encoder::colortype::Gray8>(w, h, &grey))
        .expect("encoded");
    let mut pgm = format!("P5 {width} {height} 255\n").into_bytes();
    pgm.extend_from_slice(&grey);
    let mut gif = Vec::new();
    let palette: Vec<u8> = (0..=255).flat_map(|v| [v; 3]).collect();
    gif::Encoder::new(&mut gif, w as u16, h as u16, &palette)
        .and_then(|mut encoder| {
            let frame = gif::Frame::from_indexed_pixels(w as u16, h as u16, grey.clone(), None);
            encoder.write_frame(&frame)
        })
        .expect("encoded");
    for bytes in [png, bmp, tiff.into_inner(), pgm, gif] {
        let raster = decode_raster(&bytes, path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((raster.width, raster.height), (width, height));
        let same = raster.samples == salt_data::Samples::U8(grey.clone());
        assert!(same, "{:?} of {width} x {height}", raster.format);
    }
}

#[test]
fn one_pixel() {
    check(1, 1);
}

#[test]
fn one_column() {
    check(1, 2000);
}

#[test]
fn a_strip() {
    check(3000, 17);
}

#[test]
fn sixteen_million_pixels() {
    check(4096, 4096);
}

#[test]
fn a_set_of_odd_sizes_opens_and_loads() {
    let folder = Folder::empty();
    let mut table = String::from("imgs,split\n");
    for (k, (width, height)) in [(1, 1), (1, 2000), (3000, 17)].into_iter().enumerate() {
        folder.image(&format!("images/{k}.png"), width, height, k as u8);
        folder.mask(&format!("masks/{k}.png"), width, height, 255);
        table += &format!("{k},train\n");
    }
    folder.text("data_split.csv", &table);
    let set = Dataset::open(folder.path()).expect("opens");
    let cases = set.load_split(salt_data::Split::Train).expect("loads");
    let areas: Vec<usize> = cases.iter().map(|c| c.labels.classes.len()).collect();
    assert_eq!(areas, [1, 2000, 51000]);
}
