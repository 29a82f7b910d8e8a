//! Seeded starting values: a function of seed, layer and factor only, never of visiting order.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The stream of one factor of one layer.
pub(crate) fn stream(seed: u64, path: &str, factor: &str) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update((path.len() as u64).to_le_bytes());
    hash.update(path);
    hash.update(factor);
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// Kaiming-uniform with `a = sqrt(5)`, as PyTorch's `nn.Linear` and HF peft's `lora_A` start:
/// `U(-b, b)`, `b = 1 / sqrt(fan_in)`.
pub(crate) fn kaiming_uniform(rng: &mut impl Rng, count: usize, fan_in: usize) -> Vec<f32> {
    let bound = 1.0 / (fan_in as f32).sqrt();
    (0..count)
        .map(|_| rng.random_range(-bound..=bound))
        .collect()
}

/// Normal values of the given deviation (Box-Muller).
pub(crate) fn normal(rng: &mut impl Rng, count: usize, deviation: f64) -> Vec<f32> {
    (0..count)
        .map(|_| {
            // 1 - u lies in (0, 1], so the logarithm is finite.
            let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
            let angle = std::f64::consts::TAU * rng.random::<f64>();
            (deviation * radius * angle.cos()) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_depend_on_seed_path_and_factor() {
        let draw = |seed, path, factor| normal(&mut stream(seed, path, factor), 4, 1.0);
        assert_eq!(draw(1, "a", "x"), draw(1, "a", "x"));
        assert_ne!(draw(1, "a", "x"), draw(2, "a", "x"));
        assert_ne!(draw(1, "a", "x"), draw(1, "b", "x"));
        assert_ne!(draw(1, "a", "x"), draw(1, "a", "y"));
    }

    #[test]
    fn normal_has_its_deviation() {
        let values = normal(&mut stream(0, "p", "x"), 20_000, 0.01);
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / 20_000.0;
        let var = values
            .iter()
            .map(|v| (f64::from(*v) - mean).powi(2))
            .sum::<f64>()
            / 20_000.0;
        assert!(mean.abs() < 3e-4, "{mean}");
        assert!((var.sqrt() - 0.01).abs() < 3e-4, "{}", var.sqrt());
    }

    #[test]
    fn kaiming_stays_in_its_bounds_and_fills_them() {
        let values = kaiming_uniform(&mut stream(0, "p", "a"), 2_000, 16);
        assert!(values.iter().all(|v| v.abs() <= 0.25));
        assert!(values.iter().any(|v| *v > 0.24) && values.iter().any(|v| *v < -0.24));
    }
}
