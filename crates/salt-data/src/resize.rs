//! Changing sizes: images are interpolated, label maps are never.
//!
//! Images use a triangle filter whose support grows with the reduction, which is Pillow's `BILINEAR`
//! and torchvision's antialiased bilinear. Labels take the nearest pixel centre.
//!
//! The weights have fewer bits than Pillow's, for speed, so that values next to a half round the other
//! way: none differs by more than one grey level, of a picture with texture 0 to 22 % from Pillow's and
//! 0 to 17 % from torchvision's, which between themselves differ in 0 to 16 %
//! (tests/transforms/oracles.rs). What has to be bit for bit what the original SAM sees is resized by
//! salt-sam, which follows Pillow exactly; batches are what recorded runs were trained on and stay as
//! they are.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{F32, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::error::DataError;
use crate::pixels::{ImageRgb, LabelMap};

/// `[width, height]` after scaling the longest side to `target`, the other rounded half up.
///
/// Source: `segment_anything/utils/transforms.py`, `ResizeLongestSide.get_preprocess_shape`.
pub fn fit_longest_side(width: usize, height: usize, target: usize) -> [usize; 2] {
    let scale = target as f64 / width.max(height).max(1) as f64;
    [width, height].map(|side| ((side as f64 * scale + 0.5) as usize).max(1))
}

fn refused(error: impl std::fmt::Display) -> DataError {
    DataError::Setting {
        name: "the size of a resized image",
        expected: "at least 1 x 1 and within memory",
        received: error.to_string(),
    }
}

fn filter() -> ResizeOptions {
    ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .use_alpha(false)
}

/// Resizes a picture, antialiased.
///
/// # Errors
/// [`DataError::Length`] for an inconsistent picture, [`DataError::Setting`] for an empty target.
pub fn resize_image(image: &ImageRgb, width: usize, height: usize) -> Result<ImageRgb, DataError> {
    image.check()?;
    if [width, height] == [image.width, image.height] {
        return Ok(image.clone());
    }
    if width == 0 || height == 0 {
        return Err(refused(format!("{width} x {height}")));
    }
    let [from_width, from_height] = [image.width, image.height].map(|side| side as u32);
    let source = TypedImageRef::<U8x3>::from_buffer(from_width, from_height, &image.data);
    let mut data = vec![0; 3 * width * height];
    let target = TypedImage::from_buffer(width as u32, height as u32, &mut data);
    resample(&source.map_err(refused)?, &mut target.map_err(refused)?)?;
    ImageRgb::new(width, height, data)
}

/// Resizes one plane of `f32`, antialiased; enlarging is plain bilinear without aligned corners.
pub(crate) fn resize_plane(
    plane: &[f32],
    from: [usize; 2],
    to: [usize; 2],
) -> Result<Vec<f32>, DataError> {
    if from == to {
        return Ok(plane.to_vec());
    }
    let pixels: Vec<F32> = plane.iter().map(|&value| F32::new(value)).collect();
    let source = TypedImageRef::new(from[0] as u32, from[1] as u32, &pixels).map_err(refused)?;
    let mut target = TypedImage::new(to[0] as u32, to[1] as u32);
    resample(&source, &mut target)?;
    Ok(target.pixels().iter().map(|pixel| pixel.0).collect())
}

/// Typed, so that only the pixel types in use are compiled.
fn resample<P: PixelTrait>(
    source: &TypedImageRef<'_, P>,
    target: &mut TypedImage<'_, P>,
) -> Result<(), DataError> {
    Resizer::new()
        .resize_typed(source, target, &filter())
        .map_err(refused)
}

/// Resizes labels: every target pixel takes the source pixel that contains its centre.
pub fn resize_labels(labels: &LabelMap, width: usize, height: usize) -> LabelMap {
    let nearest = |i: usize, from: usize, to: usize| {
        let centre = (i as f64 + 0.5) * from as f64 / to as f64;
        (centre as usize).min(from - 1)
    };
    let columns: Vec<usize> = (0..width)
        .map(|x| nearest(x, labels.width, width))
        .collect();
    let mut classes = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = nearest(y, labels.height, height) * labels.width;
        classes.extend(columns.iter().map(|x| labels.classes[row + x]));
    }
    LabelMap {
        width,
        height,
        classes,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{fit_longest_side, resize_image, resize_labels, resize_plane};
    use crate::pixels::{ImageRgb, LabelMap};

    #[test]
    fn the_longest_side_is_the_target() {
        assert_eq!(fit_longest_side(999, 960, 1024), [1024, 984]);
        assert_eq!(fit_longest_side(960, 999, 1024), [984, 1024]);
        assert_eq!(fit_longest_side(1, 4000, 256), [1, 256]);
    }

    #[test]
    fn a_plane_doubles_as_torch_does() {
        // F.interpolate(torch.tensor([[[1., 3.]]]), scale_factor=2, mode="linear") = 1, 1.5, 2.5, 3
        let out = resize_plane(&[1.0, 3.0], [2, 1], [4, 1]).expect("valid");
        assert_eq!(out, [1.0, 1.5, 2.5, 3.0]);
    }

    #[test]
    fn an_empty_target_is_refused() {
        let image = ImageRgb::new(2, 2, vec![9; 12]).expect("valid");
        assert!(resize_image(&image, 0, 4).is_err());
    }

    proptest! {
        #[test]
        fn resized_labels_are_labels_of_the_source(
            (w, h, classes) in (1_usize..12, 1_usize..12).prop_flat_map(|(w, h)| {
                (Just(w), Just(h), prop::collection::vec(0_u8..4, w * h))
            }),
            (tw, th) in (1_usize..30, 1_usize..30),
        ) {
            let labels = LabelMap::new(w, h, classes).expect("valid");
            let out = resize_labels(&labels, tw, th);
            prop_assert_eq!(out.classes.len(), tw * th);
            prop_assert!(out.classes.iter().all(|c| labels.classes.contains(c)));
            // Enlarging by a whole factor and taking it back is the identity.
            let twice = resize_labels(&labels, 3 * w, 3 * h);
            prop_assert_eq!(resize_labels(&twice, w, h), labels);
        }
    }
}
