//! Where a scene is made: the picture, what was painted on it and what still shows.

use super::layer::Layer;
use super::optics::{self, Aperture, Noise};
use super::planes::{Colour, Ink, Planes, Surface};
use super::scenes::{DENSE_CLASSES, Instance, MIN_INSTANCE_PX, Scene};
use super::shape::ShapeKind;
use super::texture::{Field, Pattern, clouds};
use super::{solids, strokes};
use crate::draw_rng::DrawRng;

/// A structure as painted, before occlusion is settled.
struct Painted {
    kind: ShapeKind,
    mask: Vec<bool>,
    fine: Vec<bool>,
    dark: bool,
}

/// The scene while it is made.
pub(super) struct Studio {
    rng: DrawRng,
    size: usize,
    picture: Planes,
    clouds: Field,
    layer: Layer,
    painted: Vec<Painted>,
    contrast: f32,
    polarity: Option<f32>,
    /// 1 for colour, 0 for grey: a grey picture has no tint.
    vivid: f32,
    /// How much easier than drawn, 0 to 1 (see [`super::scenes::draw_eased`]).
    ease: f32,
}

/// Lowest contrast of the easiest scene.
const EASY_CONTRAST: f32 = 0.3;

impl Studio {
    /// A background of one colour and pattern; contrast and polarity are chosen with it.
    pub(super) fn open(size: usize, mut rng: DrawRng, ease: f32) -> Self {
        let cells = rng.int(2, 9);
        let octaves = rng.int(2, 4);
        let gain = rng.uniform(0.4, 0.8);
        let clouds = clouds(&mut rng, size, cells, octaves, gain);
        let coloured = rng.chance(0.55);
        let vivid = if coloured { 1.0 } else { 0.0 };
        let grey = rng.uniform(0.1, 0.9);
        // Dark structures need a ground that they can be darker than.
        let grey = grey + ease * (0.9 - grey) * 0.6;
        let tint = vivid * rng.uniform(0.05, 0.4);
        let ground = tinted(&mut rng, grey, tint);
        let mut picture = Planes::new(size, if coloured { 3 } else { 1 }, ground);
        let pattern = Pattern::random(&mut rng, size);
        let contrast = rng.log_uniform(0.1, 0.5);
        let contrast = contrast + ease * (EASY_CONTRAST - contrast).max(0.0);
        // A pattern much stronger than the contrast would hide what is to be found.
        let strongest = if pattern.is_busy() {
            0.5 * contrast
        } else {
            contrast
        }
        .min(0.15);
        let strength = if rng.chance(0.25) {
            0.0
        } else {
            rng.log_uniform(0.2, 1.0) * strongest * (1.0 - ease)
        };
        let shift = tinted(&mut rng, strength, 0.6 * vivid * strength);
        for y in 0..size {
            for x in 0..size {
                let value = pattern.value(x, y, &clouds, &mut rng);
                for (plane, amount) in picture.planes.iter_mut().zip(shift) {
                    plane[y * size + x] += amount * value;
                }
            }
        }
        let polarity = if rng.chance(0.6) {
            Some(rng.sign())
        } else {
            None
        };
        let polarity = if rng.chance(ease) {
            Some(-1.0)
        } else {
            polarity
        };
        let layer = Layer::new(size);
        Self {
            rng,
            size,
            picture,
            clouds,
            layer,
            painted: Vec::new(),
            contrast,
            polarity,
            vivid,
            ease,
        }
    }

    /// The stream, for decisions made outside.
    pub(super) fn rng(&mut self) -> &mut DrawRng {
        &mut self.rng
    }

    /// Soft clouds and steps of brightness: edges that belong to nothing.
    pub(super) fn distractors(&mut self) {
        let side = self.size as f32;
        let rng = &mut self.rng;
        if rng.chance(0.3) {
            let (sin, cos) = rng.uniform(0.0, std::f32::consts::TAU).sin_cos();
            let offset = rng.uniform(-0.3, 0.3) * side;
            let amount = rng.sign() * rng.uniform(0.03, 0.18) * (1.0 - self.ease);
            let softness = rng.log_uniform(1.0, 14.0);
            for y in 0..self.size {
                for x in 0..self.size {
                    let [dx, dy] = [x as f32 - side * 0.5, y as f32 - side * 0.5];
                    let share = ((dx * cos + dy * sin - offset) / softness).clamp(-0.5, 0.5);
                    for plane in &mut self.picture.planes {
                        plane[y * self.size + x] += amount * share;
                    }
                }
            }
        }
        for _ in 0..rng.weighted(&[2.0, 1.0, 1.0, 1.0]) {
            let centre = [rng.unit() * side, rng.unit() * side];
            let reach = rng.uniform(0.1, 0.5) * side;
            let amount = rng.sign() * rng.uniform(0.03, 0.2) * (1.0 - self.ease);
            let colour = tinted(rng, amount, 0.5 * self.vivid * amount.abs());
            let inverse2 = 1.0 / (reach * reach);
            for y in 0..self.size {
                for x in 0..self.size {
                    let [dx, dy] = [x as f32 - centre[0], y as f32 - centre[1]];
                    let fade = (1.0 - (dx * dx + dy * dy) * inverse2).max(0.0);
                    if fade > 0.0 {
                        for (plane, amount) in self.picture.planes.iter_mut().zip(colour) {
                            plane[y * self.size + x] += amount * fade * fade;
                        }
                    }
                }
            }
        }
    }

    /// Adds compact objects; `alike` ones share kind and size, like cells.
    pub(super) fn objects(&mut self, count: usize, alike: bool) {
        let side = self.size as f32;
        let template = self.rng.clone();
        let alike_reach = self.rng.uniform(0.05, 0.11) * side;
        for _ in 0..count {
            let rng = &mut self.rng;
            let centre = [
                rng.uniform(0.03, 0.97) * side,
                rng.uniform(0.03, 0.97) * side,
            ];
            let solid = if alike {
                // Same kind for all, from the same draws; size and place vary.
                let reach = alike_reach * rng.uniform(0.75, 1.25);
                solids::draw(&mut template.clone(), centre, reach.max(4.0))
            } else {
                let reach = (rng.log_uniform(0.05, 0.42) * side).max(4.0);
                solids::draw(rng, centre, reach)
            };
            self.layer.clear();
            self.layer.fill(&solid.contours);
            self.lay(solid.kind);
        }
    }

    /// Adds thin structures; one that fills the picture is the last.
    pub(super) fn thin(&mut self, count: usize) {
        for _ in 0..count {
            self.layer.clear();
            let kind = strokes::draw(&mut self.rng, &mut self.layer, self.size);
            self.lay(kind);
            if kind == ShapeKind::Network || kind == ShapeKind::Grid {
                break;
            }
        }
    }

    /// Paints the layer as one structure and settles what it hides.
    fn lay(&mut self, kind: ShapeKind) {
        let mask = self.layer.mask();
        if !mask.contains(&true) {
            return;
        }
        let rng = &mut self.rng;
        let thin = kind.is_thin();
        let below = self.picture.mean_where(&mask);
        let contrast = (self.contrast * rng.uniform(0.7, 1.5)).min(0.6);
        let wanted = self.polarity.unwrap_or_else(|| rng.sign());
        // Without room for the contrast on one side, take the other.
        let room = if wanted > 0.0 {
            0.98 - below
        } else {
            below - 0.02
        };
        let sign = if room >= contrast.min(0.45) {
            wanted
        } else {
            -wanted
        };
        let shift = tinted(
            rng,
            sign * contrast,
            tint_share(thin) * self.vivid * contrast,
        );
        let opaque = rng.chance(if thin { 0.35 } else { 0.7 });
        let ink = if opaque {
            Ink::Opaque(shift.map(|s| below + s))
        } else {
            Ink::Shift(shift)
        };
        let textured = if thin { 0.25 } else { 0.6 };
        let pattern_strength = if rng.chance(textured) {
            contrast * rng.uniform(0.1, 0.6) * (1.0 - self.ease)
        } else {
            0.0
        };
        let pattern = Pattern::random(rng, self.size);
        let relief = match rng.weighted(&[5.0, 2.5, 1.5]) {
            1 if thin => rng.uniform(0.2, 0.7),
            2 if thin => -rng.uniform(0.2, 0.6),
            _ => 0.0,
        };
        let surface = Surface {
            ink,
            pattern,
            pattern_strength,
            relief,
        };
        self.picture.paint(rng, &self.layer, surface, &self.clouds);
        let dark = self.picture.mean_where(&mask) < below;
        if opaque {
            let area = self.layer.bounds();
            for earlier in &mut self.painted {
                for y in area.y0..area.y1 {
                    let span = y * self.size + area.x0..y * self.size + area.x1;
                    let hidden = earlier.mask[span.clone()].iter_mut().zip(&mask[span]);
                    hidden.for_each(|(seen, &covered)| *seen &= !covered);
                }
            }
        }
        let fine = if thin {
            mask.iter()
                .zip(&self.layer.radius)
                .map(|(&m, &r)| m && r <= 1.25)
                .collect()
        } else {
            Vec::new()
        };
        self.painted.push(Painted {
            kind,
            mask,
            fine,
            dark,
        });
    }

    /// Takes the picture and gathers the masks.
    pub(super) fn expose(mut self) -> Scene {
        self.ensure_one();
        let rng = &mut self.rng;
        let hard = 1.0 - self.ease;
        let finest = self.painted.iter().any(|p| p.fine.contains(&true));
        if rng.chance(0.45) {
            let strength = rng.uniform(0.1, 0.65) * hard;
            optics::light(&mut self.picture, rng, strength);
        }
        if rng.chance(0.65) {
            let sigma = rng.uniform(0.3, if finest { 0.95 } else { 2.0 });
            let sigma = 0.3 + (sigma - 0.3) * hard;
            optics::blur(&mut self.picture, sigma);
        }
        if rng.chance(0.15) {
            let stop = Aperture::random(self.size, rng);
            // A stop that hides everything is left out: a scene has at least one instance.
            let visible = |p: &Painted| {
                let seen = p
                    .mask
                    .iter()
                    .enumerate()
                    .filter(|&(i, &m)| m && stop.sees(i));
                seen.count() >= MIN_INSTANCE_PX
            };
            if self.painted.iter().any(visible) {
                stop.apply(&mut self.picture);
                for painted in &mut self.painted {
                    for (i, m) in painted.mask.iter_mut().enumerate() {
                        *m &= stop.sees(i);
                    }
                }
            }
        }
        if rng.chance(0.08) {
            let amplitude = self.contrast * rng.uniform(0.08, 0.3) * hard;
            optics::ripples(&mut self.picture, rng, amplitude);
        }
        // Noise is bounded by the contrast: what cannot be seen cannot be learnt.
        let ceiling = (0.5 * self.contrast).min(0.12) * hard;
        let additive = if rng.chance(0.7) {
            rng.uniform(0.0, ceiling)
        } else {
            0.0
        };
        let speckle = if rng.chance(0.3) {
            rng.uniform(0.0, 1.3 * ceiling)
        } else {
            0.0
        };
        let dead = if rng.chance(0.05) {
            rng.uniform(0.0, 0.02)
        } else {
            0.0
        };
        let correlated = rng.chance(0.3);
        let how = Noise {
            additive,
            speckle,
            dead,
            coloured: rng.chance(0.6),
        };
        optics::noise(&mut self.picture, rng, how);
        if correlated && additive > 0.0 {
            // Grain larger than a pixel, as after demosaicing or resampling.
            optics::blur(&mut self.picture, 0.6);
        }
        if rng.chance(0.12) {
            let step = self.contrast * rng.uniform(0.05, 0.3);
            optics::blocks(&mut self.picture, step);
        }
        let dense = self.dense();
        let instances = self
            .painted
            .into_iter()
            .filter(|p| p.mask.iter().filter(|&&m| m).count() >= MIN_INSTANCE_PX)
            .map(|p| Instance {
                kind: p.kind,
                mask: p.mask,
            })
            .collect::<Vec<_>>();
        Scene {
            image: self.picture.to_image(),
            instances,
            dense,
        }
    }

    /// Adds an ellipse when nothing drawn so far is large enough to be prompted.
    fn ensure_one(&mut self) {
        let enough = (self.size * self.size / 160).max(2 * MIN_INSTANCE_PX);
        let large = |p: &Painted| p.mask.iter().filter(|&&m| m).count() >= enough;
        if self.painted.iter().any(large) {
            return;
        }
        let side = self.size as f32;
        let reach = self.rng.uniform(0.12, 0.3) * side;
        let solid = solids::draw_kind(&mut self.rng, [side * 0.5; 2], reach, ShapeKind::Ellipse);
        self.layer.clear();
        self.layer.fill(&solid.contours);
        self.lay(solid.kind);
    }

    fn dense(&self) -> Vec<Vec<bool>> {
        let pixels = self.size * self.size;
        let mut dense = vec![vec![false; pixels]; DENSE_CLASSES.len()];
        for painted in &self.painted {
            if painted.kind.is_thin() {
                for (i, _) in painted.mask.iter().enumerate().filter(|(_, m)| **m) {
                    dense[1][i] = true;
                    dense[3][i] |= painted.fine[i];
                    dense[4][i] |= painted.dark;
                }
            } else {
                for (i, _) in painted.mask.iter().enumerate().filter(|(_, m)| **m) {
                    dense[0][i] = true;
                }
                outline(&painted.mask, self.size, &mut dense[2]);
            }
        }
        dense
    }
}

/// How far thin and compact structures may differ in colour, relative to their contrast.
fn tint_share(thin: bool) -> f32 {
    if thin { 0.5 } else { 0.9 }
}

/// `value` in all channels, each moved by up to `tint`, with the mean kept.
fn tinted(rng: &mut DrawRng, value: f32, tint: f32) -> Colour {
    let moves: Colour = std::array::from_fn(|_| rng.uniform(-tint, tint));
    let mean = moves.iter().sum::<f32>() / 3.0;
    moves.map(|m| value + m - mean)
}

/// Marks the pixels on both sides of every edge of `mask`; the border of the picture is no edge.
fn outline(mask: &[bool], size: usize, out: &mut [bool]) {
    for y in 0..size {
        for x in 0..size {
            let i = y * size + x;
            if x + 1 < size && mask[i] != mask[i + 1] {
                out[i] = true;
                out[i + 1] = true;
            }
            if y + 1 < size && mask[i] != mask[i + size] {
                out[i] = true;
                out[i + size] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::outline;

    #[test]
    fn outlines_are_two_pixels_thick_and_ignore_the_border() {
        let mask: Vec<bool> = (0..64).map(|i| i % 8 < 4).collect();
        let mut out = vec![false; 64];
        outline(&mask, 8, &mut out);
        let columns: Vec<usize> = (0..8).filter(|&x| out[3 * 8 + x]).collect();
        assert_eq!(columns, [3, 4]);
    }
}
