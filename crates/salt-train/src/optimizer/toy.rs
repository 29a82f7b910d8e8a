//! A module with one parameter of every kind, for tests.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

#[derive(Module, Debug)]
pub(crate) struct Toy {
    pub(crate) matrix: Param<Tensor<2>>,
    pub(crate) scale: Param<Tensor<1>>,
    pub(crate) pos_embed: Param<Tensor<2>>,
    pub(crate) frozen: Param<Tensor<1>>,
}

pub(crate) fn toy(device: &Device) -> Toy {
    let two = || Param::from_tensor(Tensor::<2>::from_data([[1f32, -2.0], [3.0, 0.5]], device));
    let one = || Param::from_tensor(Tensor::<1>::from_data([1f32, 2.0], device));
    Toy {
        matrix: two(),
        scale: one(),
        pos_embed: two(),
        frozen: one().set_require_grad(false),
    }
}

pub(crate) fn gradients(toy: &Toy) -> GradientsParams {
    let loss = toy.matrix.val().powi_scalar(3).sum()
        + toy.scale.val().square().sum() * 2.0
        + toy.pos_embed.val().square().sum()
        + toy.frozen.val().sum();
    GradientsParams::from_grads(loss.backward(), toy)
}
