//! Tiny pictures and masks in the encodings that publishers use.

use std::io::{Cursor, Write as _};

use image::{ImageFormat, RgbImage};

pub(super) const WIDTH: u32 = 12;
pub(super) const HEIGHT: u32 = 10;

/// A picture that no other number has: noise.
fn pixels(number: u32) -> RgbImage {
    let mut state = 0x9e37_79b9_u32.wrapping_mul(number + 1) | 1;
    RgbImage::from_fn(WIDTH, HEIGHT, |_, _| {
        // xorshift32
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        image::Rgb([state as u8, (state >> 8) as u8, (state >> 16) as u8])
    })
}

fn encoded(number: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    pixels(number)
        .write_to(&mut bytes, format)
        .expect("encoded");
    bytes.into_inner()
}

pub(super) fn png(number: u32) -> Vec<u8> {
    encoded(number, ImageFormat::Png)
}

pub(super) fn jpeg(number: u32) -> Vec<u8> {
    encoded(number, ImageFormat::Jpeg)
}

/// RGB with LZW, as DRIVE's.
pub(super) fn tiff_lzw(number: u32) -> Vec<u8> {
    use tiff::encoder::{Compression, TiffEncoder, colortype::RGB8};
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes)
        .expect("a header")
        .with_compression(Compression::Lzw);
    encoder
        .write_image::<RGB8>(WIDTH, HEIGHT, &pixels(number))
        .expect("written");
    bytes.into_inner()
}

/// Binary PPM inside of gzip, as STARE's.
pub(super) fn ppm_gz(number: u32) -> Vec<u8> {
    let mut bytes = format!("P6\n{WIDTH} {HEIGHT}\n255\n").into_bytes();
    bytes.extend_from_slice(&pixels(number));
    gz(&bytes)
}

/// Binary PGM, as DCA1's.
pub(super) fn pgm(number: u32) -> Vec<u8> {
    let mut bytes = format!("P5\n{WIDTH} {HEIGHT}\n255\n").into_bytes();
    bytes.extend(pixels(number).pixels().map(|pixel| pixel.0[1]));
    bytes
}

/// The first row is foreground of this value, the rest is zero.
fn first_row(value: u8) -> Vec<u8> {
    let pixels = 0..WIDTH * HEIGHT;
    pixels.map(|i| if i < WIDTH { value } else { 0 }).collect()
}

/// Number of foreground pixels of the masks here.
pub(super) const FOREGROUND: usize = WIDTH as usize;

pub(super) fn mask_png(value: u8) -> Vec<u8> {
    png_of(
        png::ColorType::Grayscale,
        png::BitDepth::Eight,
        &first_row(value),
    )
}

/// Any values, row by row.
pub(super) fn mask_png_of(values: &[u8]) -> Vec<u8> {
    png_of(png::ColorType::Grayscale, png::BitDepth::Eight, values)
}

/// One bit a pixel, as CHASE_DB1's.
pub(super) fn mask_png_1_bit() -> Vec<u8> {
    let bytes_a_row = WIDTH.div_ceil(8) as usize;
    let mut rows = vec![0; bytes_a_row * HEIGHT as usize];
    // Twelve ones and four bits that pad the row.
    rows[..2].copy_from_slice(&[0xff, 0xf0]);
    png_of(png::ColorType::Grayscale, png::BitDepth::One, &rows)
}

/// Three channels with grey edges, as FIVES's.
pub(super) fn mask_png_rgb() -> Vec<u8> {
    let mut grey = first_row(255);
    grey[WIDTH as usize] = 60;
    let rgb: Vec<u8> = grey.into_iter().flat_map(|v| [v; 3]).collect();
    png_of(png::ColorType::Rgb, png::BitDepth::Eight, &rgb)
}

fn png_of(colour: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(data).expect("written");
    writer.finish().expect("finished");
    bytes
}

/// The lower half is foreground, so that compression disturbs no pixel's side of 128; as Kvasir-SEG's.
pub(super) fn mask_jpeg() -> Vec<u8> {
    let picture =
        image::GrayImage::from_fn(16, 16, |_, y| image::Luma([if y < 8 { 0 } else { 255 }]));
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Jpeg)
        .expect("encoded");
    bytes.into_inner()
}

/// A picture of the size of [`mask_jpeg`].
pub(super) fn jpeg_16(number: u32) -> Vec<u8> {
    let picture = image::imageops::resize(
        &pixels(number),
        16,
        16,
        image::imageops::FilterType::Nearest,
    );
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, ImageFormat::Jpeg)
        .expect("encoded");
    bytes.into_inner()
}

/// Palette indices 0 and 1 whose greys are 3 and 253, as DRIVE's second observer.
pub(super) fn mask_gif_palette() -> Vec<u8> {
    gif_of(&[3, 3, 3, 253, 253, 253], first_row(1))
}

/// Palette indices 0 and 255, as DRIVE's first observer.
pub(super) fn mask_gif() -> Vec<u8> {
    let greys: Vec<u8> = (0..=255_u8).flat_map(|v| [v; 3]).collect();
    gif_of(&greys, first_row(255))
}

fn gif_of(palette: &[u8], indices: Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder =
        gif::Encoder::new(&mut bytes, WIDTH as u16, HEIGHT as u16, palette).expect("a header");
    let frame = gif::Frame::from_indexed_pixels(WIDTH as u16, HEIGHT as u16, indices, None);
    encoder.write_frame(&frame).expect("written");
    drop(encoder);
    bytes
}

/// Grey TIFF, as HRF's.
pub(super) fn mask_tiff() -> Vec<u8> {
    use tiff::encoder::{TiffEncoder, colortype::Gray8};
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes).expect("a header");
    encoder
        .write_image::<Gray8>(WIDTH, HEIGHT, &first_row(255))
        .expect("written");
    bytes.into_inner()
}

pub(super) fn mask_ppm_gz() -> Vec<u8> {
    let mut bytes = format!("P5\n{WIDTH} {HEIGHT}\n255\n").into_bytes();
    bytes.extend(first_row(255));
    gz(&bytes)
}

pub(super) fn mask_pgm() -> Vec<u8> {
    let mut bytes = format!("P5\n{WIDTH} {HEIGHT}\n255\n").into_bytes();
    bytes.extend(first_row(255));
    bytes
}

pub(super) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("finished")
}
