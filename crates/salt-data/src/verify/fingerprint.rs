//! What a data set looks like in numbers: sizes, intensities, foreground, widths of structures.

use rayon::prelude::*;

use super::advice::{Advice, advise};
use super::facts::Facts;
use super::widths::{WidthStats, Widths};
use crate::decode_mask::read_mask;
use crate::label_rule::LabelRule;
use crate::mask_policy::MaskPolicy;
use crate::pixels::ImageRgb;

/// Masks whose structures are measured: enough for percentiles, few enough to be quick.
const MEASURED: usize = 64;

/// Least, middle and largest of some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Spread {
    /// The least.
    pub min: usize,
    /// The middle one, the upper of two.
    pub median: usize,
    /// The largest.
    pub max: usize,
}

impl Spread {
    pub(super) fn of(values: impl Iterator<Item = usize>) -> Self {
        let mut values: Vec<usize> = values.collect();
        values.sort_unstable();
        let at = |i: usize| values.get(i).copied().unwrap_or(0);
        Self {
            min: at(0),
            median: at(values.len() / 2),
            max: at(values.len().saturating_sub(1)),
        }
    }
}

/// Intensities of one channel over all pixels of the set, on the scale 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ChannelStats {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
    /// Percentile 0.5.
    pub p005: u8,
    /// Percentile 99.5.
    pub p995: u8,
}

/// A data set in numbers.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Fingerprint {
    /// Columns of the images.
    pub width_px: Spread,
    /// Rows of the images.
    pub height_px: Spread,
    /// Width and height of a pixel in millimetres, in the middle of the cases that say so.
    pub spacing_mm: Option<[f64; 2]>,
    /// Red, green and blue.
    pub channels: [ChannelStats; 3],
    /// Widths of the structures, over at most 64 masks spread over the set.
    pub structure_width: Option<WidthStats>,
    /// Recommended input of the network.
    pub advice: Option<Advice>,
}

/// Measures a set of at least one case.
pub(super) fn measure(
    seen: &[Facts],
    policy: &MaskPolicy,
    rule: &LabelRule,
    intensities: &Intensities,
) -> Fingerprint {
    let width_px = Spread::of(seen.iter().map(|one| one.size[0]));
    let height_px = Spread::of(seen.iter().map(|one| one.size[1]));
    let step = seen.len().div_ceil(MEASURED).max(1);
    let widths = seen
        .par_iter()
        .step_by(step)
        // What could be read a moment ago can be read again, or is left out.
        .filter_map(|one| {
            Some(Widths::of(
                &rule.apply(&read_mask(&one.case.mask, policy).ok()?),
            ))
        })
        .reduce(Widths::default, Widths::and);
    let structure_width = widths.stats();
    let longest = Spread::of(seen.iter().map(|one| one.size[0].max(one.size[1]))).median;
    Fingerprint {
        width_px,
        height_px,
        spacing_mm: middle_spacing(seen),
        channels: intensities.stats(),
        advice: structure_width.as_ref().map(|w| advise(longest, w)),
        structure_width,
    }
}

fn middle_spacing(seen: &[Facts]) -> Option<[f64; 2]> {
    let mut spacings: Vec<[f64; 2]> = seen.iter().filter_map(|one| one.case.spacing_mm).collect();
    spacings.sort_by(|a, b| (a[0] * a[1]).total_cmp(&(b[0] * b[1])));
    spacings.get(spacings.len() / 2).copied()
}

/// How often each level occurs in each channel. Whole numbers: the order of addition is no matter.
#[derive(Debug, Clone)]
pub(super) struct Intensities([[u64; 256]; 3]);

impl Default for Intensities {
    fn default() -> Self {
        Self([[0; 256]; 3])
    }
}

impl Intensities {
    pub(super) fn of(image: &ImageRgb) -> Self {
        let mut own = Self::default();
        for pixel in image.data.chunks_exact(3) {
            for (counts, level) in own.0.iter_mut().zip(pixel) {
                counts[usize::from(*level)] += 1;
            }
        }
        own
    }

    pub(super) fn add(&mut self, other: &Self) {
        let pairs = self.0.iter_mut().flatten().zip(other.0.iter().flatten());
        pairs.for_each(|(sum, count)| *sum += count);
    }

    /// Smallest and largest level of all channels.
    pub(super) fn range(&self) -> [u8; 2] {
        let occurs = |level: &usize| self.0.iter().any(|counts| counts[*level] > 0);
        let level = |found: Option<usize>| found.unwrap_or(0) as u8;
        [
            level((0..256).find(occurs)),
            level((0..256).rev().find(occurs)),
        ]
    }

    fn stats(&self) -> [ChannelStats; 3] {
        self.0.map(|counts| {
            let total = counts.iter().sum::<u64>().max(1) as f64;
            let levels = || (0_u8..=255).zip(counts.iter().map(|count| *count as f64));
            let mean = levels().map(|(l, n)| f64::from(l) * n).sum::<f64>() / total;
            let squares = levels().map(|(l, n)| (f64::from(l) - mean).powi(2) * n);
            let percentile = |share: f64| {
                let mut left = share * total;
                let found = levels().find(|(_, count)| {
                    left -= count;
                    left <= 0.0
                });
                found.map_or(255, |(level, _)| level)
            };
            ChannelStats {
                mean,
                sd: (squares.sum::<f64>() / total).sqrt(),
                p005: percentile(0.005),
                p995: percentile(0.995),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ChannelStats, Intensities, Spread};
    use crate::pixels::ImageRgb;

    #[test]
    fn spreads() {
        let check = |values: &[usize], min, median, max| {
            assert_eq!(
                Spread::of(values.iter().copied()),
                Spread { min, median, max }
            );
        };
        check(&[3], 3, 3, 3);
        check(&[9, 1, 5], 1, 5, 9);
        check(&[4, 1, 3, 2], 1, 3, 4);
    }

    #[test]
    fn intensities_of_known_pixels() {
        // Red is 0 to 199 once each, green is 10, blue is 0 or 100.
        let data = (0..200_u8).flat_map(|i| [i, 10, 100 * (i % 2)]).collect();
        let image = ImageRgb::new(20, 10, data).expect("valid");
        let mut all = Intensities::of(&image);
        assert_eq!(all.range(), [0, 199]);
        all.add(&Intensities::of(&image));
        let [red, green, blue] = all.stats();
        assert_eq!((red.mean, red.p005, red.p995), (99.5, 0, 198));
        // A uniform distribution over n whole numbers has the variance (n^2 - 1) / 12.
        assert!((red.sd - ((200.0_f64.powi(2) - 1.0) / 12.0).sqrt()).abs() < 1e-9);
        let flat = ChannelStats {
            mean: 10.0,
            sd: 0.0,
            p005: 10,
            p995: 10,
        };
        assert_eq!(green, flat);
        assert_eq!((blue.mean, blue.sd), (50.0, 50.0));
    }
}
