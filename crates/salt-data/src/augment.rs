//! Random changes of a training sample: geometry shared by image and labels, then intensities.
//!
//! One [`Drawn`] holds everything that was drawn for a sample, so that image and labels cannot come
//! apart: both are read in one pass through the same [`Warp`].

use crate::draw_rng::DrawRng;
use crate::error::DataError;

/// How strongly training samples are varied. The default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Probability of a left-right flip.
    pub hflip: f64,
    /// Probability of an upside-down flip.
    pub vflip: f64,
    /// Largest rotation either way, degrees.
    pub rotate_deg: f64,
    /// Smallest and largest magnification.
    pub scale: [f64; 2],
    /// Largest shift either way along each axis, as a share of the input's side.
    pub translate: f64,
    /// Largest relative change of brightness.
    pub brightness: f64,
    /// Largest relative change of contrast around the image's mean.
    pub contrast: f64,
    /// Largest relative change of the gamma exponent, which lies in `[1 / (1 + gamma), 1 + gamma]`.
    pub gamma: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Self::none()
    }
}

impl Augment {
    /// No change at all.
    pub fn none() -> Self {
        Self {
            hflip: 0.0,
            vflip: 0.0,
            rotate_deg: 0.0,
            scale: [1.0, 1.0],
            translate: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            gamma: 0.0,
        }
    }

    /// What suits pictures without an up or down, such as vessels.
    pub fn standard() -> Self {
        Self {
            hflip: 0.5,
            vflip: 0.5,
            rotate_deg: 45.0,
            scale: [0.8, 1.25],
            translate: 0.0,
            brightness: 0.2,
            contrast: 0.2,
            gamma: 0.2,
        }
    }

    /// Confirms that every setting is in its range.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        let settings: [(&'static str, f64, f64, &'static str); 7] = [
            ("hflip", self.hflip, 1.0, "a probability from 0 to 1"),
            ("vflip", self.vflip, 1.0, "a probability from 0 to 1"),
            (
                "rotate_deg",
                self.rotate_deg,
                180.0,
                "from 0 to 180 degrees",
            ),
            ("translate", self.translate, 1.0, "a share from 0 to 1"),
            ("brightness", self.brightness, 1.0, "from 0 to 1"),
            ("contrast", self.contrast, 1.0, "from 0 to 1"),
            ("gamma", self.gamma, 4.0, "from 0 to 4"),
        ];
        for (name, value, most, expected) in settings {
            if !(0.0..=most).contains(&value) {
                return Err(DataError::Setting {
                    name,
                    expected,
                    received: value.to_string(),
                });
            }
        }
        let [low, high] = self.scale;
        if !(low >= 0.1 && low <= high && high <= 10.0) {
            return Err(DataError::Setting {
                name: "scale",
                expected: "[smallest, largest] with 0.1 <= smallest <= largest <= 10",
                received: format!("[{low}, {high}]"),
            });
        }
        Ok(())
    }

    /// Draws the changes for one sample. Always takes the same number of draws, so that changing one
    /// setting leaves the others' values as they were.
    pub(crate) fn draw(&self, rng: &mut DrawRng) -> Drawn {
        let symmetric = |rng: &mut DrawRng, most: f64| (2.0 * f64::from(rng.unit()) - 1.0) * most;
        let flip = [self.hflip, self.vflip].map(|p| f64::from(rng.unit()) < p);
        let angle_rad = symmetric(rng, self.rotate_deg).to_radians();
        let [low, high] = self.scale.map(f64::ln);
        let magnify = (low + (high - low) * f64::from(rng.unit())).exp();
        let shift = [
            symmetric(rng, self.translate),
            symmetric(rng, self.translate),
        ];
        Drawn {
            flip,
            angle_rad,
            magnify,
            shift,
            brightness: 1.0 + symmetric(rng, self.brightness),
            contrast: 1.0 + symmetric(rng, self.contrast),
            gamma: symmetric(rng, (1.0 + self.gamma).ln()).exp(),
        }
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
    /// Factor on all intensities.
    pub(crate) brightness: f64,
    /// Factor on the distance from the mean.
    pub(crate) contrast: f64,
    /// Exponent.
    pub(crate) gamma: f64,
}

/// Affine map from input pixels to source pixels, both measured at pixel centres + 1/2:
/// `source = matrix * input + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Warp {
    pub(crate) matrix: [[f64; 2]; 2],
    pub(crate) offset: [f64; 2],
}

impl Drawn {
    /// The inverse map for an input of side `size` whose content of `content` (width, height) pixels
    /// starts at `origin` of the source. Geometry turns around the content's centre.
    pub(crate) fn warp(&self, origin: [usize; 2], content: [usize; 2], size: usize) -> Warp {
        let (sin, cos) = (-self.angle_rad).sin_cos();
        let k = 1.0 / self.magnify;
        let [fx, fy] = self.flip.map(|flip| if flip { -k } else { k });
        // Undo the shift, the rotation, the magnification and the flip, in this order.
        let matrix = [[fx * cos, -fx * sin], [fy * sin, fy * cos]];
        let centre = content.map(|side| side as f64 / 2.0);
        let from = [0, 1].map(|axis| centre[axis] + self.shift[axis] * size as f64);
        let offset = [0, 1].map(|axis| {
            let moved = matrix[axis][0] * from[0] + matrix[axis][1] * from[1];
            origin[axis] as f64 + centre[axis] - moved
        });
        Warp { matrix, offset }
    }

    /// New intensity (0 to 255) of each of the 256 old ones:
    /// `brightness * ((v^gamma - m) * contrast + m)`, `v` and the image's mean `m` in `[0, 1]`.
    pub(crate) fn intensities(&self, mean: f64) -> [f32; 256] {
        if self.brightness == 1.0 && self.contrast == 1.0 && self.gamma == 1.0 {
            return std::array::from_fn(|v| v as f32);
        }
        let mean = mean.powf(self.gamma);
        std::array::from_fn(|v| {
            let value = (v as f64 / 255.0).powf(self.gamma);
            let value = self.brightness * ((value - mean) * self.contrast + mean);
            (255.0 * value).clamp(0.0, 255.0) as f32
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Augment;
    use crate::draw_rng::DrawRng;

    #[test]
    fn nothing_is_the_identity() {
        let drawn = Augment::none().draw(&mut DrawRng::new(0, 0));
        let warp = drawn.warp([3, 5], [10, 8], 12);
        assert_eq!(warp.matrix, [[1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(warp.offset, [3.0, 5.0]);
        let table = drawn.intensities(0.3);
        assert!((0..256).all(|v| table[v] == v as f32));
    }

    #[test]
    fn a_quarter_turn_moves_the_right_edge_to_the_bottom() {
        let mut drawn = Augment::none().draw(&mut DrawRng::new(0, 0));
        drawn.angle_rad = std::f64::consts::FRAC_PI_2;
        let warp = drawn.warp([0, 0], [10, 10], 10);
        let source = |p: [f64; 2]| {
            [0, 1].map(|a: usize| {
                warp.matrix[a][0] * p[0] + warp.matrix[a][1] * p[1] + warp.offset[a]
            })
        };
        // The middle of the bottom edge shows what was in the middle of the right edge.
        let [x, y] = source([5.0, 10.0]);
        assert!((x - 10.0).abs() < 1e-9 && (y - 5.0).abs() < 1e-9, "{x} {y}");
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let wrong = [
            Augment {
                hflip: 1.5,
                ..Augment::none()
            },
            Augment {
                rotate_deg: -1.0,
                ..Augment::none()
            },
            Augment {
                scale: [1.2, 0.8],
                ..Augment::none()
            },
            Augment {
                gamma: f64::NAN,
                ..Augment::none()
            },
        ];
        for (augment, name) in wrong.iter().zip(["hflip", "rotate_deg", "scale", "gamma"]) {
            let message = augment.check().expect_err(name).to_string();
            assert!(message.contains(name), "{message}");
        }
        assert!(Augment::standard().check().is_ok());
    }

    #[test]
    fn one_setting_does_not_disturb_the_others() {
        let some = Augment {
            contrast: 0.3,
            ..Augment::standard()
        };
        let a = some.draw(&mut DrawRng::new(3, 1));
        let b = Augment {
            hflip: 0.0,
            rotate_deg: 0.0,
            ..some
        }
        .draw(&mut DrawRng::new(3, 1));
        assert_eq!(
            (a.magnify, a.contrast, a.gamma),
            (b.magnify, b.contrast, b.gamma)
        );
    }
}
