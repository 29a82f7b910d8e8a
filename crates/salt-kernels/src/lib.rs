//! Differentiable operations that decide how long a step of a vision transformer takes.
//!
//! | operation | formula | Burn without this crate |
//! |---|---|---|
//! | [`gelu`] | `x Phi(x)`, exact | one scalar `erf` an element, another and an `exp` in backward |
//! | [`layer_norm`] | `(x - mean) / sqrt(var + eps) * gamma + beta` | a dozen passes and their backward |
//! | [`softmax_rows`] | `exp(x - max) / sum` over the last dimension | five passes, two of them kept for backward |
//!
//! Every function works on every backend. With the cargo feature `flex`, and on a device of that
//! backend in `f32`, a kernel with a hand-written backward runs instead of Burn's own operations: one
//! pass over the data, vectorised for the processor found at run time. [`set_enabled`] switches the kernels off,
//! for comparison; [`product_rounding`] measures what a device makes of the factors of a matrix product.
//!
//! The same input gives the same bytes in every run, on every x86-64 processor.

mod gelu;
mod layer_norm;
mod product_rounding;
mod softmax;
mod switch;

#[cfg(feature = "flex")]
mod flex;

pub use gelu::gelu;
pub use layer_norm::layer_norm;
pub use product_rounding::product_rounding;
pub use softmax::softmax_rows;
pub use switch::{enabled, set_enabled};
