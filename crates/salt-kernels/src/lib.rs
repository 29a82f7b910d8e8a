//! Differentiable operations that decide how long a step of a vision transformer takes.
//!
//! | operation | formula | Burn without this crate |
//! |---|---|---|
//! | [`gelu`] | `x Phi(x)`, exact | one scalar `erf` an element, another and an `exp` in backward |
//! | [`layer_norm`] | `(x - mean) / sqrt(var + eps) * gamma + beta` | a dozen passes and their backward |
//! | [`grid_attention`] | `softmax(q k^T / sqrt(d) + rel) v` in windows | every score kept, and copies for windows, heads and positions |
//! | [`linear`], [`matmul`] | `x W + b` | backward by the transposed weight takes half as long again |
//! | [`linear_layer`] | `x (W - A B) + b` | the weight built and its gradient taken for factors of any rank |
//! | [`subtract_product`] | `W - A B` | the product stored, and two more passes |
//! | [`softmax_rows`] | `exp(x - max) / sum` over the last dimension | five passes, two of them kept for backward |
//! | [`widened`] | half-precision values in f32 | one thread |
//!
//! Every function works on every backend. With the cargo feature `flex`, and on a device of that
//! backend in `f32`, a kernel with a hand-written backward runs instead of Burn's own operations: one
//! pass over the data, vectorised for the processor found at run time. [`set_enabled`] switches the kernels off,
//! for comparison; [`product_rounding`] measures what a device makes of the factors of a matrix product.
//!
//! The same input gives the same bytes in every run and for any number of threads; what is element-wise or a sum of rows
//! also on every x86-64 processor. Matrix products are those of Burn's backend and depend on the instructions and caches of the processor.

mod attention;
mod gelu;
mod layer_norm;
mod linear;
mod linear_layer;
mod product_rounding;
mod softmax;
mod subtract_product;
mod switch;
mod widened;

#[cfg(feature = "flex")]
mod flex;

pub use attention::grid_attention;
pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use linear::{linear, matmul};
pub use linear_layer::{Composition, LessProducts, add_composition, linear_layer};
pub use product_rounding::product_rounding;
pub use softmax::softmax_rows;
pub use subtract_product::subtract_product;
pub use switch::{enabled, set_enabled};
pub use widened::widened;
