//! One slice of a volume: intensities that become a grey picture, or labels.

use std::path::PathBuf;

use crate::pixels::{ImageRgb, LabelMap};
use crate::volume::error::VolumeError;

/// Numbers on a grid, row by row, before anyone decides whether they are intensities or classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// The file the numbers come from.
    pub path: PathBuf,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Distance of the centres of neighbouring pixels along x and along y, in mm.
    pub spacing_mm: Option<[f64; 2]>,
    /// Row by row, `width * height` long.
    pub values: Vec<f32>,
}

/// Which intensities become black and white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GreyWindow {
    /// Fixed intensities, such as Hounsfield units.
    Fixed {
        /// Intensity of black.
        low: f64,
        /// Intensity of white.
        high: f64,
    },
    /// Percentiles of the finite values, from 0 to 100, linear between ranks.
    Percentiles {
        /// Percentile of black.
        low: f64,
        /// Percentile of white.
        high: f64,
    },
}

impl GreyWindow {
    /// The usual choice for MR, whose intensities have no unit.
    pub const MR: Self = Self::Percentiles {
        low: 0.5,
        high: 99.5,
    };
    /// CT, soft tissue of the abdomen: level 40 HU, width 400 HU.
    pub const CT_ABDOMEN: Self = Self::centred(40.0, 400.0);
    /// CT, lung: level -600 HU, width 1500 HU.
    pub const CT_LUNG: Self = Self::centred(-600.0, 1500.0);
    /// CT, brain: level 40 HU, width 80 HU.
    pub const CT_BRAIN: Self = Self::centred(40.0, 80.0);

    /// `level - width / 2` to `level + width / 2`.
    pub const fn centred(level: f64, width: f64) -> Self {
        Self::Fixed {
            low: level - width / 2.0,
            high: level + width / 2.0,
        }
    }
}

impl Plane {
    /// A grey picture: `floor(255 (v - low) / (high - low) + 1/2)`, cut off at 0 and 255.
    ///
    /// A value that is no number becomes black; infinities become black and white.
    ///
    /// # Errors
    /// [`VolumeError::IntensityRange`] unless `low < high`, both finite.
    pub fn window(&self, low: f64, high: f64) -> Result<ImageRgb, VolumeError> {
        check_range(low, high)?;
        // The cast cuts off at both ends and makes 0 of NaN.
        let grey = |&v: &f32| [((f64::from(v) - low) / (high - low) * 255.0 + 0.5) as u8; 3];
        Ok(ImageRgb {
            width: self.width,
            height: self.height,
            data: self.values.iter().flat_map(grey).collect(),
        })
    }

    /// Intensities of black and white for [`Plane::window`], from the values of this plane alone. For
    /// a slice of a volume, [`crate::Volume::grey_range`] gives all slices the same window.
    ///
    /// # Errors
    /// [`VolumeError::IntensityRange`] if they are not apart.
    pub fn grey_range(&self, window: GreyWindow) -> Result<[f64; 2], VolumeError> {
        grey_range(&self.values, window)
    }

    /// The values as classes, unchanged: 0 is background, 255 is no label.
    ///
    /// # Errors
    /// [`VolumeError::NonFiniteLabel`], [`VolumeError::FractionalLabel`] or
    /// [`VolumeError::LabelRange`].
    pub fn labels(&self) -> Result<LabelMap, VolumeError> {
        let count = self.values.iter().filter(|v| !v.is_finite()).count();
        let path = || self.path.clone();
        if count > 0 {
            return Err(VolumeError::NonFiniteLabel {
                path: path(),
                count,
            });
        }
        if let Some(&value) = self.values.iter().find(|v| v.fract() != 0.0) {
            return Err(VolumeError::FractionalLabel {
                path: path(),
                value,
            });
        }
        if let Some(&value) = self.values.iter().find(|v| !(0.0..=255.0).contains(*v)) {
            return Err(VolumeError::LabelRange {
                path: path(),
                value,
            });
        }
        Ok(LabelMap {
            width: self.width,
            height: self.height,
            classes: self.values.iter().map(|&v| v as u8).collect(),
        })
    }
}

/// Intensities of black and white.
pub(crate) fn grey_range(values: &[f32], window: GreyWindow) -> Result<[f64; 2], VolumeError> {
    let (low, high) = match window {
        GreyWindow::Fixed { low, high } => (low, high),
        GreyWindow::Percentiles { low, high } => {
            let mut finite: Vec<f32> = values.iter().copied().filter(|v| v.is_finite()).collect();
            let mut at = |percent| percentile(&mut finite, percent).unwrap_or(f64::NAN);
            (at(low), at(high))
        }
    };
    check_range(low, high)?;
    Ok([low, high])
}

fn check_range(low: f64, high: f64) -> Result<(), VolumeError> {
    if low < high && (high - low).is_finite() {
        return Ok(());
    }
    Err(VolumeError::IntensityRange { low, high })
}

/// The `percent`-th percentile of finite values, as numpy's `percentile` (linear).
fn percentile(values: &mut [f32], percent: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let rank = percent / 100.0 * last as f64;
    if !(0.0..=last as f64).contains(&rank) {
        return None;
    }
    let (_, &mut lower, above) = values.select_nth_unstable_by(rank as usize, f32::total_cmp);
    let lower = f64::from(lower);
    let upper = above
        .iter()
        .copied()
        .reduce(f32::min)
        .map_or(lower, f64::from);
    Some(lower + (upper - lower) * rank.fract())
}

#[cfg(test)]
mod tests {
    use super::{GreyWindow, Plane, percentile};
    use crate::volume::error::VolumeError;

    fn plane(values: &[f32]) -> Plane {
        Plane {
            path: "a.nii".into(),
            width: values.len(),
            height: 1,
            spacing_mm: None,
            values: values.to_vec(),
        }
    }

    #[test]
    fn intensities_are_cut_off_at_both_ends() {
        let values = [
            -1e9,
            -160.0,
            40.0,
            239.9,
            240.0,
            1e9,
            f32::NAN,
            f32::INFINITY,
        ];
        let GreyWindow::Fixed { low, high } = GreyWindow::CT_ABDOMEN else {
            panic!("a fixed window");
        };
        let picture = plane(&values).window(low, high).expect("a range");
        let grey: Vec<u8> = picture.data.chunks_exact(3).map(|p| p[0]).collect();
        assert_eq!(grey, [0, 0, 128, 255, 255, 255, 0, 255]);
        for (low, high) in [
            (1.0, 1.0),
            (2.0, 1.0),
            (f64::NAN, 1.0),
            (0.0, f64::INFINITY),
        ] {
            let error = plane(&values).window(low, high).expect_err("no range");
            assert!(matches!(error, VolumeError::IntensityRange { .. }));
        }
    }

    #[test]
    fn only_small_whole_numbers_are_labels() {
        assert_eq!(
            plane(&[0.0, -0.0, 7.0, 255.0])
                .labels()
                .expect("labels")
                .classes,
            [0, 0, 7, 255]
        );
        let check = |value: f32| plane(&[0.0, value]).labels().expect_err("no label");
        assert!(matches!(
            check(f32::NAN),
            VolumeError::NonFiniteLabel { count: 1, .. }
        ));
        assert!(matches!(check(0.5), VolumeError::FractionalLabel { .. }));
        assert!(matches!(check(-1.0), VolumeError::LabelRange { .. }));
        assert!(matches!(check(256.0), VolumeError::LabelRange { .. }));
    }

    #[test]
    fn percentiles_lie_between_ranks() {
        let mut values = [4.0, 1.0, 3.0, 2.0];
        for (percent, expected) in [(0.0, 1.0), (50.0, 2.5), (100.0, 4.0), (10.0, 1.3)] {
            let received = percentile(&mut values, percent).expect("some");
            assert!((received - expected).abs() < 1e-12, "{percent}: {received}");
        }
        assert_eq!(percentile(&mut values, 101.0), None);
        assert_eq!(percentile(&mut values, f64::NAN), None);
        assert_eq!(percentile(&mut [], 50.0), None);
    }
}
