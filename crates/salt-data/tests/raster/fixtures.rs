//! Fixtures that Pillow, tifffile and OpenCV wrote, against what they (or the formulas that made
//! them) say is inside.

use std::collections::BTreeMap;

use salt_data::{Format, Layout, decode_raster, read_image, read_raster};

use super::{fixture, fixture_bytes};

#[derive(serde::Deserialize)]
struct Expected {
    width: usize,
    height: usize,
    rgb: [usize; 2],
    values: Option<[usize; 2]>,
    tolerance: u8,
}

#[test]
fn every_fixture_is_decoded_as_it_was_written() {
    let json = fixture_bytes("expected.json");
    let all: BTreeMap<String, Expected> = serde_json::from_slice(&json).expect("valid");
    assert!(all.len() > 60, "only {} fixtures", all.len());
    let blob = fixture_bytes("expected.bin");
    for (name, expected) in all {
        let raster = read_raster(&fixture(&name)).unwrap_or_else(|error| panic!("{error}"));
        let size = (raster.width, raster.height);
        assert_eq!(size, (expected.width, expected.height), "{name}");
        let [start, length] = expected.rgb;
        let (rgb, wanted) = (raster.to_rgb8(), &blob[start..start + length]);
        assert_eq!(rgb.len(), wanted.len(), "{name}");
        let worst = rgb.iter().zip(wanted).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(expected.tolerance), "{name}: {worst:?}");
        if let Some([start, length]) = expected.values {
            let values: Vec<u16> = blob[start..start + length]
                .chunks_exact(2)
                .map(|b| u16::from_le_bytes([b[0], b[1]]))
                .collect();
            let flat = raster.samples.to_u16();
            let first = flat.chunks_exact(raster.layout.channels()).map(|p| p[0]);
            assert_eq!(first.collect::<Vec<_>>(), values, "{name}");
        }
        let image = read_image(&fixture(&name)).expect("read before");
        assert_eq!(image.data, rgb, "{name}");
    }
}

#[test]
fn layouts_depths_and_formats_are_told() {
    let check = |name: &str, format, depth, channels, max_value| {
        let raster = read_raster(&fixture(name)).expect("readable");
        let told = (raster.format, raster.depth, raster.layout.channels());
        assert_eq!(told, (format, depth, channels), "{name}");
        assert_eq!(raster.max_value, max_value, "{name}");
        assert_eq!(raster.is_lossy(), name.ends_with("jpg"), "{name}");
    };
    check("palette1.png", Format::Png, 1, 1, 1);
    check("rgba8.png", Format::Png, 8, 4, 255);
    check("grey16.png", Format::Png, 16, 1, 65535);
    check("rgb444.jpg", Format::Jpeg, 8, 3, 255);
    check("grey.jpg", Format::Jpeg, 8, 1, 255);
    check("palette4.tif", Format::Tiff, 4, 1, 15);
    check("grey_alpha.tif", Format::Tiff, 8, 2, 255);
    check("rgb_extra.tif", Format::Tiff, 8, 3, 255);
    check("max4095.pgm", Format::Pnm, 16, 1, 4095);
    check("max3.pgm", Format::Pnm, 8, 1, 3);
    check("text.pbm", Format::Pnm, 1, 1, 1);
    check("binary.ppm.gz", Format::PnmGz, 8, 3, 255);
}

#[test]
fn palettes_stay_palettes_unless_they_are_the_formats_way_to_say_grey() {
    let check = |name: &str, is_palette: bool| {
        let raster = read_raster(&fixture(name)).expect("readable");
        let kept = matches!(raster.layout, Layout::Indices(_));
        assert_eq!(kept, is_palette, "{name}");
    };
    check("palette8.png", true);
    check("palette_lzw.tif", true);
    check("two_greys.gif", true);
    check("palette.bmp", true);
    check("core4.bmp", true);
    check("grey.gif", false);
    check("grey.bmp", false);
    check("bits.bmp", false);
}

#[test]
fn an_orientation_is_told_and_not_applied() {
    let turned = read_raster(&fixture("turned.jpg")).expect("readable");
    assert_eq!(turned.orientation, 6);
    assert_eq!((turned.width, turned.height), (20, 24));
    assert_eq!(
        read_raster(&fixture("rgb444.jpg"))
            .expect("readable")
            .orientation,
        1
    );
}

#[test]
fn what_follows_the_picture_does_not_matter() {
    for name in [
        "grey8.png",
        "rgb444.jpg",
        "palette.gif",
        "grey.bmp",
        "binary.ppm",
        "text.ppm",
    ] {
        let mut bytes = fixture_bytes(name);
        let whole = decode_raster(&bytes, &fixture(name)).expect("readable");
        bytes.extend_from_slice(b"\n and some more");
        let longer = decode_raster(&bytes, &fixture(name)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(whole, longer, "{name}");
    }
}
