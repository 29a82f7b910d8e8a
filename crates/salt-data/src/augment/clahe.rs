//! Equalisation of local contrast in some samples.

use super::within;
use crate::equalise::{Grid, equalise, luminance};
use crate::error::DataError;

/// Contrast limited adaptive histogram equalisation of the luminance, see
/// [`crate::Normalise::Clahe`] for the formula; every channel is moved by what the luminance is.
///
/// Tiles are counted over the input, so that in a view of tiles they are smaller than over the picture.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clahe {
    /// Probability that a sample is equalised.
    pub probability: f64,
    /// Largest count of a grey level, as a multiple of the mean count.
    pub clip_limit: f64,
    /// Tiles along each axis.
    pub tiles: usize,
}

impl Default for Clahe {
    fn default() -> Self {
        Self {
            probability: 0.0,
            clip_limit: 2.0,
            tiles: 8,
        }
    }
}

impl Clahe {
    pub(super) fn check(&self) -> Result<(), DataError> {
        within(
            "clahe.clip_limit",
            self.clip_limit,
            Grid::CLIP_LIMITS,
            Grid::EXPECTED_CLIP_LIMIT,
        )?;
        within(
            "clahe.tiles",
            self.tiles as f64,
            Grid::TILES,
            Grid::EXPECTED_TILES,
        )
    }

    pub(super) fn apply(&self, pixels_chw: &mut [f32], padding: Option<&[bool]>, size: usize) {
        let (red, rest) = pixels_chw.split_at_mut(size * size);
        let (green, blue) = rest.split_at_mut(size * size);
        let byte = |value: f32| (value + 0.5) as u8;
        let colours = red.iter().zip(&*green).zip(&*blue);
        let before: Vec<u8> = colours
            .map(|((&red, &green), &blue)| luminance([red, green, blue].map(byte)))
            .collect();
        let grid = Grid {
            clip_limit: self.clip_limit,
            tiles: self.tiles,
        };
        let after = equalise(&before, [size; 2], padding, grid);
        for (i, (&before, &after)) in before.iter().zip(&after).enumerate() {
            if padding.is_some_and(|padding| padding[i]) {
                continue;
            }
            let change = f32::from(after) - f32::from(before);
            for plane in [&mut *red, &mut *green, &mut *blue] {
                plane[i] = (plane[i] + change).clamp(0.0, 255.0);
            }
        }
    }
}
