//! Which way the axes of a volume run in the body.

use std::fmt;
use std::str::FromStr;

use crate::volume::error::VolumeError;

/// Where the voxel indices of a volume grow to, axis by axis.
///
/// Written as in nibabel: `RAS` says that the first index grows towards the patient's right, the
/// second towards the front (anterior), the third towards the head (superior).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Orientation {
    /// World axis of each voxel axis: 0 left-right, 1 back-front, 2 foot-head.
    world: [usize; 3],
    /// Whether it runs against R, A or S.
    flipped: [bool; 3],
}

/// The two ends of the world axes: the positive one first.
const CODES: [[char; 2]; 3] = [['R', 'L'], ['A', 'P'], ['S', 'I']];

const PERMUTATIONS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

impl Orientation {
    /// The canonical orientation of nibabel and of NIfTI's world: right, anterior, superior.
    pub const RAS: Self = Self {
        world: [0, 1, 2],
        flipped: [false; 3],
    };

    /// The directions that an oblique matrix is nearest to: the assignment of voxel to world axes
    /// with the largest sum of absolute direction cosines.
    ///
    /// `directions[w][v]` is the step along world axis `w` for one voxel along axis `v`. `None` if
    /// a step is not finite or the volume would be flat.
    pub(crate) fn nearest(directions: &[[f64; 3]; 3]) -> Option<Self> {
        let length = [0, 1, 2].map(|v: usize| {
            directions
                .iter()
                .map(|row| row[v] * row[v])
                .sum::<f64>()
                .sqrt()
        });
        let cosine = |w: usize, v: usize| directions[w][v] / length[v];
        let minor = |a: usize, b: usize| cosine(1, a) * cosine(2, b) - cosine(1, b) * cosine(2, a);
        let volume =
            cosine(0, 0) * minor(1, 2) - cosine(0, 1) * minor(0, 2) + cosine(0, 2) * minor(0, 1);
        // Not a number where a length is 0 or not finite.
        if volume.is_nan() || volume.abs() < 1e-6 {
            return None;
        }
        let agreement = |world: &[usize; 3]| (0..3).map(|v| cosine(world[v], v).abs()).sum::<f64>();
        let world = PERMUTATIONS.into_iter().reduce(|best, next| {
            if agreement(&next) > agreement(&best) {
                next
            } else {
                best
            }
        })?;
        Some(Self {
            world,
            flipped: [0, 1, 2].map(|v| cosine(world[v], v) < 0.0),
        })
    }

    /// How voxels of this orientation become voxels of `target`.
    pub(crate) fn towards(self, target: Self) -> AxisMap {
        let mut map = AxisMap::IDENTITY;
        for axis in 0..3 {
            let from = (0..3)
                .find(|&v| self.world[v] == target.world[axis])
                .unwrap_or(axis);
            map.from[axis] = from;
            map.flip[axis] = self.flipped[from] != target.flipped[axis];
        }
        map
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (world, flipped) in self.world.into_iter().zip(self.flipped) {
            write!(f, "{}", CODES[world][usize::from(flipped)])?;
        }
        Ok(())
    }
}

impl FromStr for Orientation {
    type Err = VolumeError;

    fn from_str(text: &str) -> Result<Self, VolumeError> {
        let refused = || VolumeError::AxisCodes {
            received: text.to_owned(),
        };
        let mut orientation = Self::RAS;
        let mut used = [false; 3];
        if text.chars().count() != 3 {
            return Err(refused());
        }
        for (axis, code) in text.chars().enumerate() {
            let world = CODES
                .iter()
                .position(|ends| ends.contains(&code))
                .ok_or_else(refused)?;
            if std::mem::replace(&mut used[world], true) {
                return Err(refused());
            }
            orientation.world[axis] = world;
            orientation.flipped[axis] = code == CODES[world][1];
        }
        Ok(orientation)
    }
}

/// A permutation of axes with flips: axis `a` of the result is axis `from[a]` of the source, run
/// backwards where `flip[a]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AxisMap {
    pub(crate) from: [usize; 3],
    pub(crate) flip: [bool; 3],
}

impl AxisMap {
    pub(crate) const IDENTITY: Self = Self {
        from: [0, 1, 2],
        flip: [false; 3],
    };

    pub(crate) fn permuted<T: Copy>(&self, values: [T; 3]) -> [T; 3] {
        self.from.map(|axis| values[axis])
    }

    /// The map back.
    pub(crate) fn inverse(&self) -> Self {
        let mut inverse = Self::IDENTITY;
        for axis in 0..3 {
            inverse.from[self.from[axis]] = axis;
            inverse.flip[self.from[axis]] = self.flip[axis];
        }
        inverse
    }

    /// This map, then `next`.
    pub(crate) fn then(&self, next: &Self) -> Self {
        Self {
            from: next.from.map(|axis| self.from[axis]),
            flip: [0, 1, 2].map(|a| next.flip[a] != self.flip[next.from[a]]),
        }
    }

    /// The voxels in their new order; the first axis runs fastest before and after.
    pub(crate) fn apply<T: Copy>(&self, values: &[T], size: [usize; 3]) -> Vec<T> {
        let stride = self.permuted([1, size[0], size[0] * size[1]]);
        let new = self.permuted(size);
        let along = |axis: usize, i: usize| {
            stride[axis]
                * if self.flip[axis] {
                    new[axis] - 1 - i
                } else {
                    i
                }
        };
        let mut out = Vec::with_capacity(values.len());
        for k in 0..new[2] {
            for j in 0..new[1] {
                let start = along(2, k) + along(1, j);
                out.extend((0..new[0]).map(|i| values[start + along(0, i)]));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{AxisMap, Orientation};
    use crate::volume::error::VolumeError;

    #[test]
    fn codes_are_read_and_written() {
        for codes in ["RAS", "LPS", "PIR", "SAL", "IRP"] {
            let orientation: Orientation = codes.parse().expect("three axes");
            assert_eq!(orientation.to_string(), codes);
        }
        for codes in ["", "RA", "RASS", "RLS", "XYZ", "ras"] {
            let error = codes.parse::<Orientation>().expect_err(codes);
            assert!(matches!(error, VolumeError::AxisCodes { .. }), "{codes}");
        }
    }

    #[test]
    fn a_map_and_its_inverse_cancel() {
        let size = [2, 3, 4];
        let values: Vec<u8> = (0..24).collect();
        for from in ["RAS", "LPS", "PIR", "SAL", "IRP"] {
            let from: Orientation = from.parse().expect("three axes");
            let map = from.towards(Orientation::RAS);
            let moved = map.apply(&values, size);
            let back = map.inverse();
            assert_eq!(back.apply(&moved, map.permuted(size)), values, "{from}");
            assert_eq!(map.then(&back), AxisMap::IDENTITY, "{from}");
            assert_eq!(back, Orientation::RAS.towards(from), "{from}");
        }
    }

    #[test]
    fn flat_volumes_have_no_orientation() {
        let flat = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]];
        assert_eq!(Orientation::nearest(&flat), None);
        let twice = [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(Orientation::nearest(&twice), None);
        let unknown = [[f64::NAN, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(Orientation::nearest(&unknown), None);
    }
}
