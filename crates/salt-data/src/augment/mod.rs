//! Random changes of a training sample: the settings, one file for each change, and the draw.
//!
//! One [`Drawn`] holds everything that was drawn for a sample, so that image and labels cannot come
//! apart: both are read in one pass through the same map of positions.
//!
//! # Order
//! 1. where the tile lies, flips, magnification, rotation, shift, elastic (one reading of the source);
//! 2. gamma, contrast, brightness (a table, applied to what is read);
//! 3. CLAHE;
//! 4. blur;
//! 5. noise.
//!
//! nnU-Net (`nnUNetTrainer.get_training_transforms`) has space, noise, blur, brightness, contrast, gamma,
//! mirror. Here noise comes last, as a sensor's noise follows the lens: its deviation is then that of the
//! recipe whatever was drawn before. Padding takes no part in 2 to 5 and keeps its colour.

mod blur;
mod clahe;
mod draw;
mod elastic;
mod foreground;
mod geometry;
mod intensity;
mod noise;

pub use blur::Blur;
pub use clahe::Clahe;
pub(crate) use draw::{Drawn, Strength};
pub(crate) use elastic::Bend;
pub use elastic::Elastic;
pub(crate) use foreground::ForegroundRows;
pub(crate) use geometry::{Sight, Warp};
pub use noise::Noise;

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
    /// Smooth random deformation.
    pub elastic: Elastic,
    /// Probability that a sample is placed so that it shows a foreground pixel, chosen uniformly among
    /// those of the case. Cases without foreground are sampled as ever.
    pub foreground_crop: f64,
    /// Largest relative change of brightness.
    pub brightness: f64,
    /// Largest relative change of contrast around the image's mean.
    pub contrast: f64,
    /// Largest relative change of the gamma exponent, which lies in `[1 / (1 + gamma), 1 + gamma]`.
    pub gamma: f64,
    /// Equalisation of local contrast.
    pub clahe: Clahe,
    /// Gaussian blur.
    pub blur: Blur,
    /// Gaussian noise.
    pub noise: Noise,
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
            elastic: Elastic::default(),
            foreground_crop: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            gamma: 0.0,
            clahe: Clahe::default(),
            blur: Blur::default(),
            noise: Noise::default(),
        }
    }

    /// What suits pictures without an up or down, such as vessels.
    pub fn standard() -> Self {
        Self {
            hflip: 0.5,
            vflip: 0.5,
            rotate_deg: 45.0,
            scale: [0.8, 1.25],
            brightness: 0.2,
            contrast: 0.2,
            gamma: 0.2,
            ..Self::none()
        }
    }

    /// Confirms that every setting is in its range.
    pub(crate) fn check(&self) -> Result<(), DataError> {
        const PROBABILITY: &str = "a probability from 0 to 1";
        for (name, value, most, expected) in [
            ("hflip", self.hflip, 1.0, PROBABILITY),
            ("vflip", self.vflip, 1.0, PROBABILITY),
            (
                "rotate_deg",
                self.rotate_deg,
                180.0,
                "from 0 to 180 degrees",
            ),
            ("translate", self.translate, 1.0, "a share from 0 to 1"),
            ("foreground_crop", self.foreground_crop, 1.0, PROBABILITY),
            ("brightness", self.brightness, 1.0, "from 0 to 1"),
            ("contrast", self.contrast, 1.0, "from 0 to 1"),
            ("gamma", self.gamma, 4.0, "from 0 to 4"),
            (
                "elastic.probability",
                self.elastic.probability,
                1.0,
                PROBABILITY,
            ),
            (
                "clahe.probability",
                self.clahe.probability,
                1.0,
                PROBABILITY,
            ),
            ("blur.probability", self.blur.probability, 1.0, PROBABILITY),
            (
                "noise.probability",
                self.noise.probability,
                1.0,
                PROBABILITY,
            ),
        ] {
            within(name, value, [0.0, most], expected)?;
        }
        let [low, high] = self.scale;
        if !(low >= 0.1 && low <= high && high <= 10.0) {
            return Err(DataError::Setting {
                name: "scale",
                expected: "[smallest, largest] with 0.1 <= smallest <= largest <= 10",
                received: format!("[{low}, {high}]"),
            });
        }
        self.elastic.check()?;
        self.clahe.check()?;
        self.blur.check()?;
        self.noise.check()
    }
}

/// Confirms that a value, which may be no number, lies in a closed range.
pub(crate) fn within(
    name: &'static str,
    value: f64,
    [low, high]: [f64; 2],
    expected: &'static str,
) -> Result<(), DataError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(DataError::Setting {
        name,
        expected,
        received: value.to_string(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Augment, Blur, Clahe, Elastic, Noise};

    /// Everything on, at every draw.
    pub(crate) fn all() -> Augment {
        Augment {
            translate: 0.1,
            elastic: Elastic {
                probability: 1.0,
                ..Elastic::default()
            },
            foreground_crop: 1.0,
            clahe: Clahe {
                probability: 1.0,
                ..Clahe::default()
            },
            blur: Blur {
                probability: 1.0,
                ..Blur::default()
            },
            noise: Noise {
                probability: 1.0,
                ..Noise::default()
            },
            ..Augment::standard()
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let check = |change: &dyn Fn(&mut Augment), name: &str| {
            let mut augment = Augment::none();
            change(&mut augment);
            let message = augment.check().expect_err(name).to_string();
            assert!(
                message.starts_with(&format!("expected {name} ")),
                "{message}"
            );
        };
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 1e9] {
            check(&|a| a.hflip = bad, "hflip");
            check(&|a| a.vflip = bad, "vflip");
            check(&|a| a.rotate_deg = bad, "rotate_deg");
            check(&|a| a.scale = [bad, 1.0], "scale");
            check(&|a| a.scale = [1.0, bad], "scale");
            check(&|a| a.translate = bad, "translate");
            check(&|a| a.elastic.probability = bad, "elastic.probability");
            check(&|a| a.elastic.alpha_px = bad, "elastic.alpha_px");
            check(&|a| a.foreground_crop = bad, "foreground_crop");
            check(&|a| a.brightness = bad, "brightness");
            check(&|a| a.contrast = bad, "contrast");
            check(&|a| a.gamma = bad, "gamma");
            check(&|a| a.clahe.probability = bad, "clahe.probability");
            check(&|a| a.clahe.clip_limit = bad, "clahe.clip_limit");
            check(&|a| a.blur.probability = bad, "blur.probability");
            check(&|a| a.blur.sigma_px = bad, "blur.sigma_px");
            check(&|a| a.noise.probability = bad, "noise.probability");
            check(&|a| a.noise.sigma = bad, "noise.sigma");
        }
        check(&|a| a.scale = [1.2, 0.8], "scale");
        check(&|a| a.elastic.step_px = 3, "elastic.step_px");
        check(&|a| a.elastic.alpha_px = 16.0, "elastic.alpha_px");
        check(&|a| a.clahe.tiles = 0, "clahe.tiles");
        check(&|a| a.clahe.tiles = 65, "clahe.tiles");
        for sound in [Augment::none(), Augment::standard(), all()] {
            assert!(sound.check().is_ok(), "{sound:?}");
        }
    }
}
