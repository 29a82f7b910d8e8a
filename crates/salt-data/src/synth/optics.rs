//! What a camera does to a picture: blur, uneven light, apertures, noise and artefacts.

use super::planes::Planes;
use crate::draw_rng::DrawRng;

/// Gaussian blur of every plane with clamped borders; `sigma_px` below 0.2 changes nothing.
pub(crate) fn blur(picture: &mut Planes, sigma_px: f32) {
    if sigma_px < 0.2 {
        return;
    }
    let reach = (2.6 * sigma_px).ceil() as usize;
    let mut kernel: Vec<f32> = (0..=reach)
        .map(|k| (-0.5 * (k as f32 / sigma_px).powi(2)).exp())
        .collect();
    let total = kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>();
    kernel.iter_mut().for_each(|k| *k /= total);
    let size = picture.size;
    let mut padded = vec![0.0_f32; size + 2 * reach];
    let mut turned = vec![0.0_f32; size * size];
    for plane in &mut picture.planes {
        for row in plane.chunks_exact_mut(size) {
            padded[..reach].fill(row[0]);
            padded[reach..reach + size].copy_from_slice(row);
            padded[reach + size..].fill(row[size - 1]);
            row.iter_mut()
                .zip(&padded[reach..])
                .for_each(|(out, v)| *out = kernel[0] * v);
            for (k, weight) in kernel.iter().enumerate().skip(1) {
                let left = &padded[reach - k..reach - k + size];
                let right = &padded[reach + k..reach + k + size];
                for ((out, l), r) in row.iter_mut().zip(left).zip(right) {
                    *out += weight * (l + r);
                }
            }
        }
        for (y, out) in turned.chunks_exact_mut(size).enumerate() {
            let source = |k: usize| {
                let row = k.clamp(reach, reach + size - 1) - reach;
                &plane[row * size..(row + 1) * size]
            };
            out.iter_mut()
                .zip(source(y + reach))
                .for_each(|(out, v)| *out = kernel[0] * v);
            for (k, weight) in kernel.iter().enumerate().skip(1) {
                let (above, below) = (source(y + reach - k), source(y + reach + k));
                for ((out, a), b) in out.iter_mut().zip(above).zip(below) {
                    *out += weight * (a + b);
                }
            }
        }
        plane.copy_from_slice(&turned);
    }
}

/// Multiplies by a ramp or a vignette of the given `strength` (share of the light lost at worst).
pub(crate) fn light(picture: &mut Planes, rng: &mut DrawRng, strength: f32) {
    let size = picture.size as f32;
    let vignette = rng.chance(0.5);
    let centre = [
        rng.uniform(0.25, 0.75) * size,
        rng.uniform(0.25, 0.75) * size,
    ];
    let (sin, cos) = rng.uniform(0.0, std::f32::consts::TAU).sin_cos();
    let far = 1.0 / (0.5 * size * size);
    for plane in &mut picture.planes {
        for (y, row) in plane.chunks_exact_mut(picture.size).enumerate() {
            let dy = y as f32 - centre[1];
            for (x, value) in row.iter_mut().enumerate() {
                let dx = x as f32 - centre[0];
                let loss = if vignette {
                    (dx * dx + dy * dy) * far
                } else {
                    0.5 + (dx * cos + dy * sin) / size
                };
                *value *= 1.0 - strength * loss.clamp(0.0, 1.0);
            }
        }
    }
}

/// A stop in the light path: everything outside of a disc or beyond a cut is blank.
#[derive(Debug, Clone)]
pub(crate) struct Aperture {
    /// Share of every pixel that lies inside.
    share: Vec<f32>,
    /// Intensity of the blank part.
    blank: f32,
}

impl Aperture {
    /// A random stop for a picture of `size` pixels a side.
    pub(crate) fn random(size: usize, rng: &mut DrawRng) -> Self {
        let side = size as f32;
        let disc = rng.chance(0.7);
        let radius = rng.uniform(0.55, 1.6) * side;
        let (sin, cos) = rng.uniform(0.0, std::f32::consts::TAU).sin_cos();
        let blank = if rng.chance(0.85) {
            rng.uniform(0.0, 0.06)
        } else {
            rng.uniform(0.8, 1.0)
        };
        // The rim passes at `edge` from the middle of the picture, towards `[cos, sin]`.
        let edge = rng.uniform(0.25, 0.6) * side;
        let share = (0..size * size)
            .map(|i| {
                let dx = (i % size) as f32 + 0.5 - 0.5 * side;
                let dy = (i / size) as f32 + 0.5 - 0.5 * side;
                let depth = if disc {
                    radius - (dx - (edge - radius) * cos).hypot(dy - (edge - radius) * sin)
                } else {
                    edge - (dx * cos + dy * sin)
                };
                (depth + 0.5).clamp(0.0, 1.0)
            })
            .collect();
        Self { share, blank }
    }

    /// Whether pixel `i` lies mostly inside.
    pub(crate) fn sees(&self, i: usize) -> bool {
        self.share[i] >= 0.5
    }

    /// Blanks what lies outside.
    pub(crate) fn apply(&self, picture: &mut Planes) {
        for plane in &mut picture.planes {
            for (value, share) in plane.iter_mut().zip(&self.share) {
                *value = self.blank + share * (*value - self.blank);
            }
        }
    }
}

/// Noise settings, in intensity.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Noise {
    /// Deviation of additive noise.
    pub(crate) additive: f32,
    /// Deviation of noise proportional to the intensity (speckle).
    pub(crate) speckle: f32,
    /// Share of pixels replaced by black or white.
    pub(crate) dead: f32,
    /// Whether the three channels get noise of their own.
    pub(crate) coloured: bool,
}

/// Adds noise.
pub(crate) fn noise(picture: &mut Planes, rng: &mut DrawRng, how: Noise) {
    let pixels = picture.size * picture.size;
    if how.additive > 0.0 || how.speckle > 0.0 {
        for i in 0..pixels {
            let mut draw = rng.normal();
            for plane in &mut picture.planes {
                plane[i] += draw * (how.additive + how.speckle * plane[i]);
                if how.coloured {
                    draw = rng.normal();
                }
            }
        }
    }
    for _ in 0..(how.dead * pixels as f32) as usize {
        let i = rng.int(0, pixels - 1);
        let value = rng.int(0, 1) as f32;
        picture.planes.iter_mut().for_each(|plane| plane[i] = value);
    }
}

/// Concentric ripples of the given amplitude, as of a misaligned scanner.
pub(crate) fn ripples(picture: &mut Planes, rng: &mut DrawRng, amplitude: f32) {
    let size = picture.size as f32;
    let centre = [rng.uniform(-0.5, 1.5) * size, rng.uniform(-0.5, 1.5) * size];
    let wave = std::f32::consts::TAU / rng.uniform(4.0, 14.0);
    for y in 0..picture.size {
        let dy = y as f32 - centre[1];
        for x in 0..picture.size {
            let ripple = amplitude * (wave * (x as f32 - centre[0]).hypot(dy)).sin();
            for plane in &mut picture.planes {
                plane[y * picture.size + x] += ripple;
            }
        }
    }
}

/// Coarse quantisation of the cosine transform of 8x8 blocks: what heavy JPEG compression leaves.
///
/// `quality_step` is the quantiser step of the lowest frequency in intensity; it grows linearly with
/// the frequency, like the tables of ITU T.81 annex K.
pub(crate) fn blocks(picture: &mut Planes, quality_step: f32) {
    let basis: [[f32; 8]; 8] = std::array::from_fn(|u| {
        let scale = if u == 0 { 0.125_f32.sqrt() } else { 0.5 };
        std::array::from_fn(|x| {
            scale * ((2 * x + 1) as f32 * u as f32 * std::f32::consts::PI / 16.0).cos()
        })
    });
    let size = picture.size;
    for plane in &mut picture.planes {
        for by in (0..size / 8 * 8).step_by(8) {
            for bx in (0..size / 8 * 8).step_by(8) {
                let mut block: [[f32; 8]; 8] = std::array::from_fn(|y| {
                    std::array::from_fn(|x| plane[(by + y) * size + bx + x])
                });
                block = transform(&transform(&block, &basis, false), &basis, false);
                for (u, row) in block.iter_mut().enumerate() {
                    for (v, value) in row.iter_mut().enumerate() {
                        let step = quality_step * (1.0 + 0.7 * (u + v) as f32);
                        *value = (*value / step).round() * step;
                    }
                }
                block = transform(&transform(&block, &basis, true), &basis, true);
                for (y, row) in block.iter().enumerate() {
                    plane[(by + y) * size + bx..][..8].copy_from_slice(row);
                }
            }
        }
    }
}

/// Transforms the rows of a block and turns it on its side; twice does both axes.
fn transform(block: &[[f32; 8]; 8], basis: &[[f32; 8]; 8], inverse: bool) -> [[f32; 8]; 8] {
    let mut out = [[0.0_f32; 8]; 8];
    for (r, row) in block.iter().enumerate() {
        for k in 0..8 {
            let mut sum = 0.0;
            for (x, value) in row.iter().enumerate() {
                sum += value * if inverse { basis[x][k] } else { basis[k][x] };
            }
            out[k][r] = sum;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Noise, blocks, blur, noise};
    use crate::draw_rng::DrawRng;
    use crate::synth::planes::Planes;

    fn ramp() -> Planes {
        let mut picture = Planes::new(16, 1, [0.0; 3]);
        picture.planes[0]
            .iter_mut()
            .enumerate()
            .for_each(|(i, v)| *v = (i * 7 % 16) as f32 / 16.0);
        picture
    }

    #[test]
    fn blur_keeps_an_even_picture_and_spreads_a_point() {
        let mut even = Planes::new(12, 3, [0.25, 0.5, 0.75]);
        blur(&mut even, 1.5);
        assert!(even.planes[1].iter().all(|v| (v - 0.5).abs() < 1e-5));
        let mut point = Planes::new(15, 1, [0.0; 3]);
        point.planes[0][7 * 15 + 7] = 1.0;
        blur(&mut point, 1.0);
        let total: f32 = point.planes[0].iter().sum();
        assert!((total - 1.0).abs() < 1e-4, "{total}");
        // Gaussian of sigma 1 (truncated at 3 pixels) at its centre and one pixel aside.
        assert!((point.planes[0][7 * 15 + 7] - 0.1594).abs() < 2e-3);
        assert!((point.planes[0][7 * 15 + 8] - point.planes[0][8 * 15 + 7]).abs() < 1e-6);
    }

    #[test]
    fn fine_quantisation_of_blocks_is_the_identity() {
        let mut picture = ramp();
        blocks(&mut picture, 1e-6);
        for (a, b) in picture.planes[0].iter().zip(&ramp().planes[0]) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
        blocks(&mut picture, 0.5);
        assert!(
            picture.planes[0]
                .iter()
                .zip(&ramp().planes[0])
                .any(|(a, b)| (a - b).abs() > 0.02)
        );
    }

    #[test]
    fn noise_has_the_deviation_asked_for() {
        let mut picture = Planes::new(96, 1, [0.5; 3]);
        let how = Noise {
            additive: 0.05,
            ..Noise::default()
        };
        noise(&mut picture, &mut DrawRng::new(0, 0), how);
        let n = picture.planes[0].len() as f32;
        let variance = picture.planes[0]
            .iter()
            .map(|v| (v - 0.5).powi(2))
            .sum::<f32>()
            / n;
        assert!((variance.sqrt() - 0.05).abs() < 0.003);
    }
}
