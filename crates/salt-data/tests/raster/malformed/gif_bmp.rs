//! GIF and BMP files that are refused.

use super::{check, cut, position, with};
use crate::raster::fixture_bytes;

#[test]
fn broken_gif() {
    let file = fixture_bytes("palette.gif");
    check("a GIF cut in its header", &file[..9], "truncated", "GIF");
    check("a GIF cut in its palette", &file[..20], "truncated", "GIF");
    let data = file.len() - 20;
    check("a GIF cut in its data", &file[..data], "truncated", "GIF");
    let end = file.len() - 1;
    check("a GIF without its end", &file[..end], "truncated", "GIF");
    let animated = fixture_bytes("refused_animated.gif");
    check("an animated GIF", &animated, "several frames", "animation");
    let canvas = with("palette.gif", 6, &[14, 0]);
    check(
        "a frame smaller than its canvas",
        &canvas,
        "unsupported",
        "canvas",
    );
    let canvas = with("palette.gif", 6, &[0, 0]);
    check("a canvas of width 0", &canvas, "corrupt", "0 x 9");
    let canvas = with("palette.gif", 6, &[0xff; 4]);
    check("a canvas of 65535 x 65535", &canvas, "too large", "65535");
    let frame = position(&file, b"\x2c\0\0\0\0");
    let large = with("palette.gif", frame + 5, &[0xff; 4]);
    check("a frame larger than its canvas", &large, "corrupt", "GIF");
    // The canvas grows with the frame, and its data do not.
    let mut tall = with("palette.gif", frame + 7, &[90, 0]);
    tall[8] = 90;
    check("a GIF with too few rows", &tall, "corrupt", "GIF");
    let code = with("palette.gif", frame + 10, &[13]);
    check("a GIF of 13-bit codes", &code, "corrupt", "GIF");
}

#[test]
fn broken_bmp() {
    let length = fixture_bytes("grey.bmp").len();
    check("a BMP of two bytes", b"BM", "truncated", "BMP");
    check(
        "a BMP cut in its palette",
        &cut("grey.bmp", 200),
        "truncated",
        "BMP",
    );
    check(
        "a BMP cut in its pixels",
        &cut("grey.bmp", length - 1),
        "truncated",
        "BMP",
    );
    let length = fixture_bytes("rgb.bmp").len();
    check(
        "a colour BMP cut",
        &cut("rgb.bmp", length - 30),
        "truncated",
        "BMP",
    );
    check(
        "runs",
        &fixture_bytes("refused_rle.bmp"),
        "unsupported",
        "run-length",
    );
    let field = |at, value: i32| with("grey.bmp", at, &value.to_le_bytes());
    check("a BMP of width 0", &field(18, 0), "corrupt", "0 x 9");
    check(
        "a BMP of negative width",
        &field(18, -13),
        "corrupt",
        "negative",
    );
    check(
        "a BMP of terapixels",
        &field(18, i32::MAX),
        "too large",
        "2147483647",
    );
    check(
        "the least height there is",
        &field(22, i32::MIN),
        "too large",
        "2147483648",
    );
    check(
        "a BMP with too few rows",
        &field(22, 900),
        "truncated",
        "BMP",
    );
    check(
        "pixels beyond the end",
        &field(10, i32::MAX),
        "truncated",
        "BMP",
    );
    check(
        "pixels before the start",
        &field(10, -1),
        "truncated",
        "BMP",
    );
    check(
        "a BMP header of 9 bytes",
        &field(14, 9),
        "corrupt",
        "9 bytes",
    );
    check(
        "a BMP of 7 bits",
        &with("grey.bmp", 28, &[7]),
        "unsupported",
        "7 bits",
    );
    check(
        "a JPEG inside of a BMP",
        &field(30, 4),
        "unsupported",
        "compression 4",
    );
}
