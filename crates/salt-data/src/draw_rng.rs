//! The one source of chance of this crate: a ChaCha8 stream with the few distributions we need.
//!
//! The conversions are written out here instead of taken from `rand`, because `rand` may change
//! how a range is sampled between versions, and a generated data set must not change with it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A random stream addressed by (seed, stream): equal addresses give equal draws on every machine.
#[derive(Debug, Clone)]
pub(crate) struct DrawRng(ChaCha8Rng);

impl DrawRng {
    /// Opens stream `stream` of generator `seed`; streams of one seed do not overlap.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// The next 32 random bits.
    pub(crate) fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Uniform in `[0, 1)` with 24 random bits, the precision of an `f32`.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.bits() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in `[low, high)`.
    pub(crate) fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform on a logarithmic scale in `[low, high)`, both positive.
    pub(crate) fn log_uniform(&mut self, low: f32, high: f32) -> f32 {
        self.uniform(low.ln(), high.ln()).exp()
    }

    /// Uniform integer in `low..=high`.
    ///
    /// Multiplying 32 bits by the span is biased by less than span / 2^32, which is nothing here.
    pub(crate) fn int(&mut self, low: usize, high: usize) -> usize {
        let span = (high - low + 1) as u64;
        low + ((u64::from(self.bits()) * span) >> 32) as usize
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// `1.0` or `-1.0`, equally likely.
    pub(crate) fn sign(&mut self) -> f32 {
        if self.bits() & 1 == 0 { 1.0 } else { -1.0 }
    }

    /// Nearly normal with mean 0 and deviation 1: the sum of the four bytes of one word.
    ///
    /// An Irwin-Hall sum reaches ±3.45 and costs a tenth of Box-Muller; pixel noise needs no tails.
    pub(crate) fn normal(&mut self) -> f32 {
        // Variance of one byte is (256^2 - 1) / 12; of four bytes, its fourfold.
        const SCALE: f32 = 1.0 / 147.800_76;
        let sum: u32 = self
            .bits()
            .to_le_bytes()
            .iter()
            .map(|&b| u32::from(b))
            .sum();
        (sum as f32 - 510.0) * SCALE
    }

    /// Shuffles a slice, every order equally likely (Fisher-Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.int(0, last));
        }
    }

    /// Index drawn with probability proportional to `weights`.
    pub(crate) fn weighted(&mut self, weights: &[f32]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f32>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::DrawRng;

    #[test]
    fn equal_addresses_give_equal_draws_and_others_do_not() {
        let draw = |seed, stream| {
            let mut rng = DrawRng::new(seed, stream);
            (0..8).map(|_| rng.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 3), draw(7, 3));
        assert_ne!(draw(7, 3), draw(7, 4));
        assert_ne!(draw(7, 3), draw(8, 3));
    }

    #[test]
    fn normal_has_mean_zero_and_deviation_one() {
        let mut rng = DrawRng::new(1, 0);
        let values: Vec<f64> = (0..40_000).map(|_| f64::from(rng.normal())).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.02, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.03, "variance {variance}");
    }

    #[test]
    fn integers_cover_their_closed_range() {
        let mut rng = DrawRng::new(2, 0);
        let mut seen = [false; 4];
        for _ in 0..200 {
            seen[rng.int(3, 6) - 3] = true;
        }
        assert_eq!(seen, [true; 4]);
    }
}
