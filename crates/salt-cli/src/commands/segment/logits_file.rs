//! The numbers behind a mask, and the file that keeps them.

use std::path::Path;

use burn::tensor::Tensor;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use salt_train::run_dir::write_atomic;

use crate::failure::Failure;

/// A tensor on the host.
#[derive(Debug)]
pub(super) struct Values {
    /// Its shape.
    pub(super) shape: Vec<usize>,
    /// Its values, row by row.
    pub(super) values: Vec<f32>,
}

/// An answer of the model, at both resolutions.
#[derive(Debug)]
pub(super) struct Logits {
    /// `[1, masks, 4 * grid, 4 * grid]`
    low_res_logits: Values,
    /// `[1, masks, height, width]` at the image's own size.
    mask_logits: Values,
    /// `[1, masks]`
    pub(super) iou_predictions: Values,
}

impl Values {
    fn read<const D: usize>(tensor: Tensor<D>) -> Self {
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().iter::<f32>().collect();
        Self { shape, values }
    }
}

impl Logits {
    /// Bring an answer to the host.
    pub(super) fn read(low_res: Tensor<4>, full: Tensor<4>, iou: Tensor<2>) -> Self {
        Self {
            low_res_logits: Values::read(low_res),
            mask_logits: Values::read(full),
            iou_predictions: Values::read(iou),
        }
    }

    /// Logits of every mask at the image's size.
    pub(super) fn masks(&self) -> impl Iterator<Item = &[f32]> {
        let area: usize = self.mask_logits.shape[2..].iter().product();
        self.mask_logits.values.chunks_exact(area.max(1))
    }

    /// The mask that the model itself ranks first.
    pub(super) fn best(&self) -> usize {
        let scores = self.iou_predictions.values.iter().enumerate();
        // The first of equals, as argmax in the original.
        let best = scores.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        best.map_or(0, |(index, _)| index)
    }

    /// Write all three tensors.
    pub(super) fn save(&self, path: &Path) -> Result<(), Failure> {
        let refused = |error: safetensors::SafeTensorError| {
            Failure::job(format!("cannot write `{}`: {error}", path.display()), None)
        };
        let tensors = [
            ("iou_predictions", &self.iou_predictions),
            ("low_res_logits", &self.low_res_logits),
            ("mask_logits", &self.mask_logits),
        ];
        let bytes = tensors.map(|(_, tensor)| {
            let values = tensor.values.iter();
            values
                .flat_map(|value| value.to_le_bytes())
                .collect::<Vec<u8>>()
        });
        let mut views = Vec::new();
        for ((name, tensor), bytes) in tensors.iter().zip(&bytes) {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(refused)?;
            views.push((*name, view));
        }
        let file = safetensors::serialize(views, None).map_err(refused)?;
        Ok(write_atomic(path, &file)?)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn logits(iou: [f32; 2]) -> Logits {
        let device = Device::default();
        Logits::read(
            Tensor::from_data([[[[1.0f32]], [[2.0]]]], &device),
            Tensor::from_data([[[[1.0f32, -1.0]], [[2.0, -2.0]]]], &device),
            Tensor::from_data([iou], &device),
        )
    }

    #[test]
    fn the_mask_ranked_first_is_chosen() {
        assert_eq!(logits([0.1, 0.9]).best(), 1);
        assert_eq!(logits([0.5, 0.5]).best(), 0);
    }

    #[test]
    fn the_file_holds_three_named_tensors() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("l.safetensors");
        let logits = logits([0.1, 0.9]);
        logits.save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let shape = |name| file.tensor(name).unwrap().shape().to_vec();
        assert_eq!(shape("low_res_logits"), [1, 2, 1, 1]);
        assert_eq!(shape("mask_logits"), [1, 2, 1, 2]);
        assert_eq!(shape("iou_predictions"), [1, 2]);
        assert_eq!(logits.masks().nth(1).unwrap(), [2.0, -2.0]);
    }
}
