//! TIFF files that are refused.

use super::{check, cut};
use crate::raster::fixture_bytes;

/// Overwrites the value of a tag in a little-endian classic TIFF of `generate.py`.
fn tiff_tag(name: &str, tag: u16, value: u32) -> Vec<u8> {
    let mut file = fixture_bytes(name);
    let number = |file: &[u8], at: usize, n: usize| {
        (0..n).fold(0, |sum, k| sum | usize::from(file[at + k]) << (8 * k))
    };
    let directory = number(&file, 4, 4);
    let count = number(&file, directory, 2);
    let entry = (0..count)
        .map(|i| directory + 2 + 12 * i)
        .find(|&at| number(&file, at, 2) == usize::from(tag))
        .expect("the tag is there");
    // As a LONG, so that any value fits.
    file[entry + 2] = 4;
    file[entry + 8..entry + 12].copy_from_slice(&value.to_le_bytes());
    file
}

#[test]
fn broken_tiff() {
    let length = fixture_bytes("lzw.tif").len();
    check(
        "a TIFF of its header",
        &cut("lzw.tif", 8),
        "truncated",
        "TIFF",
    );
    check(
        "a TIFF cut in its data",
        &cut("lzw.tif", length - 40),
        "truncated",
        "TIFF",
    );
    check(
        "a TIFF cut in its directory",
        &cut("lzw.tif", 60),
        "truncated",
        "TIFF",
    );
    check(
        "pages",
        &fixture_bytes("refused_pages.tif"),
        "several frames",
        "pages",
    );
    check(
        "CMYK",
        &fixture_bytes("refused_cmyk.tif"),
        "colour model",
        "CMYK",
    );
    check(
        "floats",
        &fixture_bytes("refused_float.tif"),
        "unsupported",
        "floating",
    );
    check(
        "signs",
        &fixture_bytes("refused_signed.tif"),
        "unsupported",
        "sign",
    );
    check(
        "32 bits",
        &fixture_bytes("refused_32bit.tif"),
        "unsupported",
        "32 bits",
    );
    check(
        "JPEG in TIFF",
        &fixture_bytes("refused_jpeg.tif"),
        "unsupported",
        "JPEG",
    );
    check(
        "fax",
        &fixture_bytes("refused_fax.tif"),
        "unsupported",
        "fax",
    );
    let order = fixture_bytes("refused_fill_order.tif");
    check("bits in reverse order", &order, "unsupported", "FillOrder");
    let tag = |tag, value| tiff_tag("grey8.tif", tag, value);
    check("a TIFF of width 0", &tag(256, 0), "corrupt", "0 x 35");
    check(
        "a TIFF of terapixels",
        &tag(256, u32::MAX),
        "too large",
        "4294967295",
    );
    check(
        "a TIFF that lies about its width",
        &tag(256, 180),
        "truncated",
        "TIFF",
    );
    check(
        "a strip beyond the end",
        &tag(273, 1 << 20),
        "truncated",
        "TIFF",
    );
    check(
        "a strip longer than the file",
        &tag(279, u32::MAX),
        "truncated",
        "TIFF",
    );
    check("strips of no rows", &tag(278, 0), "corrupt", "TIFF");
    check(
        "more strips than are listed",
        &tag(278, 1),
        "corrupt",
        "TIFF",
    );
    check(
        "a TIFF of 9 channels",
        &tag(277, 9),
        "unsupported",
        "9 channels",
    );
    check(
        "a TIFF of 65535 channels",
        &tag(277, 65535),
        "unsupported",
        "channels",
    );
    check(
        "an unknown photometric",
        &tag(262, 32803),
        "unsupported",
        "meaning",
    );
    check(
        "an unknown compression",
        &tag(259, 34712),
        "unsupported",
        "compression",
    );
    check("a TIFF of 5 bits", &tag(258, 5), "unsupported", "5 bits");
    let planes = fixture_bytes("refused_planar_tiled.tif");
    check(
        "tiles of planes",
        &planes,
        "unsupported",
        "tiles of separate",
    );
    let tile = tiff_tag("tiled.tif", 322, 1 << 30);
    check("a tile of terapixels", &tile, "too large", "1073741824");
    let tile = tiff_tag("tiled.tif", 323, 0);
    check("a tile of no rows", &tile, "corrupt", "16 x 0");
    let map = tiff_tag("palette4.tif", 258, 2);
    check(
        "a colour map of another length",
        &map,
        "corrupt",
        "colour map",
    );
    let loops = [&b"II*\0\x08\0\0\0"[..], &[0, 0, 8, 0, 0, 0]].concat();
    check(
        "a directory that follows itself",
        &loops,
        "corrupt",
        "no width",
    );
}
