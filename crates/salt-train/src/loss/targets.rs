//! What the loss compares logits with: the labels of one batch, on the device.

use burn::tensor::{Device, Tensor, TensorData};
use salt_data::IGNORE_LABEL;

/// Targets of one batch on the device, as [`LossConfig::targets`](super::LossConfig::targets)
/// makes them.
///
/// # Shapes
/// `foreground` and `valid` are `[batch, classes, height, width]` with entries 0 or 1; `valid`
/// has one class channel that broadcasts.
#[derive(Clone, Debug)]
pub struct Targets {
    /// 1 where the pixel belongs to the class.
    pub foreground: Tensor<4>,
    /// 1 where the pixel counts.
    pub valid: Tensor<4>,
    /// Number of pixels that count, at least 1 so that it may divide.
    pub n_valid: f64,
    /// Pixels that count, of the background and then of every class.
    pub class_pixels: Vec<u64>,
    /// Distance to the border of each class, negative inside ([`super::boundary`]); only where the
    /// boundary term asks for it.
    ///
    /// # Shapes
    /// `[batch, classes, height, width]`, in pixels
    pub signed_distance_px: Option<Tensor<4>>,
}

impl Targets {
    /// One-hot targets from class labels (0 background, `c + 1` class `c`, 255 ignored), without
    /// distances.
    ///
    /// # Shapes
    /// `labels_bhw` holds `batch * height * width` entries.
    ///
    /// # Panics
    /// When the number of labels is not the product of the three sizes.
    pub(super) fn new(
        labels_bhw: &[u8],
        size: [usize; 3],
        n_classes: usize,
        device: &Device,
    ) -> Self {
        let [batch, height, width] = size;
        let area = height * width;
        assert_eq!(
            labels_bhw.len(),
            batch * area,
            "labels do not fill {size:?}"
        );
        let mut foreground = vec![0f32; batch * n_classes * area];
        let mut valid = vec![1f32; batch * area];
        let mut class_pixels = vec![0u64; n_classes + 1];
        for (i, &label) in labels_bhw.iter().enumerate() {
            if label == IGNORE_LABEL {
                valid[i] = 0.0;
                continue;
            }
            let class = usize::from(label);
            if (1..=n_classes).contains(&class) {
                let (sample, pixel) = (i / area, i % area);
                foreground[(sample * n_classes + class - 1) * area + pixel] = 1.0;
                class_pixels[class] += 1;
            } else {
                class_pixels[0] += 1;
            }
        }
        let n_valid: u64 = class_pixels.iter().sum();
        let foreground = TensorData::new(foreground, [batch, n_classes, height, width]);
        let valid = TensorData::new(valid, [batch, 1, height, width]);
        Self {
            foreground: Tensor::from_data(foreground, device),
            valid: Tensor::from_data(valid, device),
            n_valid: n_valid.max(1) as f64,
            class_pixels,
            signed_distance_px: None,
        }
    }
}
