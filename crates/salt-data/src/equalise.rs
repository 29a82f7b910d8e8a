//! Contrast limited adaptive histogram equalisation (CLAHE) of 8-bit luminance, as OpenCV does it.

/// The settings of one equalisation, within their ranges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    /// Largest count of a grey level, as a multiple of the mean count.
    pub(crate) clip_limit: f64,
    /// Tiles along each axis.
    pub(crate) tiles: usize,
}

impl Grid {
    pub(crate) const CLIP_LIMITS: [f64; 2] = [0.01, 256.0];
    pub(crate) const EXPECTED_CLIP_LIMIT: &str = "from 0.01 to 256 times the mean count";
    pub(crate) const TILES: [f64; 2] = [1.0, 64.0];
    pub(crate) const EXPECTED_TILES: &str = "from 1 to 64";
}

/// Luminance of a colour by ITU-R BT.601, in 14 bits behind the point as OpenCV computes it. A grey keeps
/// its value.
pub(crate) fn luminance([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 4899 * u32::from(red) + 9617 * u32::from(green) + 1868 * u32::from(blue);
    ((sum + (1 << 13)) >> 14) as u8
}

type Table = [u8; 256];

/// Replaces every value `v` of a `size` (width, height) plane by `255 F(v)`, `F` being the share of pixels
/// up to `v`.
///
/// Each tile has its own `F`, whose counts above `clip_limit` times their mean are cut off and spread over
/// all levels (Zuiderveld 1994, Graphics Gems IV); between the centres of the tiles it is interpolated.
/// A plane that the tiles do not divide is continued by its mirror image. All of this is `cv2.createCLAHE`.
///
/// Pixels of `padding` count as spread evenly over all levels, so that a tile with little in it changes
/// little; what becomes of them means nothing.
pub(crate) fn equalise(
    values: &[u8],
    size: [usize; 2],
    padding: Option<&[bool]>,
    grid: Grid,
) -> Vec<u8> {
    let tiles = grid.tiles;
    let divides = size.iter().all(|side| side.is_multiple_of(tiles));
    // Where one side is not divided OpenCV lengthens both, the other one by a whole row of tiles.
    let tile = size.map(|side| {
        let rest = if divides { 0 } else { tiles - side % tiles };
        (side + rest) / tiles
    });
    let tables: Vec<Table> = (0..tiles * tiles)
        .map(|index| {
            let first = [index % tiles * tile[0], index / tiles * tile[1]];
            let counts = histogram(values, size, padding, first, tile);
            table(&counts, (tile[0] * tile[1]) as u32, grid.clip_limit)
        })
        .collect();
    let columns: Vec<Between> = (0..size[0])
        .map(|x| Between::new(x, tile[0], tiles))
        .collect();
    let mut equalised = Vec::with_capacity(values.len());
    for (y, row) in values.chunks_exact(size[0]).enumerate() {
        let rows = Between::new(y, tile[1], tiles);
        let upper = &tables[rows.first * tiles..][..tiles];
        let lower = &tables[rows.second * tiles..][..tiles];
        equalised.extend(row.iter().zip(&columns).map(|(&value, columns)| {
            let level = usize::from(value);
            let mix = |tables: &[Table]| {
                f32::from(tables[columns.first][level]) * columns.share_of_first
                    + f32::from(tables[columns.second][level]) * columns.share_of_second
            };
            let value = mix(upper) * rows.share_of_first + mix(lower) * rows.share_of_second;
            value.round_ties_even() as u8
        }));
    }
    equalised
}

/// The two tiles whose centres a position lies between.
#[derive(Debug, Clone, Copy)]
struct Between {
    first: usize,
    second: usize,
    share_of_first: f32,
    share_of_second: f32,
}

impl Between {
    fn new(at: usize, tile: usize, tiles: usize) -> Self {
        let position = at as f32 * (1.0 / tile as f32) - 0.5;
        let first = position.floor();
        let share_of_second = position - first;
        Self {
            first: first.max(0.0) as usize,
            second: ((first + 1.0) as usize).min(tiles - 1),
            share_of_first: 1.0 - share_of_second,
            share_of_second,
        }
    }
}

/// The pixel that stands for `at`, mirrored at the last pixel, which is not repeated.
fn mirrored(at: usize, length: usize) -> usize {
    if at < length {
        return at;
    }
    let period = 2 * (length - 1);
    if period == 0 {
        return 0;
    }
    let at = at % period;
    at.min(period - at)
}

fn histogram(
    values: &[u8],
    size: [usize; 2],
    padding: Option<&[bool]>,
    first: [usize; 2],
    tile: [usize; 2],
) -> [u32; 256] {
    let mut counts = [0; 256];
    let inside = tile[0].min(size[0].saturating_sub(first[0]));
    for y in first[1]..first[1] + tile[1] {
        let row = mirrored(y, size[1]) * size[0];
        let mut count = |at: usize| {
            if !padding.is_some_and(|padding| padding[at]) {
                counts[usize::from(values[at])] += 1;
            }
        };
        (row + first[0]..row + first[0] + inside).for_each(&mut count);
        let beyond = first[0] + inside..first[0] + tile[0];
        beyond.for_each(|x| count(row + mirrored(x, size[0])));
    }
    counts
}

/// `255 F` of one tile of `total` pixels; those that were not counted are spread evenly.
fn table(counts: &[u32; 256], total: u32, clip_limit: f64) -> Table {
    let counted: u32 = counts.iter().sum();
    let limit = ((clip_limit * f64::from(total) / 256.0) as u32).max(1);
    let mut counts = counts.map(|count| count.min(limit));
    let clipped = counted - counts.iter().sum::<u32>();
    for count in &mut counts {
        *count += clipped / 256;
    }
    // What is left is less than one for each level: every so many levels get one.
    let rest = (clipped % 256) as usize;
    let step = (256 / rest.max(1)).max(1);
    for count in counts.iter_mut().step_by(step).take(rest) {
        *count += 1;
    }
    let scale = 255.0 / total as f32;
    let padding = (total - counted) as f32 / 256.0;
    let mut sum = 0;
    std::array::from_fn(|level| {
        sum += counts[level];
        let spread = padding * (level + 1) as f32;
        ((sum as f32 + spread) * scale).round_ties_even() as u8
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Grid, equalise, luminance, mirrored};

    #[test]
    fn greys_keep_their_luminance() {
        assert!((0..=255).all(|v| luminance([v, v, v]) == v));
        assert_eq!(luminance([255, 0, 0]), 76);
        assert_eq!(luminance([0, 255, 0]), 150);
        assert_eq!(luminance([0, 0, 255]), 29);
    }

    #[test]
    fn the_last_pixel_is_not_repeated() {
        let at = |length| (0..8).map(|at| mirrored(at, length)).collect::<Vec<_>>();
        assert_eq!(at(4), [0, 1, 2, 3, 2, 1, 0, 1]);
        assert_eq!(at(1), [0; 8]);
    }

    proptest! {
        #[test]
        fn any_plane_and_any_grid_will_do(
            (width, values) in (1_usize..20, 1_usize..20).prop_flat_map(|(w, h)| {
                (Just(w), prop::collection::vec(any::<u8>(), w * h))
            }),
            clip_limit in 0.01_f64..256.0, tiles in 1_usize..12,
        ) {
            let size = [width, values.len() / width];
            let grid = Grid { clip_limit, tiles };
            let plain = equalise(&values, size, None, grid);
            prop_assert_eq!(plain.len(), values.len());
            let none = vec![false; values.len()];
            prop_assert_eq!(plain, equalise(&values, size, Some(&none), grid));
            // Where everything is padding there is nothing to equalise.
            let all = vec![true; values.len()];
            let kept = equalise(&values, size, Some(&all), grid);
            prop_assert!(values.iter().zip(&kept).all(|(a, b)| a.abs_diff(*b) <= 1));
        }

        #[test]
        fn what_padding_holds_changes_nothing_elsewhere(
            values in prop::collection::vec(any::<u8>(), 144),
            padding in prop::collection::vec(any::<bool>(), 144), filler: u8,
        ) {
            let grid = Grid { clip_limit: 3.0, tiles: 3 };
            let mut filled = values.clone();
            filled.iter_mut().zip(&padding).filter(|(_, p)| **p).for_each(|(v, _)| *v = filler);
            let before = equalise(&values, [12, 12], Some(&padding), grid);
            let after = equalise(&filled, [12, 12], Some(&padding), grid);
            prop_assert!((0..144).all(|i| padding[i] || before[i] == after[i]));
        }
    }
}
