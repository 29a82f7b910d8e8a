//! The kernels of Burn's backend `flex`, and their place on the tape.

mod gelu;
mod layer_norm;
mod simd;
mod softmax;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, Dispatch, DispatchDevice, Flex, TensorMetadata, backend_extension,
};
use burn::tensor::{DType, Tensor, TensorData};

/// Whether the kernels apply to this tensor.
pub(crate) fn runs<const D: usize>(x: &Tensor<D>) -> bool {
    crate::enabled()
        && x.dtype() == DType::F32
        && matches!(
            x.device().without_autodiff().as_dispatch(),
            DispatchDevice::Flex(_)
        )
}

pub(crate) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Kernels>::fused_gelu(x.into_dispatch()))
}

pub(crate) fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    let channels = x.dims()[D - 1];
    assert!(
        gamma.dims() == [channels] && beta.dims() == [channels],
        "layer norm over {channels} channels with gamma {:?} and beta {:?}",
        gamma.dims(),
        beta.dims()
    );
    Tensor::from_dispatch(<Dispatch as Kernels>::fused_layer_norm(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon as f32,
    ))
}

pub(crate) fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Kernels>::fused_softmax(x.into_dispatch()))
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait Kernels: Backend {
    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn fused_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;
    fn fused_softmax(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

type Primitive = FloatTensor<Flex>;

/// The elements in row order.
fn elements(x: &Primitive) -> &[f32] {
    x.as_slice::<f32>()
        .expect("the caller made it contiguous, and `runs` saw f32")
}

fn tensor(values: Vec<f32>, like: &Primitive) -> Primitive {
    Primitive::from_data(TensorData::new(values, like.shape()))
}

fn last_dim(x: &Primitive) -> usize {
    x.shape().as_slice().last().copied().unwrap_or(1)
}

impl Kernels for Flex {
    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        tensor(gelu::forward(elements(&x)), &x)
    }

    fn fused_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let [x, gamma, beta] = [x, gamma, beta].map(|t| t.to_contiguous());
        let y = layer_norm::forward(elements(&x), elements(&gamma), elements(&beta), epsilon);
        tensor(y, &x)
    }

    fn fused_softmax(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        tensor(softmax::forward(elements(&x), last_dim(&x)), &x)
    }
}

/// Backward of an operation of one input: what was saved and `dy` to `dx`.
#[derive(Debug)]
struct UnaryBackward(fn(&Primitive, &Primitive) -> Vec<f32>);

impl Backward<Flex, 1> for UnaryBackward {
    /// Whichever of input and output the gradient is computed from, contiguous.
    type State = Primitive;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let dx = self.0(&ops.state, &dy);
            gradients.register::<Flex>(node.id, tensor(dx, &dy));
        }
    }
}

#[derive(Debug)]
struct LayerNormBackward;

impl Backward<Flex, 3> for LayerNormBackward {
    /// Input, gamma, epsilon.
    type State = (Primitive, Primitive, f32);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (x, gamma, epsilon) = ops.state;
        let d = layer_norm::backward(elements(&x), elements(&gamma), elements(&dy), epsilon);
        let values = [(d.x, &dy), (d.gamma, &gamma), (d.beta, &gamma)];
        for (parent, (values, like)) in ops.parents.into_iter().zip(values) {
            if let Some(node) = parent {
                gradients.register::<Flex>(node.id, tensor(values, like));
            }
        }
    }
}

impl<C: CheckpointStrategy> Kernels for Autodiff<Flex, C> {
    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let backward = UnaryBackward(|x, dy| gelu::backward(elements(x), elements(dy)));
        let prepared = backward.prepare::<C>([x.node()]).compute_bound();
        let x = x.into_primitive().to_contiguous();
        let y = Flex::fused_gelu(x.clone());
        match prepared.stateful() {
            OpsKind::Tracked(prep) => prep.finish(x, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn fused_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let prepared = LayerNormBackward.prepare::<C>(nodes).compute_bound();
        let [x, gamma, beta] = [x, gamma, beta].map(|t| t.into_primitive().to_contiguous());
        let y = Flex::fused_layer_norm(x.clone(), gamma.clone(), beta, epsilon);
        match prepared.stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, gamma, epsilon), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn fused_softmax(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let backward =
            UnaryBackward(|y, dy| softmax::backward(elements(y), elements(dy), last_dim(y)));
        let prepared = backward.prepare::<C>([x.node()]).compute_bound();
        let y = Flex::fused_softmax(x.into_primitive());
        match prepared.stateful() {
            OpsKind::Tracked(prep) => prep.finish(y.clone(), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}
