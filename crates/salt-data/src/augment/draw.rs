//! The draw: everything that is random about one sample, at once.

use super::{Augment, Clahe, blur, noise};
use crate::draw_rng::DrawRng;
use crate::pixels::PAD_RGB;

impl Augment {
    /// Draws the changes for one sample. Always takes the same number of draws, in the order in which
    /// the settings came into being, so that changing one setting leaves the others' values as they
    /// were. What needs many draws (elastic, noise) gets the seed of a stream of its own.
    pub(crate) fn draw(&self, rng: &mut DrawRng) -> Drawn {
        let flip = [self.hflip, self.vflip].map(|p| f64::from(rng.unit()) < p);
        let angle_rad = symmetric(rng, self.rotate_deg).to_radians();
        let [low, high] = self.scale.map(f64::ln);
        let magnify = (low + (high - low) * f64::from(rng.unit())).exp();
        let shift = [
            symmetric(rng, self.translate),
            symmetric(rng, self.translate),
        ];
        let brightness = 1.0 + symmetric(rng, self.brightness);
        let contrast = 1.0 + symmetric(rng, self.contrast);
        let gamma = symmetric(rng, (1.0 + self.gamma).ln()).exp();
        let elastic = Strength::draw(rng, self.elastic.probability, self.elastic.alpha_px);
        let noise = Strength::draw(rng, self.noise.probability, self.noise.sigma);
        let blur = Strength::draw(rng, self.blur.probability, self.blur.sigma_px);
        let clahe = Strength::draw(rng, self.clahe.probability, self.clahe.clip_limit);
        let on_foreground = f64::from(rng.unit()) < self.foreground_crop;
        let foreground = [rng.bits(), rng.bits(), rng.bits()];
        Drawn {
            flip,
            angle_rad,
            magnify,
            shift,
            elastic: elastic.map(|one| (one, self.elastic.step_px)),
            foreground: on_foreground.then_some(foreground),
            brightness,
            contrast,
            gamma,
            clahe: clahe.map(|_| self.clahe),
            blur_px: blur.map(|one| one.amount),
            noise,
        }
    }
}

/// Uniform from `-most` to `most`.
fn symmetric(rng: &mut DrawRng, most: f64) -> f64 {
    (2.0 * f64::from(rng.unit()) - 1.0) * most
}

/// What was drawn for a change that happens with some probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Strength {
    /// Uniform from 0 to the setting's largest.
    pub(crate) amount: f64,
    /// Of the change's own stream.
    pub(crate) seed: u64,
}

impl Strength {
    /// Takes four draws whatever comes out.
    fn draw(rng: &mut DrawRng, probability: f64, most: f64) -> Option<Self> {
        let happens = f64::from(rng.unit()) < probability;
        let amount = most * f64::from(rng.unit());
        let seed = (u64::from(rng.bits()) << 32) | u64::from(rng.bits());
        happens.then_some(Self { amount, seed })
    }
}

/// What was drawn for one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Drawn {
    /// Flip along x, along y.
    pub(crate) flip: [bool; 2],
    /// Rotation.
    pub(crate) angle_rad: f64,
    /// Magnification.
    pub(crate) magnify: f64,
    /// Shift as a share of the input's side.
    pub(crate) shift: [f64; 2],
    /// Largest displacement in pixels, and the distance of the control points.
    pub(crate) elastic: Option<(Strength, usize)>,
    /// Random bits that choose the foreground pixel to show and the column and row it is shown at.
    pub(crate) foreground: Option<[u32; 3]>,
    /// Factor on all intensities.
    pub(crate) brightness: f64,
    /// Factor on the distance from the mean.
    pub(crate) contrast: f64,
    /// Exponent.
    pub(crate) gamma: f64,
    /// Equalisation as set.
    pub(crate) clahe: Option<Clahe>,
    /// Deviation of the blur, pixels.
    pub(crate) blur_px: Option<f64>,
    /// Deviation of the noise, grey levels.
    pub(crate) noise: Option<Strength>,
}

impl Drawn {
    /// Steps 3 to 5 of the order in [`super`], on an input that has been read.
    ///
    /// # Shapes
    /// * `pixels_chw`: `[3, size, size]`, RGB in 0 to 255
    pub(crate) fn filter(&self, pixels_chw: &mut [f32], size: usize) {
        if self.clahe.is_none() && self.blur_px.is_none() && self.noise.is_none() {
            return;
        }
        let padding = padding(pixels_chw, size);
        let padding = padding.as_deref();
        if let Some(clahe) = self.clahe {
            clahe.apply(pixels_chw, padding, size);
        }
        if let Some(sigma_px) = self.blur_px {
            blur::apply(pixels_chw, padding, size, sigma_px);
        }
        if let Some(strength) = self.noise {
            noise::apply(pixels_chw, padding, strength);
        }
    }
}

/// Which pixels have the exact colour of padding; `None` where none has. Its three channels are fractions
/// of their own, which a mixture of a picture's bytes hardly hits all at once.
fn padding(pixels_chw: &[f32], size: usize) -> Option<Vec<bool>> {
    let (red, rest) = pixels_chw.split_at(size * size);
    let (green, blue) = rest.split_at(size * size);
    let colours = red.iter().zip(green).zip(blue);
    let padding: Vec<bool> = colours
        .map(|((&red, &green), &blue)| [red, green, blue] == PAD_RGB)
        .collect();
    padding.contains(&true).then_some(padding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Drawn;
    use crate::augment::Augment;
    use crate::augment::tests::all;
    use crate::draw_rng::DrawRng;

    #[test]
    fn nothing_is_drawn_when_everything_is_off() {
        for stream in 0..50 {
            let drawn = Augment::none().draw(&mut DrawRng::new(5, stream));
            assert_eq!(drawn.flip, [false, false]);
            assert_eq!((drawn.elastic, drawn.foreground), (None, None));
            assert_eq!(
                (drawn.clahe, drawn.blur_px, drawn.noise),
                (None, None, None)
            );
        }
    }

    /// A setting's own values, as text, so that those of all the others can be compared.
    fn parts(drawn: &Drawn) -> Vec<String> {
        vec![
            format!("{:?}", drawn.flip[0]),
            format!("{:?}", drawn.flip[1]),
            format!("{:?}", drawn.angle_rad),
            format!("{:?}", drawn.magnify),
            format!("{:?}", drawn.shift),
            format!("{:?}", drawn.elastic),
            format!("{:?}", drawn.foreground),
            format!("{:?}", drawn.brightness),
            format!("{:?}", drawn.contrast),
            format!("{:?}", drawn.gamma),
            format!("{:?}", drawn.clahe),
            format!("{:?}", drawn.blur_px),
            format!("{:?}", drawn.noise),
        ]
    }

    proptest! {
        #[test]
        fn one_setting_does_not_disturb_the_others(seed: u64, stream: u64, share in 0.0_f64..1.0) {
            let changes: [fn(&mut Augment, f64); 13] = [
                |a, v| a.hflip = v,
                |a, v| a.vflip = v,
                |a, v| a.rotate_deg = v,
                |a, v| a.scale = [1.0, 1.0 + v],
                |a, v| a.translate = v,
                |a, v| a.elastic.probability = v,
                |a, v| a.foreground_crop = v,
                |a, v| a.brightness = v,
                |a, v| a.contrast = v,
                |a, v| a.gamma = v,
                |a, v| a.clahe.probability = v,
                |a, v| a.blur.probability = v,
                |a, v| a.noise.probability = v,
            ];
            let draw = |augment: &Augment| {
                let mut rng = DrawRng::new(seed, stream);
                let drawn = augment.draw(&mut rng);
                (parts(&drawn), rng.bits())
            };
            let (before, next) = draw(&all());
            for (changed, change) in changes.iter().enumerate() {
                let mut augment = all();
                change(&mut augment, share);
                let (after, next_after) = draw(&augment);
                prop_assert_eq!(next, next_after);
                for (k, (before, after)) in before.iter().zip(&after).enumerate() {
                    prop_assert!(k == changed || before == after, "{changed} changed {k}: {before} {after}");
                }
            }
        }
    }
}
