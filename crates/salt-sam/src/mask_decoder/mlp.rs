//! The decoder's small multi-layer perceptron.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Linear layers with ReLU between them, none after the last.
///
/// # Shapes
/// - input: `[n, d_in]`, output: `[n, d_out]`
#[derive(Module, Debug)]
pub struct Mlp {
    /// The layers in order.
    pub layers: Vec<Linear>,
}

impl Mlp {
    /// `depth` layers from `d_in` through `hidden` to `d_out`.
    pub(super) fn new([d_in, hidden, d_out]: [usize; 3], depth: usize, device: &Device) -> Self {
        let width = |i: usize| match i {
            0 => d_in,
            i if i == depth => d_out,
            _ => hidden,
        };
        let layers = (0..depth)
            .map(|i| LinearConfig::new(width(i), width(i + 1)).init(device))
            .collect();
        Self { layers }
    }

    /// See [`Mlp`].
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let last = self.layers.len() - 1;
        self.layers.iter().enumerate().fold(x, |x, (i, layer)| {
            let x = layer.forward(x);
            if i < last { relu(x) } else { x }
        })
    }
}
