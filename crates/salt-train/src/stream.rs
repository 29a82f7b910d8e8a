//! Draws from a random stream, written out so that they do not change with a version of `rand`.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// A stream at some address; who opens it says which.
pub(crate) struct Stream(pub(crate) ChaCha8Rng);

impl Stream {
    /// Uniform in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform below `n`, which must be positive.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n - 1)
    }
}
