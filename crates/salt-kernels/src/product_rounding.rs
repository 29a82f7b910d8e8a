//! How precisely a device multiplies matrices.

use burn::tensor::{Device, Tensor, TensorData};

/// Side of the probe: large enough for the units that multiply tiles.
const SIDE: usize = 64;

/// The largest relative error that a device makes in one factor of a matrix product of its default float type: `2^-24`
/// for `f32` at least; about `2^-11` where `f32` goes through tensor cores as TF32, which burn-cuda
/// chooses on NVIDIA GPUs; `2^-9` for `bf16`.
///
/// Measured: the product of the identity with a matrix whose entries, `1 + i / 4096`, need twelve bits and more.
/// Runs on the device.
pub fn product_rounding(device: &Device) -> f64 {
    let device = device.clone().without_autodiff();
    let entries: Vec<f32> = (0..SIDE * SIDE)
        .map(|i| 1.0 + i as f32 / (SIDE * SIDE) as f32 + f32::EPSILON)
        .collect();
    let matrix =
        |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [SIDE, SIDE]), &device);
    let identity = (0..SIDE * SIDE).map(|i| f32::from(u8::from(i % (SIDE + 1) == 0)));
    let product = matrix(entries.clone()).matmul(matrix(identity.collect()));
    let found = product.into_data().convert::<f32>();
    let errors = found.iter::<f32>().zip(&entries).map(|(found, entry)| {
        let error = f64::from(found) / f64::from(*entry) - 1.0;
        // What is no number is as wrong as can be.
        if error.is_nan() { 1.0 } else { error.abs() }
    });
    errors.fold(f64::from(f32::EPSILON) / 2.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_multiplies_in_f32() {
        assert_eq!(product_rounding(&Device::flex()), 2f64.powi(-24));
    }
}
