//! The two kinds of pixels: colours, which may be interpolated, and labels, which may not.

use crate::error::DataError;

/// Label of pixels that carry no truth, such as padding; losses and metrics skip it.
pub const IGNORE_LABEL: u8 = 255;

/// Colour of padding: the mean of ImageNet, which SAM's normalisation maps to zero, so that padding
/// before the normalisation equals SAM's padding after it
/// (`segment_anything/modeling/sam.py`, `pixel_mean`, `preprocess`).
pub const PAD_RGB: [f32; 3] = [123.675, 116.28, 103.53];

/// An 8-bit RGB picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRgb {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Interleaved `R G B`, row by row, `3 * width * height` long.
    pub data: Vec<u8>,
}

impl ImageRgb {
    /// A picture from its bytes.
    ///
    /// # Errors
    /// [`DataError::Length`] unless `data` holds `3 * width * height` bytes.
    pub fn new(width: usize, height: usize, data: Vec<u8>) -> Result<Self, DataError> {
        let image = Self {
            width,
            height,
            data,
        };
        image.check()?;
        Ok(image)
    }

    /// Confirms that the fields agree; they are public, so a picture may have been made by hand.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        check_length(
            "an RGB image",
            3 * self.width * self.height,
            self.data.len(),
        )?;
        check_length(
            "an image of at least one pixel",
            1,
            (self.data.len()).min(1),
        )
    }
}

/// A class per pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row: 0 is background, 1 and up are classes, [`IGNORE_LABEL`] is no label.
    pub classes: Vec<u8>,
}

impl LabelMap {
    /// A label map from its classes.
    ///
    /// # Errors
    /// [`DataError::Length`] unless `classes` holds `width * height` values.
    pub fn new(width: usize, height: usize, classes: Vec<u8>) -> Result<Self, DataError> {
        let labels = Self {
            width,
            height,
            classes,
        };
        labels.check()?;
        Ok(labels)
    }

    /// Confirms that the fields agree.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        check_length("a label map", self.width * self.height, self.classes.len())
    }

    /// The pixels of one class, row by row.
    pub fn mask_of(&self, class: u8) -> Vec<bool> {
        self.classes.iter().map(|&c| c == class).collect()
    }
}

fn check_length(what: &'static str, expected: usize, received: usize) -> Result<(), DataError> {
    if expected == received {
        return Ok(());
    }
    Err(DataError::Length {
        what,
        expected,
        received,
    })
}

#[cfg(test)]
mod tests {
    use super::{ImageRgb, LabelMap};

    #[test]
    fn lengths_are_checked() {
        assert!(ImageRgb::new(2, 2, vec![0; 12]).is_ok());
        assert!(ImageRgb::new(2, 2, vec![0; 11]).is_err());
        assert!(ImageRgb::new(0, 0, Vec::new()).is_err());
        assert!(LabelMap::new(2, 3, vec![0; 6]).is_ok());
        assert!(LabelMap::new(2, 3, vec![0; 5]).is_err());
    }
}
