//! A case at the scale of a view: what training samples are read from.

use crate::dataset::LoadedCase;
use crate::error::DataError;
use crate::pixels::{ImageRgb, LabelMap};
use crate::resize::{resize_image, resize_labels};
use crate::view::View;

/// A picture and its labels, scaled but neither padded nor cut.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PreparedCase {
    pub(crate) image: ImageRgb,
    pub(crate) labels: LabelMap,
    /// Mean intensity of the picture before it was scaled, 0 to 1.
    pub(crate) mean: f64,
}

impl PreparedCase {
    /// Scales a case (image antialiased, labels nearest).
    pub(crate) fn of(case: LoadedCase, view: &View) -> Result<Self, DataError> {
        let mean = mean_of(&case)?;
        Ok(match scaled(&case, view)? {
            Some((image, labels)) => Self {
                image,
                labels,
                mean,
            },
            None => Self {
                image: case.image,
                labels: case.labels,
                mean,
            },
        })
    }

    /// Bytes of its pixels.
    pub(crate) fn bytes(&self) -> u64 {
        (self.image.data.len() + self.labels.classes.len()) as u64
    }
}

/// Mean intensity of a case's picture, 0 to 1, after confirming that picture and labels agree.
pub(crate) fn mean_of(case: &LoadedCase) -> Result<f64, DataError> {
    let (image, labels) = (&case.image, &case.labels);
    image.check()?;
    labels.check()?;
    if [image.width, image.height] != [labels.width, labels.height] {
        return Err(DataError::Length {
            what: "the labels of a case",
            expected: image.width * image.height,
            received: labels.classes.len(),
        });
    }
    let sum: u64 = image.data.iter().map(|&v| u64::from(v)).sum();
    Ok(sum as f64 / (255.0 * image.data.len() as f64))
}

/// A case at the view's scale; `None` where that is the case's own.
pub(crate) fn scaled(
    case: &LoadedCase,
    view: &View,
) -> Result<Option<(ImageRgb, LabelMap)>, DataError> {
    let (image, labels) = (&case.image, &case.labels);
    let [width, height] = view.scaled_size(image.width, image.height);
    if [width, height] == [image.width, image.height] {
        return Ok(None);
    }
    let scaled = resize_image(image, width, height)?;
    Ok(Some((scaled, resize_labels(labels, width, height))))
}
