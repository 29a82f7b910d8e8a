//! Pictures and labels to PNG files.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use png::{BitDepth, ColorType, Compression, Encoder};

use crate::error::DataError;
use crate::pixels::{ImageRgb, LabelMap};

/// Writes a picture as 8-bit RGB PNG.
///
/// # Errors
/// [`DataError::Io`], or [`DataError::Length`] for an inconsistent picture.
pub fn write_image(path: &Path, image: &ImageRgb) -> Result<(), DataError> {
    image.check()?;
    write(
        path,
        [image.width, image.height],
        ColorType::Rgb,
        &image.data,
    )
}

/// Writes labels as 8-bit grey PNG: 0 and 255 for one foreground class (pixels without truth become
/// background), class ids for several (pixels without truth stay 255).
///
/// # Errors
/// [`DataError::Io`], or [`DataError::Length`] for an inconsistent label map.
pub fn write_mask(path: &Path, labels: &LabelMap, n_classes: usize) -> Result<(), DataError> {
    labels.check()?;
    let size = [labels.width, labels.height];
    if n_classes > 1 {
        return write(path, size, ColorType::Grayscale, &labels.classes);
    }
    let grey: Vec<u8> = labels
        .classes
        .iter()
        .map(|&c| if c == 1 { 255 } else { 0 })
        .collect();
    write(path, size, ColorType::Grayscale, &grey)
}

fn write(path: &Path, size: [usize; 2], colour: ColorType, data: &[u8]) -> Result<(), DataError> {
    let failed = |source| DataError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    };
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    let mut encoder = Encoder::new(&mut file, size[0] as u32, size[1] as u32);
    encoder.set_color(colour);
    encoder.set_depth(BitDepth::Eight);
    // Its own deflate. The others are flate2's, whose bytes depend on what else is in a build, and hashes of data sets
    // with them.
    encoder.set_compression(Compression::Fast);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(data)?;
        writer.finish()
    });
    written.map_err(|error| failed(std::io::Error::other(error)))?;
    file.flush().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::{write_image, write_mask};
    use crate::decode_image::read_image;
    use crate::decode_mask::read_mask;
    use crate::mask_policy::MaskPolicy;
    use crate::pixels::{ImageRgb, LabelMap};

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let image = ImageRgb::new(3, 2, (0..18).map(|v| v * 14).collect()).expect("valid");
        let path = dir.path().join("a.png");
        write_image(&path, &image).expect("written");
        assert_eq!(read_image(&path).expect("readable"), image);
        let labels = LabelMap::new(4, 1, vec![0, 1, 2, 255]).expect("valid");
        write_mask(&path, &labels, 2).expect("written");
        assert_eq!(
            read_mask(&path, &MaskPolicy::Auto)
                .expect("readable")
                .values,
            [0, 1, 2, 255]
        );
        write_mask(&path, &labels, 1).expect("written");
        assert_eq!(
            read_mask(&path, &MaskPolicy::Auto)
                .expect("readable")
                .values,
            [0, 255, 0, 0]
        );
        assert!(write_mask(&dir.path().join("no/such/folder.png"), &labels, 1).is_err());
    }

    /// flate2 would give others where zlib-rs is part of a build and where it is not; this crate alone has one of
    /// them and the workspace the other.
    #[test]
    fn the_bytes_are_the_same_in_every_build() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a.png");
        let round =
            |i: usize| u8::from((i % 64).abs_diff(32).pow(2) + (i / 64).abs_diff(32).pow(2) < 400);
        let labels = LabelMap::new(64, 64, (0..4096).map(round).collect()).expect("valid");
        write_mask(&path, &labels, 1).expect("written");
        let bytes = std::fs::read(&path).expect("readable");
        let expected = "c2c81298aa03a758752edb9a228c1cc17df905de0b02e4584a3d56046cfd7f9a";
        assert_eq!(blake3::hash(&bytes).to_hex().as_str(), expected);
    }
}
