//! One structure's coverage of the pixel grid, anti-aliased, before it is painted.
//!
//! Pixel `(x, y)` is the unit square whose centre is `(x + 0.5, y + 0.5)`; points are `[x, y]` in
//! pixels. A mask is `coverage >= 0.5`, so a line of width 1 marks exactly the pixels whose centre
//! lies within half a pixel of it, wherever it runs between the grid lines.

/// A point in pixels, `[x, y]`.
pub(crate) type Point = [f32; 2];

/// Vertical sub-scanlines of the polygon fill; horizontally the coverage is exact.
const SUB_ROWS: usize = 4;

/// Half-open pixel rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// First column.
    pub(crate) x0: usize,
    /// First row.
    pub(crate) y0: usize,
    /// One past the last column.
    pub(crate) x1: usize,
    /// One past the last row.
    pub(crate) y1: usize,
}

/// Coverage, tube profile and half width per pixel of a `size` x `size` grid.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) size: usize,
    /// Share of the pixel inside the structure, 0 to 1.
    pub(crate) coverage: Vec<f32>,
    /// Distance to the nearest centre line over the radius there: 0 on the axis, 1 at the wall.
    /// Strokes only; compact shapes leave it at 1.
    pub(crate) across: Vec<f32>,
    /// Largest radius of a stroke covering the pixel centre, in pixels; 0 for compact shapes.
    pub(crate) radius: Vec<f32>,
    bounds: Bounds,
}

impl Layer {
    /// An empty layer.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            coverage: vec![0.0; size * size],
            across: vec![1.0; size * size],
            radius: vec![0.0; size * size],
            bounds: Bounds {
                x0: size,
                y0: size,
                x1: 0,
                y1: 0,
            },
        }
    }

    /// The rectangle outside of which nothing was drawn; empty when nothing was.
    pub(crate) fn bounds(&self) -> Bounds {
        let Bounds { x0, y0, x1, y1 } = self.bounds;
        Bounds {
            x0: x0.min(x1),
            y0: y0.min(y1),
            x1,
            y1,
        }
    }

    /// Empties the layer, touching only what was drawn.
    pub(crate) fn clear(&mut self) {
        let Bounds { x0, y0, x1, y1 } = self.bounds();
        for y in y0..y1 {
            let row = y * self.size;
            self.coverage[row + x0..row + x1].fill(0.0);
            self.across[row + x0..row + x1].fill(1.0);
            self.radius[row + x0..row + x1].fill(0.0);
        }
        self.bounds = Bounds {
            x0: self.size,
            y0: self.size,
            x1: 0,
            y1: 0,
        };
    }

    /// Binary mask of the layer: pixels covered by at least half.
    pub(crate) fn mask(&self) -> Vec<bool> {
        self.coverage.iter().map(|&c| c >= 0.5).collect()
    }

    fn grow(&mut self, low: Point, high: Point) -> Option<Bounds> {
        let clip = |v: f32| (v.max(0.0) as usize).min(self.size);
        let area = Bounds {
            x0: clip(low[0].floor()),
            y0: clip(low[1].floor()),
            x1: clip(high[0].ceil()),
            y1: clip(high[1].ceil()),
        };
        if area.x0 >= area.x1 || area.y0 >= area.y1 {
            return None;
        }
        let b = &mut self.bounds;
        b.x0 = b.x0.min(area.x0);
        b.y0 = b.y0.min(area.y0);
        b.x1 = b.x1.max(area.x1);
        b.y1 = b.y1.max(area.y1);
        Some(area)
    }

    /// Draws one tapering segment with round ends from `a` (radius `ra`) to `b` (radius `rb`).
    ///
    /// Coverage is `clamp(radius - distance + 0.5, 0, 1)`: exact for straight walls along the grid
    /// and within a few percent elsewhere. Segments of one structure unite by maximum.
    pub(crate) fn capsule(&mut self, a: Point, ra: f32, b: Point, rb: f32) {
        let reach = ra.max(rb) + 1.0;
        let low = [a[0].min(b[0]) - reach, a[1].min(b[1]) - reach];
        let high = [a[0].max(b[0]) + reach, a[1].max(b[1]) + reach];
        let Some(area) = self.grow(low, high) else {
            return;
        };
        let [dx, dy] = [b[0] - a[0], b[1] - a[1]];
        let inverse_length2 = 1.0 / (dx * dx + dy * dy).max(1e-12);
        for y in area.y0..area.y1 {
            let py = y as f32 + 0.5 - a[1];
            for x in area.x0..area.x1 {
                let px = x as f32 + 0.5 - a[0];
                let along = ((px * dx + py * dy) * inverse_length2).clamp(0.0, 1.0);
                let radius = ra + (rb - ra) * along;
                let [ex, ey] = [px - along * dx, py - along * dy];
                let distance2 = ex * ex + ey * ey;
                if distance2 >= (radius + 0.5) * (radius + 0.5) {
                    continue;
                }
                let distance = distance2.sqrt();
                let coverage = (radius - distance + 0.5).min(1.0);
                let i = y * self.size + x;
                self.coverage[i] = self.coverage[i].max(coverage);
                self.across[i] = self.across[i].min(distance / radius);
                if coverage >= 0.5 {
                    self.radius[i] = self.radius[i].max(radius);
                }
            }
        }
    }

    /// Draws a polyline of `(point, radius)` knots.
    pub(crate) fn stroke(&mut self, knots: &[(Point, f32)]) {
        for pair in knots.windows(2) {
            self.capsule(pair[0].0, pair[0].1, pair[1].0, pair[1].1);
        }
    }

    /// Fills closed contours by the even-odd rule, so that an inner contour is a hole.
    pub(crate) fn fill(&mut self, contours: &[Vec<Point>]) {
        let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
        for point in contours.iter().flatten() {
            for axis in 0..2 {
                low[axis] = low[axis].min(point[axis]);
                high[axis] = high[axis].max(point[axis]);
            }
        }
        let Some(area) = self.grow(low, high) else {
            return;
        };
        let mut crossings: Vec<f32> = Vec::with_capacity(16);
        let mut row = vec![0.0_f32; self.size];
        for y in area.y0..area.y1 {
            row[area.x0..area.x1].fill(0.0);
            for sub in 0..SUB_ROWS {
                let sy = y as f32 + (sub as f32 + 0.5) / SUB_ROWS as f32;
                crossings.clear();
                for contour in contours {
                    let mut previous = contour[contour.len() - 1];
                    for &point in contour {
                        if (previous[1] <= sy) != (point[1] <= sy) {
                            let t = (sy - previous[1]) / (point[1] - previous[1]);
                            crossings.push(previous[0] + t * (point[0] - previous[0]));
                        }
                        previous = point;
                    }
                }
                crossings.sort_by(f32::total_cmp);
                for span in crossings.chunks_exact(2) {
                    add_span(&mut row, span[0], span[1], area.x0, area.x1);
                }
            }
            let out = &mut self.coverage[y * self.size + area.x0..][..area.x1 - area.x0];
            for (coverage, &filled) in out.iter_mut().zip(&row[area.x0..area.x1]) {
                *coverage = coverage.max((filled / SUB_ROWS as f32).min(1.0));
            }
        }
    }
}

/// Adds the exact overlap of `[from, to)` with every pixel of the row.
fn add_span(row: &mut [f32], from: f32, to: f32, x0: usize, x1: usize) {
    let from = from.max(x0 as f32);
    let to = to.min(x1 as f32);
    if from >= to {
        return;
    }
    let (first, last) = (from as usize, (to as usize).min(x1 - 1));
    if first == last {
        row[first] += to - from;
        return;
    }
    row[first] += (first + 1) as f32 - from;
    row[last] += to - last as f32;
    for cell in &mut row[first + 1..last] {
        *cell += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Layer};

    #[test]
    fn a_one_pixel_line_marks_the_pixels_within_half_a_pixel() {
        // Horizontal line whose axis runs a quarter pixel below the centres of row 8.
        let mut layer = Layer::new(16);
        layer.stroke(&[([2.5, 8.75], 0.5), ([12.5, 8.75], 0.5)]);
        let mask = layer.mask();
        for x in 3..12 {
            assert!(mask[8 * 16 + x], "column {x}");
            assert!(!mask[7 * 16 + x] && !mask[9 * 16 + x], "column {x}");
        }
        // Area of the line is shared by the two rows it touches.
        let column: f32 = (0..16).map(|y| layer.coverage[y * 16 + 6]).sum();
        assert!((column - 1.0).abs() < 1e-5, "{column}");
    }

    #[test]
    fn polygon_coverage_sums_to_its_area() {
        let mut layer = Layer::new(32);
        let square = |low: f32, high: f32| vec![[low, low], [high, low], [high, high], [low, high]];
        layer.fill(&[square(4.25, 20.75), square(8.0, 12.0)]);
        let area: f32 = layer.coverage.iter().sum();
        assert!((area - (16.5 * 16.5 - 16.0)).abs() < 1e-2, "{area}");
        assert!(!layer.mask()[10 * 32 + 10], "the inner contour is a hole");
    }

    #[test]
    fn a_disc_has_its_area_and_shapes_may_leave_the_grid() {
        let mut layer = Layer::new(32);
        let circle = |cx: f32, cy: f32| {
            (0..64)
                .map(|k| (k as f32 * std::f32::consts::TAU / 64.0).sin_cos())
                .map(|(s, c)| [cx + 9.0 * c, cy + 9.0 * s])
                .collect::<Vec<_>>()
        };
        layer.fill(&[circle(16.0, 16.0)]);
        let area: f32 = layer.coverage.iter().sum();
        assert!((area - 254.47).abs() < 1.5, "{area}");
        layer.clear();
        assert_eq!(
            layer.bounds(),
            Bounds {
                x0: 0,
                y0: 0,
                x1: 0,
                y1: 0
            }
        );
        layer.fill(&[circle(0.0, 31.0)]);
        layer.capsule([-40.0, 3.0], 2.0, [80.0, 3.0], 2.0);
        layer.capsule([200.0, 200.0], 2.0, [300.0, 200.0], 2.0);
        assert!(layer.mask()[3 * 32 + 31]);
    }
}
