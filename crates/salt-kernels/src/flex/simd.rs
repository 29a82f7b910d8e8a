//! Elementary functions that the compiler vectorises, and the run-time choice of the processor's
//! instructions.
//!
//! No fused multiply-add is used and sums run over [`LANES`] fixed lanes, so that the width of the vectors
//! changes the speed and not a single bit.

use pulp::{Arch, NullaryFnOnce};

/// Accumulators of a sum.
pub(super) const LANES: usize = 16;

/// Runs `op`, compiled for the widest vectors that this processor has.
pub(super) fn vectorised<Op: NullaryFnOnce>(op: Op) -> Op::Output {
    Arch::new().dispatch(op)
}

/// `sums += values`.
pub(super) fn add(sums: &mut [f32], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

/// Elements that one thread takes at a time: the same ones, whatever the number of threads.
const SHARE: usize = 1 << 14;

/// Elements of as many whole rows of that many columns as make a share of work.
pub(super) fn share(columns: usize) -> usize {
    columns * (SHARE / columns.max(1)).max(1)
}

/// `e^x` with a relative error below `2e-7`; 0 below -87.33, where the result leaves the normal numbers.
///
/// Cephes' `expf`: `x = n ln 2 + r`, a polynomial of degree 5 for `e^r`, and `2^n` as exponent bits.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LOW: f32 = -87.33;
    const HIGH: f32 = 88.0;
    // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(LOW, HIGH);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let e = p * r * r + r + 1.0;
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(127)
        << 23;
    let value = e * f32::from_bits(exponent);
    if x < LOW { 0.0 } else { value }
}

/// `erfc(z) / 2` for `z >= 0`, with a relative error below `4e-7`.
///
/// The Chebyshev fit of Press et al., Numerical Recipes, section 6.2.2:
/// `erfc(z) = t exp(-z^2 + P(t))`, `t = 1 / (1 + z / 2)`.
#[inline(always)]
pub(super) fn half_erfc(z: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.5 * z);
    let p = 0.170_872_77;
    let p = p * t - 0.822_152_23;
    let p = p * t + 1.488_515_9;
    let p = p * t - 1.135_204;
    let p = p * t + 0.278_868_07;
    let p = p * t - 0.186_288_06;
    let p = p * t + 0.096_784_18;
    let p = p * t + 0.374_091_96;
    let p = p * t + 1.000_023_7;
    let p = p * t - 1.265_512_2;
    0.5 * t * exp(p - z * z)
}

/// Sum of `f` over the elements of `N` rows of one length, always in the same order.
#[inline(always)]
pub(super) fn sum<const N: usize>(rows: [&[f32]; N], f: impl Fn([f32; N]) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let chunks = rows.map(|row| row.as_chunks::<LANES>());
    for i in 0..chunks[0].0.len() {
        let part = std::array::from_fn::<&[f32; LANES], N, _>(|row| &chunks[row].0[i]);
        for (lane, total) in lanes.iter_mut().enumerate() {
            *total += f(part.map(|row| row[lane]));
        }
    }
    let mut total = lanes.iter().sum::<f32>();
    for i in 0..chunks[0].1.len() {
        total += f(std::array::from_fn(|row| chunks[row].1[i]));
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_two_units_in_the_last_place() {
        for i in -8732..8800 {
            let x = i as f32 / 100.0;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 2e-7, "exp({x}): {error:e}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-100.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn sums_include_what_follows_the_whole_lanes() {
        for len in [0, 1, 15, 16, 17, 100] {
            let row: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let expected: f32 = row.iter().map(|x| x * 3.0).sum();
            assert_eq!(sum([&row, &row], |[x, y]| x + 2.0 * y), expected);
        }
    }
}
