//! Flips, magnification, rotation and shift as one affine map, and where it has to lie.

use super::{Bend, Drawn};

/// Affine map from input pixels to source pixels, both measured at pixel centres + 1/2:
/// `source = matrix * input + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Warp {
    pub(crate) matrix: [[f64; 2]; 2],
    pub(crate) offset: [f64; 2],
}

fn times(matrix: [[f64; 2]; 2], [x, y]: [f64; 2]) -> [f64; 2] {
    matrix.map(|[mx, my]| mx * x + my * y)
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
        let moved = times(matrix, from);
        let offset = [0, 1].map(|axis| origin[axis] as f64 + centre[axis] - moved[axis]);
        Warp { matrix, offset }
    }
}

/// What is to be seen, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// Source pixel, `[x, y]`.
    pub(crate) pixel: [usize; 2],
    /// Input pixel that is to show it where there is a choice.
    pub(crate) shown_at: [usize; 2],
    /// Largest origin of a tile that lies in the source, along x and y.
    pub(crate) room: [usize; 2],
}

impl Warp {
    /// This map, laid for the origin 0, moved so that the input shows a source pixel.
    ///
    /// The tile is laid so that `shown_at` shows it, then pushed back into the source where it stands
    /// out; should that push the pixel out of sight (a turned tile cannot reach a corner of the source)
    /// it stays where it was. Either way the pixel comes to lie at the very centre of an input pixel, so
    /// that the nearest-neighbour reading of labels, which may skip pixels, does not skip this one.
    pub(crate) fn showing(self, sight: Sight, size: usize, bend: Option<&Bend>) -> Self {
        let target = sight.pixel.map(|at| at as f64 + 0.5);
        let anchored = |at: [f64; 2]| {
            let bent = bend.map_or([0.0; 2], |bend| bend.at(at));
            let seen = times(self.matrix, [at[0] + bent[0], at[1] + bent[1]]);
            [target[0] - seen[0], target[1] - seen[1]]
        };
        let free = anchored(sight.shown_at.map(|at| at as f64 + 0.5));
        let inside = [0, 1].map(|axis| {
            let origin = free[axis] - self.offset[axis];
            self.offset[axis] + origin.round().clamp(0.0, sight.room[axis] as f64)
        });
        let [[a, b], [c, d]] = self.matrix;
        let determinant = a * d - b * c;
        let inverse = [[d, -b], [-c, a]].map(|row| row.map(|value| value / determinant));
        let at = times(inverse, [target[0] - inside[0], target[1] - inside[1]]);
        let in_sight = at.iter().all(|&at| (0.0..size as f64).contains(&at));
        let offset = if in_sight {
            anchored(at.map(|at| at.floor() + 0.5))
        } else {
            free
        };
        Self { offset, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sight, times};
    use crate::augment::Augment;
    use crate::draw_rng::DrawRng;

    #[test]
    fn nothing_is_the_identity() {
        let drawn = Augment::none().draw(&mut DrawRng::new(0, 0));
        let warp = drawn.warp([3, 5], [10, 8], 12);
        assert_eq!(warp.matrix, [[1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(warp.offset, [3.0, 5.0]);
    }

    #[test]
    fn a_quarter_turn_moves_the_right_edge_to_the_bottom() {
        let mut drawn = Augment::none().draw(&mut DrawRng::new(0, 0));
        drawn.angle_rad = std::f64::consts::FRAC_PI_2;
        let warp = drawn.warp([0, 0], [10, 10], 10);
        // The middle of the bottom edge shows what was in the middle of the right edge.
        let [x, y] = times(warp.matrix, [5.0, 10.0]);
        let [x, y] = [x + warp.offset[0], y + warp.offset[1]];
        assert!((x - 10.0).abs() < 1e-9 && (y - 5.0).abs() < 1e-9, "{x} {y}");
    }

    #[test]
    fn a_plain_tile_stays_in_the_source_and_on_whole_pixels() {
        let drawn = Augment::none().draw(&mut DrawRng::new(0, 0));
        let check = |pixel, shown_at, expected| {
            let sight = Sight {
                pixel,
                shown_at,
                room: [30, 20],
            };
            let warp = drawn.warp([0, 0], [10, 10], 10).showing(sight, 10, None);
            assert_eq!(warp.offset, expected, "{sight:?}");
        };
        check([25, 17], [4, 9], [21.0, 8.0]);
        // At the borders the tile does not reach out.
        check([2, 1], [4, 9], [0.0, 0.0]);
        check([39, 29], [0, 0], [30.0, 20.0]);
    }
}
