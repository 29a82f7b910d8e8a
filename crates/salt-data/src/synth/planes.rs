//! The picture while it is painted: one (grey) or three (colour) planes of `f32` in `[0, 1]`.

use super::layer::Layer;
use super::texture::{Field, Pattern};
use crate::draw_rng::DrawRng;
use crate::pixels::ImageRgb;

/// A colour as three values in `[0, 1]`; grey pictures use the first.
pub(crate) type Colour = [f32; 3];

/// A square picture in planes.
#[derive(Debug, Clone)]
pub(crate) struct Planes {
    /// Side in pixels.
    pub(crate) size: usize,
    /// One plane (grey) or three (red, green, blue), row by row.
    pub(crate) planes: Vec<Vec<f32>>,
}

/// How a layer is laid onto the picture.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ink {
    /// Covers what lies below with this colour.
    Opaque(Colour),
    /// Shifts what lies below by this much, so that its texture shows through.
    Shift(Colour),
}

/// The surface of a painted layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surface {
    /// Colour and manner.
    pub(crate) ink: Ink,
    /// Pattern on the surface.
    pub(crate) pattern: Pattern,
    /// Strength of the pattern, in intensity.
    pub(crate) pattern_strength: f32,
    /// Relief across a tube: positive dims the wall, negative dims the axis; share of the ink.
    pub(crate) relief: f32,
}

impl Planes {
    /// A picture of one colour; `channels` is 1 or 3.
    pub(crate) fn new(size: usize, channels: usize, colour: Colour) -> Self {
        let planes = colour
            .iter()
            .take(channels)
            .map(|&v| vec![v; size * size])
            .collect();
        Self { size, planes }
    }

    /// Paints `layer`.
    pub(crate) fn paint(
        &mut self,
        rng: &mut DrawRng,
        layer: &Layer,
        surface: Surface,
        clouds: &Field,
    ) {
        let area = layer.bounds();
        for y in area.y0..area.y1 {
            for x in area.x0..area.x1 {
                let i = y * self.size + x;
                let coverage = layer.coverage[i];
                if coverage <= 0.0 {
                    continue;
                }
                let pattern = surface.pattern_strength * surface.pattern.value(x, y, clouds, rng);
                let across = layer.across[i].min(1.0);
                let relief = 1.0 - surface.relief.max(0.0) * across * across
                    + surface.relief.min(0.0) * (1.0 - across * across);
                for (channel, plane) in self.planes.iter_mut().enumerate() {
                    let below = plane[i];
                    let above = match surface.ink {
                        Ink::Opaque(colour) => below + relief * (colour[channel] - below) + pattern,
                        Ink::Shift(colour) => below + relief * colour[channel] + pattern,
                    };
                    plane[i] = below + coverage * (above - below);
                }
            }
        }
    }

    /// Mean intensity over the pixels where `mask` holds.
    pub(crate) fn mean_where(&self, mask: &[bool]) -> f32 {
        let (mut sum, mut count) = (0.0_f32, 0_usize);
        for (i, _) in mask.iter().enumerate().filter(|(_, m)| **m) {
            sum += self.planes.iter().map(|plane| plane[i]).sum::<f32>();
            count += self.planes.len();
        }
        sum / count.max(1) as f32
    }

    /// Rounds to 8 bits, interleaved RGB; grey is repeated.
    pub(crate) fn to_image(&self) -> ImageRgb {
        let quantise = |v: f32| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        let mut data = vec![0_u8; self.size * self.size * 3];
        let last = self.planes.len() - 1;
        for (channel, plane) in [
            &self.planes[0],
            &self.planes[last.min(1)],
            &self.planes[last],
        ]
        .into_iter()
        .enumerate()
        {
            for (i, &value) in plane.iter().enumerate() {
                data[3 * i + channel] = quantise(value);
            }
        }
        ImageRgb {
            width: self.size,
            height: self.size,
            data,
        }
    }
}
