//! What happens to rows of scores between the products: bias, softmax and its gradient, all in one pass
//! each.
//!
//! Rows are filled up to a whole number of [`LANES`] columns; those beyond the keys get the bias of minus
//! infinity and with it the weight 0.

use pulp::NullaryFnOnce;

use crate::flex::simd::{LANES, exp};

/// The positions of a block of queries and what they say to the keys.
pub(super) struct Positions<'a> {
    /// `q T^T`, rows of `stride` with at least [`LANES`] beyond the last column, see
    /// [`Problem::table`](super::Problem).
    pub(super) relative: &'a [f32],
    pub(super) stride: usize,
    /// Of every query its place in the window.
    pub(super) places: &'a [usize],
    /// Rows and columns of the window.
    pub(super) seen: [usize; 2],
    /// Of the scores.
    pub(super) scale: f32,
}

impl Positions<'_> {
    /// Where the terms of rows and of columns begin for query `i`.
    #[inline(always)]
    fn begin(&self, i: usize) -> [usize; 2] {
        let [rows, columns] = self.seen;
        let (y, x) = (self.places[i] / columns, self.places[i] % columns);
        [rows - 1 - y, 2 * rows - 1 + columns - 1 - x]
    }

    /// The bias of query `i` to every key; minus infinity beyond the keys.
    #[inline(always)]
    fn bias(&self, i: usize, bias: &mut [f32]) {
        let [rows, columns] = self.seen;
        let relative = &self.relative[i * self.stride..][..self.stride];
        let [by_row, by_column] = self.begin(i);
        for (y, &of_row) in relative[by_row..][..rows].iter().enumerate() {
            for column in (0..columns).step_by(LANES) {
                // What is written beyond the last column is overwritten by the next row.
                let of_columns = chunk(relative, by_column + column);
                let out = chunk_mut(bias, y * columns + column);
                for (out, of_column) in out.iter_mut().zip(of_columns) {
                    *out = of_row + of_column;
                }
            }
        }
        bias[rows * columns..].fill(f32::NEG_INFINITY);
    }
}

#[inline(always)]
fn chunk(values: &[f32], at: usize) -> &[f32; LANES] {
    values[at..]
        .first_chunk()
        .expect("rows have lanes to spare")
}

#[inline(always)]
fn chunk_mut(values: &mut [f32], at: usize) -> &mut [f32; LANES] {
    values[at..]
        .first_chunk_mut()
        .expect("rows have lanes to spare")
}

/// Largest score and reciprocal sum of a row, by which backward finds the weights again.
pub(super) type Statistics = [f32; 2];

/// Scores to `exp(score - largest)`.
pub(super) struct Weigh<'a> {
    pub(super) positions: Positions<'a>,
    /// `q k^T`, rows of `columns`.
    pub(super) scores: &'a mut [f32],
    pub(super) columns: usize,
    pub(super) statistics: &'a mut [Statistics],
    /// Of `columns` and [`LANES`] elements.
    pub(super) bias: &'a mut [f32],
}

impl NullaryFnOnce for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let scale = self.positions.scale;
        let rows = self.scores.chunks_exact_mut(self.columns);
        for (i, (row, statistics)) in rows.zip(self.statistics).enumerate() {
            self.positions.bias(i, self.bias);
            let (row, _) = row.as_chunks_mut::<LANES>();
            let (bias, _) = self.bias.as_chunks::<LANES>();
            let mut tops = [f32::NEG_INFINITY; LANES];
            for (scores, bias) in row.iter_mut().zip(bias) {
                for ((score, &bias), top) in scores.iter_mut().zip(bias).zip(&mut tops) {
                    *score = *score * scale + bias;
                    *top = if *score > *top { *score } else { *top };
                }
            }
            let largest = tops.into_iter().fold(f32::NEG_INFINITY, f32::max);
            let mut sums = [0f32; LANES];
            for scores in row {
                for (score, sum) in scores.iter_mut().zip(&mut sums) {
                    *score = exp(*score - largest);
                    *sum += *score;
                }
            }
            *statistics = [largest, 1.0 / sums.iter().sum::<f32>()];
        }
    }
}

/// Scores to weights, and gradients of weights to gradients of scores: `ds = p (dp - sum p dp)`.
pub(super) struct Slope<'a> {
    pub(super) positions: Positions<'a>,
    /// `q k^T`, becomes the weights.
    pub(super) scores: &'a mut [f32],
    /// Gradients of the weights, become those of the scores; [`LANES`] beyond the last row.
    pub(super) slopes: &'a mut [f32],
    pub(super) columns: usize,
    pub(super) statistics: &'a [Statistics],
    pub(super) bias: &'a mut [f32],
    /// Gradients of [`Positions::relative`], zeros before.
    pub(super) d_relative: &'a mut [f32],
}

impl NullaryFnOnce for Slope<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let scale = self.positions.scale;
        let rows = self.scores.chunks_exact_mut(self.columns);
        for (i, (row, &[largest, inverse])) in rows.zip(self.statistics).enumerate() {
            self.positions.bias(i, self.bias);
            let (row, _) = row.as_chunks_mut::<LANES>();
            let (bias, _) = self.bias.as_chunks::<LANES>();
            let slopes = &mut self.slopes[i * self.columns..];
            let (d_row, _) = slopes[..self.columns].as_chunks_mut::<LANES>();
            let mut sums = [0f32; LANES];
            for ((scores, bias), slopes) in row.iter_mut().zip(bias).zip(d_row.iter()) {
                for lane in 0..LANES {
                    let weight = exp(scores[lane] * scale + bias[lane] - largest) * inverse;
                    scores[lane] = weight;
                    sums[lane] += weight * slopes[lane];
                }
            }
            let inner = sums.iter().sum::<f32>();
            for (weights, slopes) in row.iter().zip(d_row) {
                for (weight, slope) in weights.iter().zip(slopes) {
                    *slope = weight * (*slope - inner);
                }
            }
            let stride = self.positions.stride;
            let d_relative = &mut self.d_relative[i * stride..][..stride];
            let begin = self.positions.begin(i);
            // The bias of this row is used up: its place takes the sums over columns.
            sum_by_position(slopes, d_relative, self.positions.seen, begin, self.bias);
        }
    }
}

/// Sums one row of gradients over the keys of a row, and over those of a column.
#[inline(always)]
fn sum_by_position(
    slopes: &[f32],
    d_relative: &mut [f32],
    [rows, columns]: [usize; 2],
    [by_row, by_column]: [usize; 2],
    of_columns: &mut [f32],
) {
    of_columns[..columns].fill(0.0);
    for y in 0..rows {
        let mut lanes = [0f32; LANES];
        for column in (0..columns).step_by(LANES) {
            let slopes = chunk(slopes, y * columns + column);
            let sums = chunk_mut(of_columns, column);
            for lane in 0..LANES {
                // Beyond the last column lies the next row.
                let inside = column + lane < columns;
                lanes[lane] += if inside { slopes[lane] } else { 0.0 };
                sums[lane] += slopes[lane];
            }
        }
        d_relative[by_row + y] = lanes.iter().sum();
    }
    d_relative[by_column..][..columns].copy_from_slice(&of_columns[..columns]);
}
