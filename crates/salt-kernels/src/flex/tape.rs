//! The kernels' place on the tape: what is kept for backward, and for whom gradients are made.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Flex, TensorMetadata};
use burn::tensor::{DType, FloatDType};

use super::widened::widened;
use super::{
    GridInputs, Kernels, Primitive, attention, elements, gelu, last_dim, layer_norm, linear,
    shaped, softmax, tensor,
};
use crate::attention::Grid;

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

/// Of the parents input, weight and offset a product has the first two. A weight in half precision is kept so.
#[derive(Debug)]
struct LinearBackward;

/// Input, where the weight is trained, and weight, where what comes before it is: either is needed for the
/// other's gradient alone.
type Kept = (Option<Primitive>, Option<Primitive>);

/// The factors of a product, and what is kept of them.
fn factors<C: CheckpointStrategy>(
    x: FloatTensor<Autodiff<Flex, C>>,
    weight: FloatTensor<Autodiff<Flex, C>>,
) -> (Kept, Primitive, Primitive) {
    let (x_tracked, weight_tracked) = (x.is_tracked(), weight.is_tracked());
    let [x, weight] = [x, weight].map(|factor| factor.into_primitive().to_contiguous());
    let kept = (
        weight_tracked.then(|| x.clone()),
        x_tracked.then(|| weight.clone()),
    );
    (kept, x, weight)
}

/// Gradients of both factors of `scale x weight`.
fn register_factors(
    gradients: &mut Gradients,
    [of_x, of_weight]: [Option<NodeId>; 2],
    (x, weight): Kept,
    dy: &Primitive,
    scale: f32,
) {
    let [rows, outputs] = dy.shape().dims();
    if let (Some(node), Some(weight)) = (of_x, weight) {
        let [inputs, _] = weight.shape().dims();
        let sides = [rows, inputs, outputs];
        let weight = widened(weight);
        let dx = linear::input_gradient(elements(&weight), elements(dy), sides, scale);
        gradients.register::<Flex>(node, shaped(dx, [rows, inputs]));
    }
    if let (Some(node), Some(x)) = (of_weight, x) {
        let [_, inputs] = x.shape().dims();
        let sides = [inputs, outputs];
        let dw = linear::weight_gradient(elements(&x), elements(dy), sides, scale);
        gradients.register::<Flex>(node, shaped(dw, sides));
    }
}

impl<const N: usize> Backward<Flex, N> for LinearBackward {
    type State = Kept;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let mut parents = ops.parents.into_iter().map(|node| Some(node?.id));
        let mut next = || parents.next().flatten();
        register_factors(gradients, [next(), next()], ops.state, &dy, 1.0);
        if let Some(bias) = next() {
            gradients.register::<Flex>(bias, Flex::linear_bias_backward(dy));
        }
    }
}

#[derive(Debug)]
struct SubtractBackward;

impl Backward<Flex, 3> for SubtractBackward {
    type State = Kept;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [base, a, b] = ops.parents.map(|node| Some(node?.id));
        register_factors(gradients, [a, b], ops.state, &dy, -1.0);
        if let Some(base) = base {
            gradients.register::<Flex>(base, dy);
        }
    }
}

#[derive(Debug)]
struct AttentionBackward;

impl Backward<Flex, 4> for AttentionBackward {
    type State = (GridInputs, attention::Kept);

    fn backward(
        self,
        ops: Ops<Self::State, 4>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (inputs, statistics) = ops.state;
        let d = attention::backward(inputs.elements(), &statistics, elements(&dy));
        let values = [d.qkv, d.padding, d.rows, d.columns]
            .into_iter()
            .zip(&inputs.tensors);
        for (parent, (values, like)) in ops.parents.into_iter().zip(values) {
            if let Some(node) = parent {
                gradients.register::<Flex>(node.id, tensor(values, like));
            }
        }
    }
}

/// A trained weight in half precision, widened on the tape: its gradient is in half precision then. One that is not
/// trained as it is.
fn trained_in_f32<C: CheckpointStrategy>(
    weight: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    match weight.is_tracked() && weight.dtype() != DType::F32 {
        true => Autodiff::<Flex, C>::float_cast(weight, FloatDType::F32),
        false => weight,
    }
}

impl<C: CheckpointStrategy> Kernels for Autodiff<Flex, C> {
    fn widened(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match x.is_tracked() {
            true => Self::float_cast(x, FloatDType::F32),
            false => Self::from_inner(Flex::widened(x.into_primitive())),
        }
    }

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

    fn fused_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let weight = trained_in_f32::<C>(weight);
        let nodes = [x.node(), weight.node(), bias.node()];
        let prepared = LinearBackward.prepare::<C>(nodes).compute_bound();
        let (state, x, weight) = factors::<C>(x, weight);
        let y = Flex::fused_linear(x, weight, bias.into_primitive());
        match prepared.stateful() {
            OpsKind::Tracked(prep) => prep.finish(state, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let b = trained_in_f32::<C>(b);
        let nodes = [a.node(), b.node()];
        let prepared = LinearBackward.prepare::<C>(nodes).compute_bound();
        let (state, a, b) = factors::<C>(a, b);
        let y = Flex::product(a, b);
        match prepared.stateful() {
            OpsKind::Tracked(prep) => prep.finish(state, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn subtract_product(
        base: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [base.node(), a.node(), b.node()];
        let prepared = SubtractBackward.prepare::<C>(nodes).compute_bound();
        let (state, a, b) = factors::<C>(a, b);
        let y = Flex::subtract_product(base.into_primitive(), a, b);
        match prepared.stateful() {
            OpsKind::Tracked(prep) => prep.finish(state, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn fused_grid_attention(
        qkv: FloatTensor<Self>,
        padding: FloatTensor<Self>,
        rows: FloatTensor<Self>,
        columns: FloatTensor<Self>,
        grid: Grid,
    ) -> FloatTensor<Self> {
        let nodes = [qkv.node(), padding.node(), rows.node(), columns.node()];
        let prepared = AttentionBackward.prepare::<C>(nodes).compute_bound();
        let tensors = [qkv, padding, rows, columns].map(|t| t.into_primitive());
        let inputs = GridInputs::new(tensors, grid);
        let (y, statistics) = attention::forward(inputs.elements());
        let y = inputs.output(y);
        match prepared.stateful() {
            OpsKind::Tracked(prep) => prep.finish((inputs, statistics), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}
