//! Scalar texture fields in `[-1, 1]`: cloud noise, stripes, checks, grain and gradients.

use crate::draw_rng::DrawRng;

/// A square field that wraps around, so that any offset of it is a texture of its own.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    size: usize,
    values: Vec<f32>,
}

impl Field {
    /// Value at a pixel, wrapping around.
    pub(crate) fn at(&self, x: usize, y: usize) -> f32 {
        self.values[(y % self.size) * self.size + x % self.size]
    }
}

/// Value noise summed over octaves: `sum_o gain^o noise(frequency 2^o)`, scaled to `[-1, 1]`.
///
/// `cells` is the number of lattice cells across the coarsest octave; the lattice wraps.
pub(crate) fn clouds(
    rng: &mut DrawRng,
    size: usize,
    cells: usize,
    octaves: usize,
    gain: f32,
) -> Field {
    let mut values = vec![0.0_f32; size * size];
    let (mut cells, mut amplitude, mut total) = (cells.max(1), 1.0_f32, 0.0_f32);
    let mut taps: Vec<(usize, f32)> = Vec::with_capacity(size);
    let mut blended: Vec<f32> = Vec::new();
    for _ in 0..octaves {
        if cells > size {
            break;
        }
        let lattice: Vec<f32> = (0..cells * cells).map(|_| rng.uniform(-1.0, 1.0)).collect();
        taps.clear();
        taps.extend((0..size).map(|p| {
            let at = (p as f32 + 0.5) * cells as f32 / size as f32;
            let t = at.fract();
            (at as usize % cells, t * t * (3.0 - 2.0 * t))
        }));
        for (y, &(row, fy)) in taps.iter().enumerate() {
            let next = (row + 1) % cells;
            blended.clear();
            blended.extend((0..cells).map(|c| {
                let above = lattice[row * cells + c];
                above + fy * (lattice[next * cells + c] - above)
            }));
            blended.push(blended[0]);
            let out = &mut values[y * size..(y + 1) * size];
            for (value, &(column, fx)) in out.iter_mut().zip(&taps) {
                let left = blended[column];
                *value += amplitude * (left + fx * (blended[column + 1] - left));
            }
        }
        total += amplitude;
        amplitude *= gain;
        cells *= 2;
    }
    let scale = 1.0 / total.max(1e-6);
    values.iter_mut().for_each(|v| *v *= scale);
    Field { size, values }
}

/// How a surface is patterned.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pattern {
    /// One even value.
    Flat,
    /// A linear ramp along a direction `[cos, sin] / length`.
    Ramp([f32; 2]),
    /// An offset into the scene's cloud field, and how strongly it is folded into ridges.
    Clouds { offset: [usize; 2], fold: bool },
    /// Sine stripes with wave vector and phase.
    Stripes { wave: [f32; 2], phase: f32 },
    /// Checks with wave vector.
    Checks { wave: [f32; 2] },
    /// A soft dot lattice with wave vector.
    Dots { wave: [f32; 2] },
    /// Independent grain per pixel.
    Grain,
}

impl Pattern {
    /// A random pattern; `size` is the scene's side in pixels.
    pub(crate) fn random(rng: &mut DrawRng, size: usize) -> Self {
        let kind = rng.weighted(&[3.0, 2.0, 4.0, 1.5, 0.7, 0.7, 2.0]);
        let (sin, cos) = rng.uniform(0.0, std::f32::consts::TAU).sin_cos();
        let period = rng.log_uniform(5.0, 16.0);
        let wave = std::f32::consts::TAU / period;
        let wave = [wave * cos, wave * sin];
        match kind {
            0 => Self::Flat,
            1 => {
                let length = rng.uniform(0.4, 1.2) * size as f32;
                Self::Ramp([2.0 * cos / length, 2.0 * sin / length])
            }
            2 => Self::Clouds {
                offset: [rng.int(0, size - 1), rng.int(0, size - 1)],
                fold: rng.chance(0.3),
            },
            3 => Self::Stripes {
                wave,
                phase: rng.uniform(0.0, std::f32::consts::TAU),
            },
            4 => Self::Checks { wave },
            5 => Self::Dots { wave },
            _ => Self::Grain,
        }
    }

    /// Whether the pattern has edges at the scale of thin structures.
    pub(crate) fn is_busy(self) -> bool {
        !matches!(self, Self::Flat | Self::Ramp(_))
    }

    /// The pattern's value, about `[-1, 1]`, at a pixel.
    pub(crate) fn value(self, x: usize, y: usize, clouds: &Field, rng: &mut DrawRng) -> f32 {
        let (fx, fy) = (x as f32, y as f32);
        match self {
            Self::Flat => 0.0,
            Self::Ramp([gx, gy]) => {
                let half = clouds.size as f32 / 2.0;
                gx * (fx - half) + gy * (fy - half)
            }
            Self::Clouds {
                offset: [ox, oy],
                fold,
            } => {
                let value = clouds.at(x + ox, y + oy);
                if fold {
                    1.0 - 4.0 * value.abs()
                } else {
                    1.6 * value
                }
            }
            Self::Stripes {
                wave: [kx, ky],
                phase,
            } => (kx * fx + ky * fy + phase).sin(),
            Self::Checks { wave: [kx, ky] } => {
                let product = (kx * fx + ky * fy).sin() * (kx * fy - ky * fx).sin();
                if product >= 0.0 { 0.7 } else { -0.7 }
            }
            Self::Dots { wave: [kx, ky] } => (kx * fx + ky * fy).sin() * (kx * fy - ky * fx).sin(),
            Self::Grain => 0.6 * rng.normal(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::clouds;
    use crate::draw_rng::DrawRng;

    #[test]
    fn clouds_are_bounded_varied_and_continuous() {
        let mut rng = DrawRng::new(3, 0);
        let field = clouds(&mut rng, 64, 4, 3, 0.5);
        let values = &field.values;
        assert!(values.iter().all(|v| v.abs() <= 1.0));
        let high = values.iter().copied().fold(f32::MIN, f32::max);
        let low = values.iter().copied().fold(f32::MAX, f32::min);
        assert!(high - low > 0.5, "{low}..{high}");
        // Wraps: the step across the seam is no larger than a step inside may be.
        for y in 0..64 {
            assert!((field.at(63, y) - field.at(64, y)).abs() < 0.8);
        }
    }
}
