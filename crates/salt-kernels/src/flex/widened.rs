//! Half precision to single, on all threads.

use burn::tensor::DType;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

use super::{Primitive, tensor};

/// Values of one share of the work.
const SHARE: usize = 1 << 16;

/// The values in f32; those that are in f32 as they are.
pub(super) fn widened(x: Primitive) -> Primitive {
    let x = match x.dtype() {
        DType::F16 | DType::BF16 => x.to_contiguous(),
        _ => return x,
    };
    const CONTIGUOUS: &str = "made contiguous, and of that format";
    let values = match x.dtype() {
        DType::F16 => converted(x.as_slice::<f16>().expect(CONTIGUOUS)),
        _ => converted(x.as_slice::<bf16>().expect(CONTIGUOUS)),
    };
    tensor(values, &x)
}

fn converted<H: Sync>(values: &[H]) -> Vec<f32>
where
    [H]: HalfFloatSliceExt,
{
    let mut wide = vec![0.0; values.len()];
    let shares = wide.par_chunks_mut(SHARE).zip(values.par_chunks(SHARE));
    shares.for_each(|(wide, values)| values.convert_to_f32_slice(wide));
    wide
}
