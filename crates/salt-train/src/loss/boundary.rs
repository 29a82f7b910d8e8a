//! Boundary loss: how far from the reference's border the prediction puts its mass.
//!
//! ```text
//! boundary = 1/(C sum m) * sum_c w_c sum_pixels m phi p,   p = sigmoid(z)
//! phi(q)   = + distance to the nearest pixel of the class            outside
//!          = - (distance to the nearest pixel not of the class - 1)  inside
//!          = 0                                         the class, or anything else, is absent
//! ```
//!
//! Distances are exact, Euclidean, between pixel centres, in pixels of the network's input. Nothing
//! is normalised by the size of the image or the object, as in the authors' code: pixels at the border
//! inside have 0, those outside at least 1, and a far false positive may cost hundreds. The term is
//! therefore negative for a good prediction, and its weight is small beside dice (the paper begins at
//! 0.01). Ignored pixels neither belong to a class nor to its outside: no distance is measured to
//! them, and they count in no sum.
//!
//! Source: Kervadec et al. 2019 and `one_hot2dist` of the authors' code, where a class that is absent
//! has `phi = 0` too; one that fills the image has undefined distances there. It is not in MONAI.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};
use salt_data::IGNORE_LABEL;
use salt_metrics::{MaskView, MetricError, squared_distance_transform};

use super::{LossConfig, Targets};
use crate::sum_in_order::sum_in_order;

impl LossConfig {
    /// Mean of probability times signed distance over valid pixels and classes.
    ///
    /// # Shapes
    /// `logits`: `[batch, classes, height, width]`; the result has one element.
    ///
    /// # Panics
    /// When the targets have no distances: they were made by a configuration whose
    /// `boundary_weight` is 0.
    pub fn boundary(&self, logits: Tensor<4>, targets: &Targets) -> Tensor<1> {
        let [_, classes, _, _] = logits.dims();
        let distance = targets.signed_distance_px.clone();
        let distance = distance.expect("targets of a configuration with a boundary term");
        let per_pixel = sigmoid(logits) * distance * targets.valid.clone();
        sum_in_order(self.weigh_pixels(per_pixel)) / (targets.n_valid * classes as f64)
    }
}

/// Signed distance of every pixel to the border of every class, in pixels.
///
/// # Shapes
/// - `labels_bhw`: `batch * height * width` entries
/// - output: `[batch, classes, height, width]`
///
/// # Errors
/// A side of length 0.
pub(super) fn signed_distance_px(
    labels_bhw: &[u8],
    size: [usize; 3],
    n_classes: usize,
    device: &Device,
) -> Result<Tensor<4>, MetricError> {
    let [batch, height, width] = size;
    let area = height * width;
    let mut distances = Vec::with_capacity(batch * n_classes * area);
    for labels in labels_bhw.chunks(area.max(1)) {
        for class in 1..=n_classes {
            let inside = |label: u8| usize::from(label) == class;
            let outside = |label: u8| label != IGNORE_LABEL && !inside(label);
            let to = |is_site: &dyn Fn(u8) -> bool| {
                let sites: Vec<bool> = labels.iter().map(|&label| is_site(label)).collect();
                squared_distance_transform(MaskView::new(width, height, &sites)?, [1.0; 2])
            };
            let (to_inside, to_outside) = (to(&inside)?, to(&outside)?);
            let absent = [&to_inside, &to_outside].map(|squared| squared[0].is_infinite());
            distances.extend(labels.iter().enumerate().map(|(i, &label)| {
                if absent.contains(&true) || label == IGNORE_LABEL {
                    0.0
                } else if inside(label) {
                    (1.0 - to_outside[i].sqrt()) as f32
                } else {
                    to_inside[i].sqrt() as f32
                }
            }));
        }
    }
    let distances = TensorData::new(distances, [batch, n_classes, height, width]);
    Ok(Tensor::from_data(distances, device))
}
