//! The kernels of Burn's backend `flex`.
//!
//! | file | concept |
//! |---|---|
//! | `tape` | what every kernel keeps for backward |
//! | `attention` | attention over a grid of tokens, by blocks |
//! | `gelu`, `layer_norm`, `softmax`, `linear` | one operation each, forward and backward, over slices |
//! | `product` | products of small matrices inside a kernel |
//! | `widened` | half precision to single |
//! | `simd` | elementary functions, and the choice of the processor's instructions |

mod attention;
mod gelu;
mod layer_norm;
mod linear;
mod product;
mod simd;
mod softmax;
mod tape;
mod widened;

use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, Flex, TensorMetadata, backend_extension};
use burn::tensor::{DType, Tensor, TensorData};

use crate::attention::Grid;
use crate::widened::is_half;

/// Whether the kernels apply to this tensor.
pub(crate) fn runs<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && runs_on(x)
}

/// Whether the kernels apply where this tensor lies.
pub(crate) fn runs_on<const D: usize>(x: &Tensor<D>) -> bool {
    crate::enabled()
        && matches!(
            x.device().without_autodiff().as_dispatch(),
            DispatchDevice::Flex(_)
        )
}

/// Whether the kernel of products takes these factors.
pub(crate) fn multiplies(a: &Tensor<2>, b: &Tensor<2>) -> bool {
    runs(a) && (runs(b) || (is_half(b) && runs_on(b)))
}

pub(crate) fn widened<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as Kernels>::widened(x.into_dispatch()))
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

pub(crate) fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => <Dispatch as Kernels>::fused_linear(x, weight, bias.into_dispatch()),
        None => <Dispatch as Kernels>::product(x, weight),
    })
}

pub(crate) fn subtract_product(base: Tensor<2>, a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let ([n, m], [rows, k]) = (base.dims(), a.dims());
    assert!(
        rows == n && b.dims() == [k, m],
        "{:?} less the product of {:?} and {:?}",
        base.dims(),
        a.dims(),
        b.dims()
    );
    Tensor::from_dispatch(<Dispatch as Kernels>::subtract_product(
        base.into_dispatch(),
        a.into_dispatch(),
        b.into_dispatch(),
    ))
}

pub(crate) fn grid_attention(
    qkv: Tensor<4>,
    padding: Tensor<1>,
    rows: Tensor<2>,
    columns: Tensor<2>,
    grid: Grid,
) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as Kernels>::fused_grid_attention(
        qkv.into_dispatch(),
        padding.into_dispatch(),
        rows.into_dispatch(),
        columns.into_dispatch(),
        grid,
    ))
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait Kernels: Backend {
    fn widened(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn fused_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn fused_layer_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;
    fn fused_softmax(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn fused_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
    fn subtract_product(
        base: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    fn fused_grid_attention(
        qkv: FloatTensor<Self>,
        padding: FloatTensor<Self>,
        rows: FloatTensor<Self>,
        columns: FloatTensor<Self>,
        grid: Grid,
    ) -> FloatTensor<Self>;
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

fn shaped<const N: usize>(values: Vec<f32>, dims: [usize; N]) -> Primitive {
    Primitive::from_data(TensorData::new(values, dims))
}

/// The inputs of attention over a grid, contiguous: projections, padding, positions of rows and of columns.
#[derive(Clone, Debug)]
struct GridInputs {
    tensors: [Primitive; 4],
    grid: Grid,
}

impl GridInputs {
    fn new(tensors: [Primitive; 4], grid: Grid) -> Self {
        let tensors = tensors.map(|t| t.to_contiguous());
        Self { tensors, grid }
    }

    fn elements(&self) -> attention::Inputs<'_> {
        let [qkv, padding, rows, columns] = self.tensors.each_ref().map(elements);
        attention::Inputs {
            grid: self.grid,
            qkv,
            padding,
            rows,
            columns,
        }
    }

    fn output(&self, values: Vec<f32>) -> Primitive {
        let grid = &self.grid;
        shaped(values, [grid.batch, grid.height, grid.width, grid.dim()])
    }
}

fn last_dim(x: &Primitive) -> usize {
    x.shape().as_slice().last().copied().unwrap_or(1)
}

impl Kernels for Flex {
    fn widened(x: FloatTensor<Self>) -> FloatTensor<Self> {
        widened::widened(x)
    }

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

    fn fused_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        // As on the tape: other strides are another order of sums.
        let [x, weight] = [x, widened::widened(weight)].map(|t| t.to_contiguous());
        Flex::linear(x, weight, Some(bias))
    }

    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let [a, b] = [a, widened::widened(b)].map(|t| t.to_contiguous());
        Flex::float_matmul(a, b)
    }

    fn subtract_product(
        base: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [mut base, a, b] = [base, a, b].map(|t| t.to_contiguous());
        let sides = b.shape().dims();
        // In its place, unless somebody else holds it: then in a copy.
        linear::subtract(base.storage_mut(), elements(&a), elements(&b), sides);
        base
    }

    fn fused_grid_attention(
        qkv: FloatTensor<Self>,
        padding: FloatTensor<Self>,
        rows: FloatTensor<Self>,
        columns: FloatTensor<Self>,
        grid: Grid,
    ) -> FloatTensor<Self> {
        let inputs = GridInputs::new([qkv, padding, rows, columns], grid);
        inputs.output(attention::forward(inputs.elements()).0)
    }
}
