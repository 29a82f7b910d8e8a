//! Four numbers that tell one singular basis from another.

use faer::MatRef;

/// [`probe`](super::ThinSvd::probe) of any two matrices with as many columns as each other.
pub(crate) fn probe_columns(sides: [MatRef<'_, f64>; 2]) -> [f64; 4] {
    let mut out = [0.0; 4];
    let n_columns = sides[0].ncols();
    for (side, matrix) in sides.into_iter().enumerate() {
        let is_negative: Vec<bool> = (0..matrix.nrows())
            .map(|row| unit(side, row) < 0.5)
            .collect();
        for col in 0..n_columns {
            let projection: f64 = matrix
                .col(col)
                .iter()
                .zip(&is_negative)
                .map(|(x, is_negative)| if *is_negative { -x } else { *x })
                .sum();
            out[2 * side] += (0.5 + unit(2, col)) * projection;
            out[2 * side + 1] += (0.5 + unit(3, col)) * projection;
        }
    }
    // Rounded so that the file stays readable; zero is never written as -0.
    out.map(|x| (x / (n_columns.max(1) as f64).sqrt() * 1e6).round() / 1e6 + 0.0)
}

/// How far two probes of one basis may lie apart.
pub const PROBE_TOLERANCE: f64 = 1e-4;

/// A fixed pseudo-random number in [0, 1): the splitmix64 finaliser of (stream, index).
fn unit(stream: usize, index: usize) -> f64 {
    let mut z = (stream as u64) << 32 | index as u64;
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use faer::Mat;

    use super::*;

    #[test]
    fn a_flipped_vector_is_seen() {
        let matrix = |rows, seed| {
            Mat::from_fn(rows, 5, |i, j| {
                ((i * 13 + j * 5 + seed) % 17) as f64 / 17.0 - 0.5
            })
        };
        let (u, v) = (matrix(6, 1), matrix(9, 2));
        let probe = probe_columns([u.as_ref(), v.as_ref()]);
        for col in 0..5 {
            let flip = |matrix: &Mat<f64>| {
                let mut matrix = matrix.clone();
                matrix.col_mut(col).iter_mut().for_each(|x| *x = -*x);
                matrix
            };
            let flipped = probe_columns([flip(&u).as_ref(), flip(&v).as_ref()]);
            let moved = probe.iter().zip(flipped).any(|(a, b)| (a - b).abs() > 1e-3);
            assert!(moved, "column {col}");
        }
    }
}
