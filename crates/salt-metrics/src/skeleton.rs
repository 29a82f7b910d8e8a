//! One-pixel-wide skeleton of a mask by parallel thinning.
//!
//! Zhang & Suen, "A fast parallel algorithm for thinning digital patterns", CACM 27 (1984), in
//! the form of scikit-image's `skeletonize` (2-D default), which the reference implementation of
//! clDice uses: skeletons equal that function's pixel by pixel.
//!
//! Two passes alternate until neither removes a pixel. Each looks at all object pixels at once
//! and removes those whose eight neighbours fulfil its conditions; with `B` neighbours in the
//! object, `A` changes from background to object on the way around them, and N, E, S, W meaning
//! that this neighbour is object:
//!
//! ```text
//! both passes    2 <= B <= 6 and A = 1
//! first pass     not (N and E and S) and not (E and S and W)
//! second pass    not (N and E and W) and not (N and S and W)
//! ```
//!
//! scikit-image departs from this in 25 of the 256 neighbourhoods ([`DEPARTURES`]): it removes
//! corners of staircases, which the paper's `A = 1` keeps two pixels thick, and keeps some ends
//! of two pixel wide lines, which the paper deletes (a 2 x 2 square would vanish).
//!
//! Known weakness, kept because published clDice values have it: a diagonal line exactly two
//! pixels wide is peeled from both sides at once and shrinks towards a point.

use crate::mask::MaskView;

const N: u8 = 1;
const NE: u8 = 2;
const E: u8 = 4;
const SE: u8 = 8;
const S: u8 = 16;
const SW: u8 = 32;
const W: u8 = 64;
const NW: u8 = 128;

const KEEP: u8 = 0;
const FIRST: u8 = 1;
const SECOND: u8 = 2;
const BOTH: u8 = FIRST | SECOND;

/// Neighbourhoods in which scikit-image does not follow the conditions of the paper, and the
/// passes that remove the pixel there. The list is not symmetric, and neither is that function.
const DEPARTURES: [(u8, u8); 25] = [
    // the corner of a staircase: A = 2, but its two arms touch without it
    (N | E, BOTH),
    (E | S, BOTH),
    (S | W, BOTH),
    (N | W, BOTH),
    // the same with one arm widened
    (NW | N | E, FIRST),
    (N | NE | W, FIRST),
    (NW | S | W, FIRST),
    (N | SW | W, FIRST),
    (N | NE | SW | W, FIRST),
    (N | E | SE, SECOND),
    (E | S | SW, SECOND),
    (SE | S | W, SECOND),
    (NE | E | S | SW, SECOND),
    // the end of a line two pixels wide: removed by one pass instead of both, or kept
    (NW | N, FIRST),
    (N | NE, FIRST),
    (NE | E, FIRST),
    (E | SE, SECOND),
    (S | SW, SECOND),
    (SW | W, SECOND),
    (SE | S, KEEP),
    (NW | W, KEEP),
    // the corner of a block
    (N | NE | E, FIRST),
    (NW | N | W, FIRST),
    (E | SE | S, SECOND),
    (S | SW | W, SECOND),
];

/// Passes that remove a pixel, by its neighbourhood.
const REMOVED_BY: [u8; 256] = removal_table();

const fn removal_table() -> [u8; 256] {
    let mut table = [KEEP; 256];
    let mut code = 0;
    while code < 256 {
        let around = code as u8;
        // bits where a background neighbour is followed by an object neighbour
        let changes = (!around & around.rotate_right(1)).count_ones();
        if changes == 1 && matches!(around.count_ones(), 2..=6) {
            if !has(around, N | E | S) && !has(around, E | S | W) {
                table[code] |= FIRST;
            }
            if !has(around, N | E | W) && !has(around, N | S | W) {
                table[code] |= SECOND;
            }
        }
        code += 1;
    }
    let mut i = 0;
    while i < DEPARTURES.len() {
        table[DEPARTURES[i].0 as usize] = DEPARTURES[i].1;
        i += 1;
    }
    table
}

const fn has(around: u8, all: u8) -> bool {
    around & all == all
}

/// The skeleton of a mask, a subset of its pixels; empty only for an empty mask.
///
/// # Shapes
/// - output: `[height * width]`, row after row
pub fn skeletonize(mask: MaskView) -> Vec<bool> {
    let mut grid = PaddedGrid::new(mask);
    let every = grid.object_pixels();
    // A pixel must be looked at again by a pass only if a neighbour went since that pass last saw
    // it. So each pass has a list of such pixels, and the work is linear in the object's area.
    let mut waiting = [every.clone(), every];
    let mut is_waiting: Vec<u8> = grid.inside.iter().map(|&inside| inside * BOTH).collect();
    let mut pass = 0;
    while !(waiting[0].is_empty() && waiting[1].is_empty()) {
        let bit = [FIRST, SECOND][pass];
        let looked_at = std::mem::take(&mut waiting[pass]);
        for &i in &looked_at {
            is_waiting[i] &= !bit;
        }
        let removed: Vec<usize> = looked_at
            .into_iter()
            .filter(|&i| grid.inside[i] == 1 && REMOVED_BY[grid.around(i) as usize] & bit != 0)
            .collect();
        for &i in &removed {
            grid.inside[i] = 0;
        }
        for neighbour in removed.iter().flat_map(|&i| grid.neighbours(i)) {
            for (list, bit) in waiting.iter_mut().zip([FIRST, SECOND]) {
                if grid.inside[neighbour] == 1 && is_waiting[neighbour] & bit == 0 {
                    is_waiting[neighbour] |= bit;
                    list.push(neighbour);
                }
            }
        }
        pass = 1 - pass;
    }
    grid.unpadded(mask.width, mask.height)
}

/// The mask with a frame of background, so that every pixel has eight neighbours.
struct PaddedGrid {
    inside: Vec<u8>,
    stride: usize,
}

impl PaddedGrid {
    fn new(mask: MaskView) -> Self {
        let stride = mask.width + 2;
        let mut inside = vec![0; stride * (mask.height + 2)];
        for (row, line) in mask.data.chunks_exact(mask.width).enumerate() {
            let start = (row + 1) * stride + 1;
            for (to, &from) in inside[start..start + mask.width].iter_mut().zip(line) {
                *to = u8::from(from);
            }
        }
        Self { inside, stride }
    }

    fn object_pixels(&self) -> Vec<usize> {
        (0..self.inside.len())
            .filter(|&i| self.inside[i] == 1)
            .collect()
    }

    /// Clockwise from the north, as the bits [`N`] to [`NW`].
    fn neighbours(&self, i: usize) -> [usize; 8] {
        let (up, down) = (i - self.stride, i + self.stride);
        [up, up + 1, i + 1, down + 1, down, down - 1, i - 1, up - 1]
    }

    fn around(&self, i: usize) -> u8 {
        let bits = self.neighbours(i).map(|neighbour| self.inside[neighbour]);
        bits.iter()
            .enumerate()
            .fold(0, |code, (k, bit)| code | bit << k)
    }

    fn unpadded(&self, width: usize, height: usize) -> Vec<bool> {
        self.inside
            .chunks_exact(self.stride)
            .skip(1)
            .take(height)
            .flat_map(|line| line[1..=width].iter().map(|&inside| inside == 1))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(picture: &[&str], expected: &[&str]) {
        let width = picture[0].len();
        let data: Vec<bool> = picture.concat().chars().map(|c| c == '#').collect();
        let got = skeletonize(MaskView::new(width, picture.len(), &data).unwrap());
        let drawn: Vec<String> = got
            .chunks(width)
            .map(|line| line.iter().map(|&on| if on { '#' } else { '.' }).collect())
            .collect();
        assert_eq!(drawn, expected);
    }

    /// Expected pictures are scikit-image's, oddities included.
    #[test]
    fn lines_stay_and_bars_become_lines() {
        check(&[".....", ".###.", "....."], &[".....", ".###.", "....."]);
        check(&["#..", ".#.", "..#"], &["#..", ".#.", "..#"]);
        check(&["#######"; 3], &[".....#.", "#####..", "......."]);
        check(&["##", "##"], &["##", ".."]);
    }

    #[test]
    fn a_diagonal_two_pixels_wide_shrinks() {
        check(
            &["##..", ".##.", "..##", "...#"],
            &["....", ".#..", "....", "...."],
        );
    }

    /// The paper's conditions delete a 2 x 2 square; with the departures nothing vanishes.
    #[test]
    fn every_object_keeps_a_skeleton() {
        for code in 1..1_u32 << 16 {
            let data: Vec<bool> = (0..16).map(|k| code >> k & 1 == 1).collect();
            let skeleton = skeletonize(MaskView::new(4, 4, &data).unwrap());
            assert!(skeleton.contains(&true), "{code:016b}");
            assert!(
                skeleton
                    .iter()
                    .zip(&data)
                    .all(|(on, inside)| *inside || !*on),
                "a subset"
            );
        }
    }

    #[test]
    fn nothing_stays_nothing() {
        check(&["...", "..."], &["...", "..."]);
        check(&["#"], &["#"]);
    }
}
