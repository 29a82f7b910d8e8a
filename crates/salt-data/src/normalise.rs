//! Bringing pictures of different brightness to one range: no chance, the same for training and inference.

use std::borrow::Cow;

use crate::augment::within;
use crate::equalise::{Grid, equalise, luminance};
use crate::error::DataError;
use crate::pixels::ImageRgb;

/// How every picture is normalised before anything else is done to it, at its native size.
///
/// The three channels share one map, so that hues stay what they are, as with MONAI's default
/// `channel_wise=False`. What comes out is 8-bit again: SAM subtracts its own means behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Normalise {
    /// The picture as it is.
    #[default]
    None,
    /// `255 (v - min) / (max - min)`.
    MinMax,
    /// `255 (v - p_low) / (p_high - p_low)`, cut to 0 to 255; `p_q` is the value that `q` percent of all
    /// values do not exceed, interpolated linearly as `numpy.percentile` does.
    Percentile {
        /// Becomes black, percent.
        low: f64,
        /// Becomes white, percent.
        high: f64,
    },
    /// `mean + deviation (v - m) / s`, cut to 0 to 255, `m` and `s` being the picture's own mean and
    /// standard deviation (over its number of values).
    ZScore {
        /// The mean that every picture gets, grey levels.
        mean: f64,
        /// The standard deviation that every picture gets, grey levels.
        deviation: f64,
    },
    /// Contrast limited adaptive histogram equalisation of the luminance (Zuiderveld 1994), on grey
    /// pictures that of `cv2.createCLAHE`: in each of `tiles * tiles` tiles `v' = 255 F(v)`, `F` being
    /// the share of pixels up to `v` after counts above `clip_limit` times the mean count were spread
    /// over all levels; between tiles interpolated. Channels are moved by what the luminance is.
    Clahe {
        /// Largest count of a grey level, as a multiple of the mean count.
        clip_limit: f64,
        /// Tiles along each axis.
        tiles: usize,
    },
    /// All channels become the green one, in which vessels of the retina stand out most (Staal et al.
    /// 2004, IEEE TMI 23(4), 501-509).
    GreenChannel,
}

impl Normalise {
    /// Confirms that every setting is in its range.
    ///
    /// # Errors
    /// [`DataError::Setting`] with the setting's name.
    pub fn check(&self) -> Result<(), DataError> {
        match *self {
            Self::None | Self::MinMax | Self::GreenChannel => Ok(()),
            Self::Percentile { low, high } => {
                const EXPECTED: &str = "with 0 <= low < high <= 100 percent";
                within("normalise.low", low, [0.0, 100.0], EXPECTED)?;
                within("normalise.high", high, [low.next_up(), 100.0], EXPECTED)
            }
            Self::ZScore { mean, deviation } => {
                within(
                    "normalise.mean",
                    mean,
                    [0.0, 255.0],
                    "from 0 to 255 grey levels",
                )?;
                let expected = "from 1 to 128 grey levels";
                within("normalise.deviation", deviation, [1.0, 128.0], expected)
            }
            Self::Clahe { clip_limit, tiles } => {
                let (name, range) = ("normalise.clip_limit", Grid::CLIP_LIMITS);
                within(name, clip_limit, range, Grid::EXPECTED_CLIP_LIMIT)?;
                let tiles = tiles as f64;
                within("normalise.tiles", tiles, Grid::TILES, Grid::EXPECTED_TILES)
            }
        }
    }

    /// The normalised picture. A picture of one value alone has no range to stretch and stays.
    ///
    /// # Errors
    /// [`DataError::Setting`] for a setting out of its range, [`DataError::Length`] for an inconsistent
    /// picture.
    pub fn apply<'a>(&self, image: &'a ImageRgb) -> Result<Cow<'a, ImageRgb>, DataError> {
        self.check()?;
        image.check()?;
        let table = match *self {
            Self::None => return Ok(Cow::Borrowed(image)),
            Self::GreenChannel => return Ok(Cow::Owned(green(image))),
            Self::Clahe { clip_limit, tiles } => {
                return Ok(Cow::Owned(clahe(image, Grid { clip_limit, tiles })));
            }
            Self::MinMax => Levels::of(image).stretch([0.0, 100.0]),
            Self::Percentile { low, high } => Levels::of(image).stretch([low, high]),
            Self::ZScore { mean, deviation } => Levels::of(image).standardise(mean, deviation),
        };
        let Some(table) = table else {
            return Ok(Cow::Borrowed(image));
        };
        let data = image.data.iter().map(|&v| table[usize::from(v)]);
        Ok(Cow::Owned(ImageRgb {
            data: data.collect(),
            ..*image
        }))
    }
}

type Table = [u8; 256];

/// How often each value occurs in a picture, all channels together.
struct Levels([u64; 256]);

/// `v -> scale (v - low) + base`, rounded half up and cut.
fn line(low: f64, scale: f64, base: f64) -> Table {
    std::array::from_fn(|v| (scale * (v as f64 - low) + base + 0.5).floor() as u8)
}

impl Levels {
    fn of(image: &ImageRgb) -> Self {
        let mut counts = [0; 256];
        for &value in &image.data {
            counts[usize::from(value)] += 1;
        }
        Self(counts)
    }

    fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The value at a rank, from 0.
    fn at(&self, rank: u64) -> f64 {
        let mut up_to = 0;
        let reached = self.0.iter().position(|count| {
            up_to += count;
            up_to > rank
        });
        reached.unwrap_or(255) as f64
    }

    fn percentile(&self, percent: f64) -> f64 {
        let rank = percent / 100.0 * (self.total() - 1) as f64;
        let below = self.at(rank.floor() as u64);
        below + rank.fract() * (self.at(rank.ceil() as u64) - below)
    }

    fn stretch(&self, percents: [f64; 2]) -> Option<Table> {
        let [low, high] = percents.map(|percent| self.percentile(percent));
        (high > low).then(|| line(low, 255.0 / (high - low), 0.0))
    }

    fn standardise(&self, to_mean: f64, to_deviation: f64) -> Option<Table> {
        let total = self.total() as f64;
        let mean_of = |f: &dyn Fn(f64) -> f64| {
            let values = self.0.iter().enumerate();
            values.map(|(v, &n)| n as f64 * f(v as f64)).sum::<f64>() / total
        };
        let mean = mean_of(&|v| v);
        let deviation = mean_of(&|v| (v - mean).powi(2)).sqrt();
        (deviation > 0.0).then(|| line(mean, to_deviation / deviation, to_mean))
    }
}

fn green(image: &ImageRgb) -> ImageRgb {
    let pixels = image.data.as_chunks::<3>().0;
    ImageRgb {
        data: pixels
            .iter()
            .flat_map(|&[_, green, _]| [green; 3])
            .collect(),
        ..*image
    }
}

fn clahe(image: &ImageRgb, grid: Grid) -> ImageRgb {
    let pixels = image.data.as_chunks::<3>().0;
    let before: Vec<u8> = pixels.iter().map(|&pixel| luminance(pixel)).collect();
    let after = equalise(&before, [image.width, image.height], None, grid);
    let changes = before.iter().zip(&after);
    let changes = changes.map(|(&before, &after)| i16::from(after) - i16::from(before));
    let moved = pixels.iter().zip(changes).flat_map(|(pixel, change)| {
        pixel.map(|value| (i16::from(value) + change).clamp(0, 255) as u8)
    });
    ImageRgb {
        data: moved.collect(),
        ..*image
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::Normalise;
    use crate::error::DataError;
    use crate::pixels::ImageRgb;

    fn every() -> [Normalise; 6] {
        [
            Normalise::None,
            Normalise::MinMax,
            Normalise::Percentile {
                low: 1.0,
                high: 99.0,
            },
            Normalise::ZScore {
                mean: 128.0,
                deviation: 50.0,
            },
            Normalise::Clahe {
                clip_limit: 2.0,
                tiles: 8,
            },
            Normalise::GreenChannel,
        ]
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let check = |normalise: Normalise, name: &str| match normalise.check() {
            Err(DataError::Setting { name: received, .. }) => assert_eq!(received, name),
            other => panic!("{normalise:?}: {other:?}"),
        };
        for bad in [f64::NAN, f64::INFINITY, -1.0, 1e9] {
            let (low, high) = (bad, bad);
            check(Normalise::Percentile { low, high: 99.0 }, "normalise.low");
            check(Normalise::Percentile { low: 1.0, high }, "normalise.high");
            let (mean, deviation) = (bad, bad);
            let good = 50.0;
            check(
                Normalise::ZScore {
                    mean,
                    deviation: good,
                },
                "normalise.mean",
            );
            check(
                Normalise::ZScore {
                    mean: good,
                    deviation,
                },
                "normalise.deviation",
            );
            let (clip_limit, tiles) = (bad, 8);
            check(
                Normalise::Clahe { clip_limit, tiles },
                "normalise.clip_limit",
            );
        }
        check(
            Normalise::Percentile {
                low: 5.0,
                high: 5.0,
            },
            "normalise.high",
        );
        check(
            Normalise::Clahe {
                clip_limit: 2.0,
                tiles: 0,
            },
            "normalise.tiles",
        );
        let image = ImageRgb::new(1, 1, vec![0; 3]).expect("valid");
        let wrong = Normalise::Percentile {
            low: 9.0,
            high: 1.0,
        };
        assert!(wrong.apply(&image).is_err());
    }

    #[test]
    fn an_inconsistent_picture_is_refused() {
        let image = ImageRgb {
            width: 2,
            height: 2,
            data: vec![0; 3],
        };
        for normalise in every() {
            let received = normalise.apply(&image);
            assert!(
                matches!(received, Err(DataError::Length { .. })),
                "{normalise:?}"
            );
        }
    }

    #[test]
    fn none_copies_nothing() {
        let image = ImageRgb::new(1, 1, vec![7; 3]).expect("valid");
        assert!(matches!(
            Normalise::default().apply(&image),
            Ok(Cow::Borrowed(_))
        ));
    }

    #[test]
    fn the_green_channel_becomes_all_three() {
        let image = ImageRgb::new(2, 1, vec![1, 2, 3, 4, 5, 6]).expect("valid");
        let green = Normalise::GreenChannel.apply(&image).expect("valid");
        assert_eq!(green.data, [2, 2, 2, 5, 5, 5]);
    }

    proptest! {
        #[test]
        fn ranges_are_reached_and_flat_pictures_stay(
            values in prop::collection::vec(any::<u8>(), 1..60), flat: u8,
        ) {
            let data: Vec<u8> = values.iter().flat_map(|&v| [v, v / 2, v / 3]).collect();
            let image = ImageRgb::new(values.len(), 1, data).expect("valid");
            let least = |image: &ImageRgb| image.data.iter().copied().min();
            let most = |image: &ImageRgb| image.data.iter().copied().max();
            if least(&image) < most(&image) {
                let out = Normalise::MinMax.apply(&image).expect("valid");
                prop_assert_eq!([least(&out), most(&out)], [Some(0), Some(255)]);
            }
            let all = Normalise::Percentile { low: 0.0, high: 100.0 };
            prop_assert_eq!(all.apply(&image).expect("valid"), Normalise::MinMax.apply(&image).expect("valid"));
            let image = ImageRgb::new(values.len(), 1, vec![flat; 3 * values.len()]).expect("valid");
            for normalise in every().into_iter().filter(|n| !matches!(n, Normalise::Clahe { .. })) {
                let received = normalise.apply(&image).expect("valid");
                prop_assert_eq!(received.as_ref(), &image);
            }
        }
    }
}
