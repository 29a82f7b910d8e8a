//! PNG and JPEG files that are refused.

use super::{check, cut, position, with};
use crate::raster::fixture_bytes;

/// A PNG with a header of the caller's, its checksum put right.
fn png_header(name: &str, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = with(name, at, bytes);
    let checksum = crc32(&file[12..29]).to_be_bytes();
    file[29..33].copy_from_slice(&checksum);
    file
}

/// CRC-32 as in PNG annex D, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| match c & 1 {
            1 => c >> 1 ^ 0xedb8_8320,
            _ => c >> 1,
        })
    })
}

#[test]
fn broken_png() {
    let file = fixture_bytes("grey8.png");
    check("a PNG cut in its header", &file[..20], "truncated", "PNG");
    check("a PNG cut in its data", &file[..60], "truncated", "PNG");
    let end = file.len() - 12;
    check("a PNG without its end", &file[..end], "truncated", "PNG");
    let interlaced = cut("interlaced8.png", 80);
    check("an interlaced PNG cut", &interlaced, "truncated", "PNG");
    let crc = with("grey8.png", 30, &[1, 2]);
    check("a wrong checksum of the header", &crc, "corrupt", "CRC");
    let data = position(&file, b"IDAT") + 10;
    let flipped = with("grey8.png", data, &[file[data] ^ 16]);
    check("a flipped bit in the data", &flipped, "corrupt", "PNG");
    let zero = png_header("grey8.png", 16, &[0; 4]);
    check("a PNG of width 0", &zero, "corrupt", "PNG");
    let huge = png_header("grey8.png", 16, &[0, 15, 66, 64, 0, 15, 66, 64]);
    check(
        "a PNG that asks for terabytes",
        &huge,
        "too large",
        "1000000",
    );
    let short = png_header("grey8.png", 20, &[0, 0, 0, 70]);
    check("a PNG with too few rows", &short, "corrupt", "PNG");
    let depth = png_header("grey8.png", 24, &[3]);
    check("a PNG of 3 bits", &depth, "corrupt", "PNG");
    // Palette entries are dropped, so that the indices have no colour.
    let mut palette = fixture_bytes("palette2.png");
    let at = position(&palette, b"PLTE");
    palette.splice(at - 4..at + 4 + 12 + 4, {
        let mut chunk = b"PLTE\x07\x08\x09".to_vec();
        let checksum = crc32(&chunk);
        chunk.splice(0..0, [0, 0, 0, 3]);
        chunk.extend(checksum.to_be_bytes());
        chunk
    });
    check(
        "a palette index without colour",
        &palette,
        "corrupt",
        "palette index 3",
    );
    let animated = fixture_bytes("refused_animated.png");
    check("an animated PNG", &animated, "several frames", "animation");
}

#[test]
fn broken_jpeg() {
    let file = fixture_bytes("rgb444.jpg");
    let frame = position(&file, &[0xff, 0xc0]);
    check("a JPEG cut in its tables", &file[..30], "truncated", "JPEG");
    let scan = position(&file, &[0xff, 0xda]) + 60;
    check("a JPEG cut in its scan", &file[..scan], "truncated", "JPEG");
    let end = file.len() - 2;
    check(
        "a JPEG without its end marker",
        &file[..end],
        "truncated",
        "JPEG",
    );
    let progressive = fixture_bytes("progressive.jpg");
    let half = &progressive[..progressive.len() / 2];
    check("a progressive JPEG cut", half, "truncated", "JPEG");
    let cmyk = fixture_bytes("refused_cmyk.jpg");
    check("a CMYK JPEG", &cmyk, "colour model", "CMYK");
    let twelve = with("rgb444.jpg", frame + 4, &[12]);
    check("a JPEG of 12 bits", &twelve, "unsupported", "12 bits");
    let lossless = with("rgb444.jpg", frame + 1, &[0xc3]);
    check("a lossless JPEG", &lossless, "unsupported", "lossless");
    let arithmetic = with("rgb444.jpg", frame + 1, &[0xc9]);
    check(
        "arithmetic coding",
        &arithmetic,
        "unsupported",
        "arithmetic",
    );
    let zero = with("rgb444.jpg", frame + 7, &[0, 0]);
    check("a JPEG of width 0", &zero, "corrupt", "0 x 24");
    let late = with("rgb444.jpg", frame + 5, &[0, 0]);
    check(
        "a JPEG with its height at the end",
        &late,
        "unsupported",
        "height",
    );
    let huge = with("rgb444.jpg", frame + 5, &[0xff; 4]);
    check("a JPEG of 65535 x 65535", &huge, "too large", "65535");
    let tall = with("rgb444.jpg", frame + 5, &[0xff, 0xff]);
    check(
        "a JPEG with too few rows",
        &tall,
        "corrupt",
        "data can hold",
    );
    let two = with("rgb444.jpg", frame + 9, &[2]);
    check(
        "a JPEG of two components",
        &two,
        "unsupported",
        "2 components",
    );
    let segment = with("rgb444.jpg", 4, &[0, 1]);
    check(
        "a segment shorter than its length",
        &segment,
        "corrupt",
        "segment",
    );
    check(
        "a JPEG that is all end",
        b"\xff\xd8\xff\xd9",
        "corrupt",
        "frame",
    );
}
