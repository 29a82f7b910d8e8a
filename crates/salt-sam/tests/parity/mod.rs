//! Stage by stage against Hugging Face's `SamModel`; `generate.py` beside this file is the oracle
//! and README.md says how the fixtures were made.

mod decoder;
mod encoder;
mod every_gradient;
mod gradients;
mod predictor;
mod slopes;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use salt_sam::weights::load;
use salt_sam::{Sam, SamConfig};

/// Largest difference that forward results may have. Values are of order one and single precision
/// was measured to differ by 2e-6; a wrong eps in any LayerNorm of these weights moves them by 1e-3.
/// Where products round their factors to TF32, 4.8e-3 was measured, ten times that rounding.
pub(crate) fn forward() -> f32 {
    (20.0 * rounding()).max(1e-4)
}

/// What the device under test rounds the factors of a product by, see [`salt_kernels::product_rounding`].
pub(crate) fn rounding() -> f32 {
    static ROUNDING: LazyLock<f64> =
        LazyLock::new(|| salt_kernels::product_rounding(&Device::default()));
    *ROUNDING as f32
}

/// A file of the fixture folder.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity")
        .join(name)
}

/// `CONFIG` of generate.py.
pub(crate) fn config() -> SamConfig {
    SamConfig {
        image_size: 64,
        patch_size: 8,
        embed_dim: 32,
        depth: 4,
        num_heads: 2,
        mlp_ratio: 4,
        window_size: 3,
        global_attn_indexes: vec![1, 3],
        out_chans: 16,
        decoder_depth: 2,
        decoder_heads: 2,
        decoder_mlp_dim: 32,
        iou_head_hidden: 16,
        mask_in_chans: 8,
        n_prompt_tokens: 1,
    }
}

/// The small random model.
pub(crate) fn sam(device: &Device) -> Sam {
    load(&path("sam_small.safetensors"), &config(), None, device).expect("fixture loads")
}

/// What the oracle was given and what it answered.
struct Expected {
    bytes: Vec<u8>,
    device: Device,
}

impl Expected {
    fn open(device: &Device) -> Self {
        Self::of("sam_small_expected.safetensors", device)
    }

    fn of(file: &str, device: &Device) -> Self {
        Self {
            bytes: std::fs::read(path(file)).expect("fixture"),
            device: device.clone(),
        }
    }

    /// The keys that begin with `prefix`.
    fn names(&self, prefix: &str) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.bytes).expect("fixture is safetensors");
        let names = file
            .names()
            .into_iter()
            .filter(|name| name.starts_with(prefix));
        names.map(str::to_owned).collect()
    }

    /// A tensor of the file as f32, `None` when the file has no such key.
    fn find<const D: usize>(&self, key: &str) -> Option<Tensor<D>> {
        let file = SafeTensors::deserialize(&self.bytes).expect("fixture is safetensors");
        find(&file, key, &self.device)
    }

    fn get<const D: usize>(&self, key: &str) -> Tensor<D> {
        self.find(key)
            .unwrap_or_else(|| panic!("fixture lacks {key}"))
    }

    /// Compares with the oracle's tensor `key` within [`forward`].
    fn check<const D: usize>(&self, key: &str, actual: Tensor<D>) {
        let expected = self.get::<D>(key);
        assert_eq!(actual.dims(), expected.dims(), "{key}: shape");
        let difference = largest_difference(actual, expected);
        let allowed = forward();
        assert!(
            difference <= allowed,
            "{key}: differs by {difference:e}, allowed {allowed:e}"
        );
    }
}

/// A tensor of floats or bytes as f32, `None` when the file has no such key.
pub(crate) fn find<const D: usize>(
    file: &SafeTensors<'_>,
    key: &str,
    device: &Device,
) -> Option<Tensor<D>> {
    let view = file.tensor(key).ok()?;
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => {
            let (numbers, _) = view.data().as_chunks::<4>();
            numbers.iter().map(|b| f32::from_le_bytes(*b)).collect()
        }
        Dtype::U8 => view.data().iter().map(|b| f32::from(*b)).collect(),
        other => panic!("{key}: unexpected {other:?}"),
    };
    let data = TensorData::new(values, view.shape().to_vec());
    Some(Tensor::from_data(data, device))
}

/// Largest absolute difference of two tensors; NaN anywhere gives infinity.
pub(crate) fn largest_difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    let (a, b) = (a.into_data(), b.into_data());
    a.iter::<f32>()
        .zip(b.iter::<f32>())
        .map(|(a, b)| (a - b).abs())
        .fold(
            0.0,
            |worst, d| if d > worst || d.is_nan() { d } else { worst },
        )
}
