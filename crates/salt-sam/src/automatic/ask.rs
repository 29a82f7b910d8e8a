//! Who answers: a [`Sam`] that looks at one crop.

use burn::tensor::{Int, Tensor, TensorData};

use super::suppression::Bounds;
use crate::error::SamError;
use crate::preprocess::RgbImage;
use crate::prompt_encoder::Prompts;
use crate::sam::Sam;

/// Answers to a batch of points.
pub(super) struct Answers<'a> {
    /// Predicted IoU of every mask, those of one point in a row.
    pub(super) scores: Vec<f32>,
    /// Logits of the masks with these indexes at the crop's own size, one after the other, row by row.
    pub(super) logits: Logits<'a>,
}

/// Brings the logits of some masks to the host.
type Logits<'a> = Box<dyn Fn(&[usize]) -> Vec<f32> + 'a>;

/// Asks about points `(x, y)` in pixels of a crop.
pub(super) type Ask<'a> = Box<dyn FnMut(&[[f64; 2]]) -> Result<Answers<'a>, SamError> + 'a>;

/// Encodes the part of an image in `bounds`, which must lie inside.
pub(super) fn ask_sam<'a>(
    sam: &'a Sam,
    image: RgbImage<'_>,
    bounds: Bounds,
) -> Result<Ask<'a>, SamError> {
    let [x0, y0, x1, y1] = bounds;
    let encoded = sam.set_image(RgbImage {
        width: x1 - x0,
        height: y1 - y0,
        data: &image.crop(bounds),
    })?;
    let device = encoded.embedding().device();
    Ok(Box::new(move |points| {
        let n = points.len();
        let coords: Vec<f32> = points.as_flattened().iter().map(|c| *c as f32).collect();
        let coords = Tensor::from_data(TensorData::new(coords, [n, 1, 2]), &device);
        let labels = Tensor::<2, Int>::ones([n, 1], &device);
        let prompts = Prompts::default().with_points(coords, labels);
        let answer = sam.decode_image(&encoded, &prompts, true)?;
        let [_, masks, side, _] = answer.low_res_masks.dims();
        let low_res = answer.low_res_masks.reshape([n * masks, 1, side, side]);
        let encoded = encoded.clone();
        Ok(Answers {
            scores: answer.iou_predictions.into_data().iter::<f32>().collect(),
            logits: Box::new(move |indexes| {
                let rows = indexes
                    .iter()
                    .map(|index| low_res.clone().narrow(0, *index, 1));
                let logits = encoded.upscale(Tensor::cat(rows.collect(), 0));
                logits.into_data().iter::<f32>().collect()
            }),
        })
    }))
}
