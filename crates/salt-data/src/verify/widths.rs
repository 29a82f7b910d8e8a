//! How wide the structures in a mask are, in pixels.
//!
//! The width at a point of a structure's middle line is twice the distance to the nearest edge. To
//! be exact for bars of whole pixels, distances are taken on a grid of half pixels, whose points
//! lie on edges, corners and centres of pixels; a point belongs to a class when all pixels it
//! touches do. A point is on the middle line when the distance is not smaller than at any of its
//! eight neighbours, or falls on both sides of it in one of the four directions. The spurs that lead
//! to corners and to the bumps of a ragged edge are left out: there, something much wider is near.
//! A structure counts by its length, as the middle line does. Slanted edges are stairs of pixels, of
//! which the inner corners count: such structures come out up to one pixel narrower.
//!
//! Exact squared Euclidean distances: Felzenszwalb and Huttenlocher, "Distance transforms of
//! sampled functions", 2012. What lies beyond the border of the picture counts as the same class.

use std::collections::BTreeMap;

use crate::pixels::{IGNORE_LABEL, LabelMap};

/// Side of the part of a picture that is measured: the one with the most foreground.
const WINDOW: usize = 1024;

/// A distance no edge has, in half pixels; its square fits 32 bits.
const FAR: u32 = 30_000;

/// Fall of the distance per half pixel, on both sides, that makes a crest; 1 is straight to the edge.
const FALL: f64 = 0.5;

/// How much wider a structure near by must be for a point to be its spur, and how far it is looked
/// for, in half pixels.
const MUCH_WIDER: f64 = 1.5;
const LONGEST_SPUR: f64 = 16.0;

/// Widths of the structures of a set.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct WidthStats {
    /// Width in pixels of which a tenth of the structures' length falls short.
    pub p10_px: f64,
    /// Width in pixels at half of the structures' length.
    pub median_px: f64,
    /// Number of masks that were measured.
    pub masks: usize,
}

/// Squared widths in pixels along middle lines, with how often each occurs.
#[derive(Debug, Clone, Default)]
pub(super) struct Widths {
    counts: BTreeMap<u32, u64>,
    masks: usize,
}

impl Widths {
    /// Measures all classes of a mask.
    pub(super) fn of(labels: &LabelMap) -> Self {
        let part = fullest_part(labels);
        let mut classes: Vec<u8> = part.classes.clone();
        classes.sort_unstable();
        classes.dedup();
        let mut widths = Self::default();
        for class in classes {
            if class != 0 && class != IGNORE_LABEL {
                widths.measure(&part, class);
            }
        }
        widths.masks = usize::from(!widths.counts.is_empty());
        widths
    }

    /// Both together.
    pub(super) fn and(mut self, other: Self) -> Self {
        for (width, count) in other.counts {
            *self.counts.entry(width).or_default() += count;
        }
        self.masks += other.masks;
        self
    }

    /// `None` where no mask has foreground with an edge.
    pub(super) fn stats(&self) -> Option<WidthStats> {
        let total: u64 = self.counts.values().sum();
        let at = |share: f64| {
            let mut left = share * total as f64;
            let mut widths = self.counts.iter();
            let found = widths.find(|(_, count)| {
                left -= **count as f64;
                left <= 0.0
            });
            found.map(|(square, _)| f64::from(*square).sqrt())
        };
        Some(WidthStats {
            p10_px: at(0.1)?,
            median_px: at(0.5)?,
            masks: self.masks,
        })
    }

    fn measure(&mut self, labels: &LabelMap, class: u8) {
        let grid = HalfGrid::of(labels, class);
        for y in 0..grid.height {
            for x in 0..grid.width {
                let here = grid.squares[y * grid.width + x];
                if here > 0 && here < FAR * FAR && grid.is_middle(x, y) && !grid.is_spur(x, y) {
                    // Twice the distance in half pixels is the distance in pixels.
                    *self.counts.entry(here).or_default() += 1;
                }
            }
        }
    }
}

/// The picture, or of a large one the window with the most foreground.
fn fullest_part(labels: &LabelMap) -> LabelMap {
    let corner = |length: usize| (0..length).step_by(WINDOW);
    let window = |[x, y]: [usize; 2]| {
        let width = WINDOW.min(labels.width - x);
        let rows = labels
            .classes
            .chunks_exact(labels.width)
            .skip(y)
            .take(WINDOW);
        rows.flat_map(move |row| &row[x..x + width]).copied()
    };
    let corners = corner(labels.height).flat_map(|y| corner(labels.width).map(move |x| [x, y]));
    let best = corners
        .max_by_key(|&at| window(at).filter(|c| *c != 0 && *c != IGNORE_LABEL).count())
        .unwrap_or_default();
    LabelMap {
        width: WINDOW.min(labels.width - best[0]),
        height: WINDOW.min(labels.height - best[1]),
        classes: window(best).collect(),
    }
}

/// Squared distances in half pixels to the nearest point outside of a class.
struct HalfGrid {
    width: usize,
    height: usize,
    squares: Vec<u32>,
}

impl HalfGrid {
    fn of(labels: &LabelMap, class: u8) -> Self {
        let (width, height) = (2 * labels.width + 1, 2 * labels.height + 1);
        let mut squares = vec![FAR; width * height];
        for (i, other) in labels.classes.iter().enumerate() {
            if *other != class {
                let (x, y) = (2 * (i % labels.width), 2 * (i / labels.width));
                for v in y..y + 3 {
                    squares[v * width + x..][..3].fill(0);
                }
            }
        }
        let mut grid = Self {
            width,
            height,
            squares,
        };
        grid.columns();
        grid.rows();
        grid
    }

    /// Square at `(x + dx, y + dy)`, where that is on the grid.
    fn at(&self, x: usize, y: usize, dx: isize, dy: isize) -> Option<u32> {
        let (x, y) = (x.checked_add_signed(dx)?, y.checked_add_signed(dy)?);
        (x < self.width && y < self.height).then(|| self.squares[y * self.width + x])
    }

    fn is_middle(&self, x: usize, y: usize) -> bool {
        const HALF_OF_AROUND: [[isize; 2]; 4] = [[0, 1], [1, 0], [1, 1], [1, -1]];
        let here = self.squares[y * self.width + x];
        let root = |square: u32| f64::from(square).sqrt();
        let mut highest = true;
        let mut crest = false;
        for [dx, dy] in HALF_OF_AROUND {
            let sides = [self.at(x, y, dx, dy), self.at(x, y, -dx, -dy)];
            highest &= sides.iter().flatten().all(|side| *side <= here);
            let step = ((dx * dx + dy * dy) as f64).sqrt();
            crest |= sides
                .iter()
                .all(|side| side.is_some_and(|side| root(here) - root(side) >= FALL * step));
        }
        highest || crest
    }

    /// Whether some point within three times its distance from the edge is much farther from it.
    fn is_spur(&self, x: usize, y: usize) -> bool {
        let here = self.squares[y * self.width + x];
        let reach = (3.0 * f64::from(here).sqrt()).ceil().min(LONGEST_SPUR) as usize;
        let rows = y.saturating_sub(reach)..=(y + reach).min(self.height - 1);
        let columns = x.saturating_sub(reach)..=(x + reach).min(self.width - 1);
        rows.into_iter().any(|v| {
            let row = &self.squares[v * self.width..][columns.clone()];
            row.iter()
                .any(|near| f64::from(*near) >= MUCH_WIDER * MUCH_WIDER * f64::from(here))
        })
    }

    /// Distances along columns.
    fn columns(&mut self) {
        let width = self.width;
        for i in width..self.squares.len() {
            self.squares[i] = self.squares[i].min(self.squares[i - width] + 1).min(FAR);
        }
        for i in (0..self.squares.len() - width).rev() {
            self.squares[i] = self.squares[i].min(self.squares[i + width] + 1);
        }
    }

    /// From distances along columns to squared distances: per row, the lower envelope of the
    /// parabolas `f(q) + (x - q)^2`.
    fn rows(&mut self) {
        let mut square = vec![0_i64; self.width];
        // Vertices of the parabolas in the envelope, and where each begins to be the lowest.
        let (mut vertices, mut begins) = (Vec::new(), Vec::new());
        for row in self.squares.chunks_exact_mut(self.width) {
            if row.iter().all(|d| *d == 0) {
                continue;
            }
            for (to, from) in square.iter_mut().zip(row.iter()) {
                *to = i64::from(*from) * i64::from(*from);
            }
            vertices.clear();
            begins.clear();
            for q in 0..square.len() {
                let mut begin = f64::NEG_INFINITY;
                while let Some(&v) = vertices.last() {
                    let (near, far): (usize, usize) = (v, q);
                    let rise =
                        square[far] - square[near] + (far * far) as i64 - (near * near) as i64;
                    begin = rise as f64 / (2 * (far - near)) as f64;
                    if begin > begins[begins.len() - 1] {
                        break;
                    }
                    vertices.pop();
                    begins.pop();
                    begin = f64::NEG_INFINITY;
                }
                vertices.push(q);
                begins.push(begin);
            }
            let mut k = 0;
            for (x, out) in row.iter_mut().enumerate() {
                while begins.get(k + 1).is_some_and(|begin| *begin < x as f64) {
                    k += 1;
                }
                let across = x.abs_diff(vertices[k]) as i64;
                let found = square[vertices[k]] + across * across;
                *out = found.min(i64::from(FAR * FAR)) as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HalfGrid, WINDOW, Widths};
    use crate::pixels::LabelMap;

    fn drawn(width: usize, height: usize, inside: impl Fn(f64, f64) -> bool) -> LabelMap {
        let classes = (0..width * height)
            .map(|i| u8::from(inside((i % width) as f64 + 0.5, (i / width) as f64 + 0.5)))
            .collect();
        LabelMap {
            width,
            height,
            classes,
        }
    }

    #[test]
    fn bars_of_whole_pixels_are_measured_exactly() {
        for width in 1..=12 {
            let upright = drawn(64, 300, |x, y| {
                (20.0..20.0 + f64::from(width)).contains(&x) && (5.0..295.0).contains(&y)
            });
            let through = drawn(64, 80, |_, y| (30.0..30.0 + f64::from(width)).contains(&y));
            for labels in [upright, through] {
                let stats = Widths::of(&labels).stats().expect("a bar");
                assert_eq!(
                    (stats.p10_px, stats.median_px),
                    (f64::from(width), f64::from(width))
                );
            }
        }
    }

    #[test]
    fn slanted_bars_are_measured_to_a_pixel() {
        for degrees in [15.0_f64, 30.0, 45.0, 70.0] {
            let (sin, cos) = degrees.to_radians().sin_cos();
            for width in [3.0, 6.0, 11.0] {
                let labels = drawn(120, 120, |x, y| {
                    ((x - 60.0) * sin - (y - 60.0) * cos).abs() < width / 2.0
                });
                let stats = Widths::of(&labels).stats().expect("a bar");
                assert!(
                    (stats.median_px - width).abs() <= 1.0,
                    "{degrees} {width} {stats:?}"
                );
            }
        }
    }

    #[test]
    fn a_ragged_edge_is_not_a_thin_structure() {
        // A bar of 8 px with a bump of one pixel on every fourth pixel of both edges.
        let labels = drawn(40, 200, |x, y| {
            let bump = if y.rem_euclid(4.0) < 1.0 { 1.0 } else { 0.0 };
            (16.0 - bump..24.0 + bump).contains(&x)
        });
        let stats = Widths::of(&labels).stats().expect("a bar");
        assert_eq!((stats.p10_px, stats.median_px), (8.0, 8.0));
    }

    #[test]
    fn thin_structures_count_by_their_length() {
        // A bar of 2 px beside one of 10 px: each is half of the length.
        let labels = drawn(100, 90, |x, _| {
            (10.0..12.0).contains(&x) || (50.0..60.0).contains(&x)
        });
        let stats = Widths::of(&labels).stats().expect("bars");
        assert_eq!((stats.p10_px, stats.median_px), (2.0, 2.0));
        let disc = drawn(60, 60, |x, y| (x - 30.0).hypot(y - 30.0) < 20.0);
        let stats = Widths::of(&disc).stats().expect("a disc");
        assert!((stats.median_px - 40.0).abs() < 1.5, "{stats:?}");
    }

    #[test]
    fn what_has_no_edge_or_no_class_has_no_width() {
        for class in [0, 1, 255] {
            let labels = LabelMap {
                width: 9,
                height: 7,
                classes: vec![class; 63],
            };
            assert_eq!(Widths::of(&labels).stats(), None);
        }
    }

    #[test]
    fn of_a_large_picture_the_fullest_window_is_measured() {
        let labels = drawn(WINDOW + 400, 300, |x, y| {
            (x < 500.0 && (10.0..12.0).contains(&y))
                || (x > WINDOW as f64 + 300.0 && (100.0..104.0).contains(&y.rem_euclid(150.0)))
        });
        let stats = Widths::of(&labels).stats().expect("bars");
        assert_eq!((stats.median_px, stats.masks), (2.0, 1));
    }

    #[test]
    fn distances_equal_a_search_over_all_points() {
        let labels = drawn(23, 17, |x, y| (x * 1.7 + y * y * 0.3).sin() > -0.8);
        let grid = HalfGrid::of(&labels, 1);
        let outside: Vec<[usize; 2]> = (0..grid.squares.len())
            .filter(|&i| grid.squares[i] == 0)
            .map(|i| [i % grid.width, i / grid.width])
            .collect();
        assert!(!outside.is_empty());
        for (i, found) in grid.squares.iter().enumerate() {
            let (x, y) = (i % grid.width, i / grid.width);
            let nearest = outside
                .iter()
                .map(|[a, b]| a.abs_diff(x).pow(2) + b.abs_diff(y).pow(2));
            assert_eq!(Some(*found as usize), nearest.min(), "{x} {y}");
        }
    }
}
