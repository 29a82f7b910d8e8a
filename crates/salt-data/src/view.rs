//! How a picture of any size becomes square inputs of the network, and where each came from.

use crate::error::DataError;
use crate::pixels::{ImageRgb, PAD_RGB};
use crate::resize::{fit_longest_side, resize_image};

/// How a case becomes network inputs.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum View {
    /// The whole picture, its longest side scaled to `image_size`, padded at the bottom or right.
    Resize {
        /// Side of the input, pixels.
        image_size: usize,
    },
    /// Square tiles of the scaled picture.
    Tiles {
        /// Side of the input, pixels.
        tile: usize,
        /// Scale of the picture before tiling: 1 is native, 0.5 half resolution.
        scale: f64,
        /// Share of a tile that its neighbour repeats, at least, at inference.
        overlap: f64,
    },
}

impl View {
    /// Side of the network's input in pixels.
    pub fn input_size(&self) -> usize {
        match *self {
            Self::Resize { image_size } => image_size,
            Self::Tiles { tile, .. } => tile,
        }
    }

    /// `[width, height]` of a picture after scaling, before padding or tiling.
    pub fn scaled_size(&self, width: usize, height: usize) -> [usize; 2] {
        match *self {
            Self::Resize { image_size } => fit_longest_side(width, height, image_size),
            Self::Tiles { scale, .. } => {
                [width, height].map(|side| ((side as f64 * scale + 0.5) as usize).max(1))
            }
        }
    }

    /// Confirms that the settings are usable.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        let refuse = |name, expected, received: String| {
            Err(DataError::Setting {
                name,
                expected,
                received,
            })
        };
        match *self {
            Self::Resize { image_size } if !(8..=8192).contains(&image_size) => refuse(
                "image_size",
                "from 8 to 8192 pixels",
                image_size.to_string(),
            ),
            Self::Tiles { tile, .. } if !(8..=8192).contains(&tile) => {
                refuse("tile", "from 8 to 8192 pixels", tile.to_string())
            }
            Self::Tiles { scale, .. } if !(scale > 0.0 && scale <= 16.0) => {
                refuse("scale", "above 0 and at most 16", scale.to_string())
            }
            Self::Tiles { overlap, .. } if !(0.0..=0.9).contains(&overlap) => {
                refuse("overlap", "from 0 to 0.9", overlap.to_string())
            }
            _ => Ok(()),
        }
    }

    /// Left edges (or upper edges) of the windows along a side of `length` scaled pixels: as few as
    /// the overlap allows, evenly spread, the last one flush with the end.
    pub(crate) fn starts(&self, length: usize) -> Vec<usize> {
        let (size, overlap) = match *self {
            Self::Resize { .. } => return vec![0],
            Self::Tiles { tile, overlap, .. } => (tile, overlap),
        };
        let rest = length.saturating_sub(size);
        if rest == 0 {
            return vec![0];
        }
        let stride = ((size as f64 * (1.0 - overlap)) as usize).max(1);
        let steps = rest.div_ceil(stride);
        (0..=steps)
            .map(|k| (k * rest + steps / 2) / steps)
            .collect()
    }
}

/// Where a window lies in the scaled picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Left edge, scaled pixels.
    pub x: usize,
    /// Upper edge, scaled pixels.
    pub y: usize,
    /// Columns that show the picture; the rest is padding.
    pub width: usize,
    /// Rows that show the picture; the rest is padding.
    pub height: usize,
}

/// One input of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// `[3, size, size]`, RGB in 0 to 255; padding has the colour [`PAD_RGB`].
    pub pixels_chw: Vec<f32>,
    /// Side in pixels.
    pub size: usize,
    /// Where it belongs.
    pub place: Placement,
}

/// Cuts a picture into the inputs of one view, row by row. [`crate::Canvas`] puts the answers back.
///
/// # Errors
/// [`DataError::Setting`] for an unusable view, [`DataError::Length`] for an inconsistent picture.
pub fn inference_inputs(image: &ImageRgb, view: &View) -> Result<Vec<Window>, DataError> {
    view.check()?;
    let [width, height] = view.scaled_size(image.width, image.height);
    let scaled = resize_image(image, width, height)?;
    let size = view.input_size();
    let mut windows = Vec::new();
    for y in view.starts(height) {
        for x in view.starts(width) {
            let place = Placement {
                x,
                y,
                width: size.min(width - x),
                height: size.min(height - y),
            };
            windows.push(Window {
                pixels_chw: cut(&scaled, place, size),
                size,
                place,
            });
        }
    }
    Ok(windows)
}

fn cut(image: &ImageRgb, place: Placement, size: usize) -> Vec<f32> {
    let mut pixels_chw = Vec::with_capacity(3 * size * size);
    for (channel, pad) in PAD_RGB.into_iter().enumerate() {
        for row in 0..size {
            if row < place.height {
                let from = 3 * ((place.y + row) * image.width + place.x) + channel;
                let values = image.data[from..].iter().step_by(3).take(place.width);
                pixels_chw.extend(values.map(|&v| f32::from(v)));
                pixels_chw.resize(pixels_chw.len() + size - place.width, pad);
            } else {
                pixels_chw.resize(pixels_chw.len() + size, pad);
            }
        }
    }
    pixels_chw
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{View, inference_inputs};
    use crate::pixels::{ImageRgb, PAD_RGB};

    #[test]
    fn a_small_picture_is_padded_at_the_bottom_and_right() {
        let image = ImageRgb::new(10, 9, vec![200; 270]).expect("valid");
        let view = View::Tiles {
            tile: 12,
            scale: 1.0,
            overlap: 0.5,
        };
        let windows = inference_inputs(&image, &view).expect("valid");
        assert_eq!(windows.len(), 1);
        let at = |c: usize, y: usize, x: usize| windows[0].pixels_chw[(c * 12 + y) * 12 + x];
        assert_eq!(at(0, 8, 9), 200.0);
        assert_eq!(at(1, 8, 10), PAD_RGB[1]);
        assert_eq!(at(2, 9, 0), PAD_RGB[2]);
    }

    #[test]
    fn unusable_views_are_refused() {
        let image = ImageRgb::new(4, 4, vec![0; 48]).expect("valid");
        for view in [
            View::Resize { image_size: 0 },
            View::Tiles {
                tile: 4,
                scale: 1.0,
                overlap: 0.5,
            },
            View::Tiles {
                tile: 16,
                scale: f64::NAN,
                overlap: 0.5,
            },
            View::Tiles {
                tile: 16,
                scale: 1.0,
                overlap: 1.0,
            },
        ] {
            assert!(inference_inputs(&image, &view).is_err(), "{view:?}");
        }
    }

    proptest! {
        #[test]
        fn windows_cover_every_pixel_and_overlap_as_asked(
            length in 1_usize..700, tile in 8_usize..200, overlap in 0.0_f64..0.9,
        ) {
            let view = View::Tiles { tile, scale: 1.0, overlap };
            let starts = view.starts(length);
            prop_assert_eq!(starts[0], 0);
            prop_assert!(starts[starts.len() - 1] + tile >= length);
            for pair in starts.windows(2) {
                prop_assert!(pair[1] > pair[0]);
                // One pixel of slack: the last stride is spread over whole pixels.
                let shared = (pair[0] + tile) as f64 - pair[1] as f64;
                prop_assert!(shared + 1.0 >= overlap * tile as f64, "{pair:?}");
            }
            prop_assert!(starts[starts.len() - 1] + tile <= length.max(tile));
        }
    }
}
