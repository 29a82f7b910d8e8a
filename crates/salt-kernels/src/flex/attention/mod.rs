//! Attention over a grid, a block of queries at a time.
//!
//! One task is one head of one window, whole: its sums have one order, whatever the number of threads. A
//! block of queries has its scores in the cache from the product with the keys to the product with the
//! values; backward computes them again from the projections and two numbers a query.
//!
//! | file | concept |
//! |---|---|
//! | `windows` | which tokens lie in which window |
//! | `rows` | bias, softmax and its gradient over rows of scores |

mod rows;
mod windows;

use gemm::Parallelism;
use rayon::prelude::*;

use self::rows::{Positions, Slope, Statistics, Weigh};
use self::windows::{Window, Windows};
use super::product::{Into, Matrix, multiply};
use super::simd::{LANES, add, vectorised};
use crate::attention::Grid;

/// Scores of a block: half of a megabyte, which leaves room in the second-level cache.
const SCORES: usize = 1 << 17;
/// Most queries of a block; more of them do not make the products faster.
const MOST_QUERIES: usize = 128;

/// The inputs, row by row.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) grid: Grid,
    /// `[tokens, 3 * dim]`
    pub(super) qkv: &'a [f32],
    /// `[3 * dim]`
    pub(super) padding: &'a [f32],
    /// `[2 * rows - 1, d]`
    pub(super) rows: &'a [f32],
    /// `[2 * columns - 1, d]`
    pub(super) columns: &'a [f32],
}

/// Gradients of the inputs.
pub(super) struct Gradients {
    pub(super) qkv: Vec<f32>,
    pub(super) padding: Vec<f32>,
    pub(super) rows: Vec<f32>,
    pub(super) columns: Vec<f32>,
}

/// The inputs, cut into tasks.
struct Problem<'a> {
    inputs: Inputs<'a>,
    windows: Windows,
    /// Positions of rows, then of columns, each from the last to the first: the terms of a query for all
    /// keys of a row lie side by side, in the order of the keys. `[terms, d]`
    table: Vec<f32>,
    terms: usize,
    /// Elements between the terms of two queries.
    terms_stride: usize,
    keys: usize,
    /// Keys, filled up to whole lanes.
    keys_stride: usize,
    /// Queries of a block.
    block: usize,
}

/// What a task works in, used again by tasks after it.
struct Scratch {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    scores: Vec<f32>,
    slopes: Vec<f32>,
    relative: Vec<f32>,
    d_relative: Vec<f32>,
    bias: Vec<f32>,
    /// Gradients of a block's output.
    dy: Vec<f32>,
}

/// Gradients of one head of one window.
struct Parts {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    /// Of keys and of values at empty places, summed.
    empty: [Vec<f32>; 2],
    table: Vec<f32>,
}

/// Of every head of every window the statistics of its queries.
pub(super) type Kept = Vec<Vec<Statistics>>;

/// Output `[tokens, dim]`, and what [`backward`] needs beside the inputs.
pub(super) fn forward(inputs: Inputs<'_>) -> (Vec<f32>, Kept) {
    let problem = Problem::new(inputs);
    let Grid {
        heads, head_dim, ..
    } = inputs.grid;
    let dim = inputs.grid.dim();
    let (outputs, statistics): (Vec<_>, Vec<_>) = (0..problem.tasks())
        .into_par_iter()
        .map_init(
            || Scratch::new(&problem, false),
            |scratch, task| problem.attend(scratch, task),
        )
        .unzip();
    let mut y = vec![0.0; inputs.grid.batch * inputs.grid.height * inputs.grid.width * dim];
    y.par_chunks_exact_mut(dim)
        .zip(&problem.windows.owner)
        .for_each(|(row, &(window, query))| {
            for (head, out) in row.chunks_exact_mut(head_dim).enumerate() {
                let of_head: &Vec<f32> = &outputs[window * heads + head];
                out.copy_from_slice(&of_head[query * head_dim..][..head_dim]);
            }
        });
    (y, statistics)
}

/// Gradients from that of the output, `[tokens, dim]`.
pub(super) fn backward(
    inputs: Inputs<'_>,
    statistics: &[Vec<Statistics>],
    dy: &[f32],
) -> Gradients {
    let problem = Problem::new(inputs);
    let Grid {
        heads, head_dim, ..
    } = inputs.grid;
    let dim = inputs.grid.dim();
    let parts: Vec<Parts> = (0..problem.tasks())
        .into_par_iter()
        .map_init(
            || Scratch::new(&problem, true),
            |scratch, task| problem.differentiate(scratch, task, &statistics[task], dy),
        )
        .collect();
    let mut qkv = vec![0.0; inputs.qkv.len()];
    qkv.par_chunks_exact_mut(3 * dim)
        .zip(&problem.windows.owner)
        .for_each(|(row, &(window, query))| {
            let place = problem.windows.all[window].places[query];
            for (at, out) in row.chunks_exact_mut(head_dim).enumerate() {
                let part = &parts[window * heads + at % heads];
                let (values, row) = match at / heads {
                    0 => (&part.q, query),
                    1 => (&part.k, place),
                    _ => (&part.v, place),
                };
                out.copy_from_slice(&values[row * head_dim..][..head_dim]);
            }
        });
    let mut padding = vec![0.0; 3 * dim];
    let mut table = vec![0.0; problem.table.len()];
    for (task, part) in parts.iter().enumerate() {
        for (which, sums) in part.empty.iter().enumerate() {
            let at = (which + 1) * dim + task % heads * head_dim;
            add(&mut padding[at..][..head_dim], sums);
        }
        add(&mut table, &part.table);
    }
    let (rows, columns) = table.split_at(inputs.rows.len());
    Gradients {
        qkv,
        padding,
        rows: turned(rows, head_dim),
        columns: turned(columns, head_dim),
    }
}

/// [`multiply`] on this thread: the tasks are what runs in parallel.
fn product(out: &mut [f32], stride: usize, a: Matrix<'_>, b: Matrix<'_>, scale: f32, into: Into) {
    multiply(out, stride, a, b, scale, into, Parallelism::None);
}

/// The rows from the last to the first.
fn turned(values: &[f32], columns: usize) -> Vec<f32> {
    values.rchunks_exact(columns).flatten().copied().collect()
}

impl<'a> Problem<'a> {
    fn new(inputs: Inputs<'a>) -> Self {
        let [rows, columns] = inputs.grid.seen();
        let d = inputs.grid.head_dim;
        let mut table = turned(inputs.rows, d);
        table.extend(turned(inputs.columns, d));
        let terms = 2 * rows - 1 + 2 * columns - 1;
        let keys = rows * columns;
        let keys_stride = keys.next_multiple_of(LANES);
        Self {
            inputs,
            windows: Windows::new(&inputs.grid),
            table,
            terms,
            terms_stride: terms + LANES,
            keys,
            keys_stride,
            block: (SCORES / keys_stride).clamp(1, MOST_QUERIES),
        }
    }

    fn tasks(&self) -> usize {
        self.windows.all.len() * self.inputs.grid.heads
    }

    fn task(&self, task: usize) -> (&Window, usize) {
        let heads = self.inputs.grid.heads;
        (&self.windows.all[task / heads], task % heads)
    }

    fn scale(&self) -> f32 {
        (1.0 / (self.inputs.grid.head_dim as f64).sqrt()) as f32
    }

    /// Copies queries, keys and values of one head of one window side by side.
    fn gather(&self, scratch: &mut Scratch, window: &Window, head: usize) {
        let (d, dim) = (self.inputs.grid.head_dim, self.inputs.grid.dim());
        let [of_q, of_k, of_v] = [0, 1, 2].map(|part| part * dim + head * d);
        for (i, (&token, &place)) in window.tokens.iter().zip(&window.places).enumerate() {
            let row = &self.inputs.qkv[token * 3 * dim..][..3 * dim];
            scratch.q[i * d..][..d].copy_from_slice(&row[of_q..][..d]);
            scratch.k[place * d..][..d].copy_from_slice(&row[of_k..][..d]);
            scratch.v[place * d..][..d].copy_from_slice(&row[of_v..][..d]);
        }
        for &place in &window.empty {
            let padding = self.inputs.padding;
            scratch.k[place * d..][..d].copy_from_slice(&padding[of_k..][..d]);
            scratch.v[place * d..][..d].copy_from_slice(&padding[of_v..][..d]);
        }
    }

    /// Scores and position terms of the queries `from..to`.
    fn score(&self, scratch: &mut Scratch, from: usize, to: usize) {
        let (d, n) = (self.inputs.grid.head_dim, to - from);
        let stride = self.keys_stride;
        let q = Matrix::new(&scratch.q[from * d..], n, d, d);
        let k = Matrix::new(&scratch.k, stride, d, d).transpose();
        product(&mut scratch.scores, stride, q, k, 1.0, Into::Replace);
        let table = Matrix::new(&self.table, self.terms, d, d).transpose();
        let (terms, stride) = (&mut scratch.relative, self.terms_stride);
        product(terms, stride, q, table, 1.0, Into::Replace);
    }

    fn positions<'b>(&self, relative: &'b [f32], places: &'b [usize]) -> Positions<'b> {
        Positions {
            relative,
            stride: self.terms_stride,
            places,
            seen: self.inputs.grid.seen(),
            scale: self.scale(),
        }
    }

    /// Blocks of the queries `0..count`.
    fn blocks(&self, count: usize) -> impl Iterator<Item = (usize, usize)> {
        let block = self.block;
        let begins = (0..count).step_by(block);
        begins.map(move |from| (from, (from + block).min(count)))
    }

    /// Output `[queries, d]` and the statistics of the queries.
    fn attend(&self, scratch: &mut Scratch, task: usize) -> (Vec<f32>, Vec<Statistics>) {
        let (window, head) = self.task(task);
        let (d, queries) = (self.inputs.grid.head_dim, window.tokens.len());
        self.gather(scratch, window, head);
        let mut y = vec![0.0; queries * d];
        let mut statistics = vec![[0.0; 2]; queries];
        for (from, to) in self.blocks(queries) {
            let n = to - from;
            self.score(scratch, from, to);
            let Scratch {
                scores,
                relative,
                bias,
                v,
                ..
            } = scratch;
            vectorised(Weigh {
                positions: self.positions(relative, &window.places[from..to]),
                scores: &mut scores[..n * self.keys_stride],
                columns: self.keys_stride,
                statistics: &mut statistics[from..to],
                bias,
            });
            let y = &mut y[from * d..to * d];
            let weights = Matrix::new(scores, n, self.keys, self.keys_stride);
            let v = Matrix::new(v, self.keys, d, d);
            product(y, d, weights, v, 1.0, Into::Replace);
            for (row, [_, inverse]) in y.chunks_exact_mut(d).zip(&statistics[from..to]) {
                for value in row {
                    *value *= inverse;
                }
            }
        }
        (y, statistics)
    }

    fn differentiate(
        &self,
        scratch: &mut Scratch,
        task: usize,
        statistics: &[Statistics],
        dy: &[f32],
    ) -> Parts {
        let (window, head) = self.task(task);
        let (d, dim) = (self.inputs.grid.head_dim, self.inputs.grid.dim());
        let queries = window.tokens.len();
        self.gather(scratch, window, head);
        let mut parts = Parts {
            q: vec![0.0; queries * d],
            k: vec![0.0; self.keys * d],
            v: vec![0.0; self.keys * d],
            empty: [vec![0.0; d], vec![0.0; d]],
            table: vec![0.0; self.table.len()],
        };
        for (from, to) in self.blocks(queries) {
            let n = to - from;
            let of_block = scratch.dy.chunks_exact_mut(d);
            for (row, &token) in of_block.zip(&window.tokens[from..to]) {
                row.copy_from_slice(&dy[token * dim + head * d..][..d]);
            }
            self.score(scratch, from, to);
            let stride = self.keys_stride;
            let dy = Matrix::new(&scratch.dy, n, d, d);
            let v = Matrix::new(&scratch.v, stride, d, d).transpose();
            product(&mut scratch.slopes, stride, dy, v, 1.0, Into::Replace);
            let Scratch {
                scores,
                slopes,
                relative,
                d_relative,
                bias,
                q,
                k,
                ..
            } = scratch;
            d_relative[..n * self.terms_stride].fill(0.0);
            vectorised(Slope {
                positions: self.positions(relative, &window.places[from..to]),
                scores: &mut scores[..n * stride],
                slopes: &mut slopes[..n * stride + LANES],
                columns: stride,
                statistics: &statistics[from..to],
                bias,
                d_relative,
            });
            let (keys, scale) = (self.keys, self.scale());
            let q = Matrix::new(&q[from * d..], n, d, d);
            let k = Matrix::new(k, keys, d, d);
            let weights = Matrix::new(scores, n, keys, stride).transpose();
            let slopes = Matrix::new(slopes, n, keys, stride);
            let d_terms = Matrix::new(d_relative, n, self.terms, self.terms_stride);
            let table = Matrix::new(&self.table, self.terms, d, d);
            let d_q = &mut parts.q[from * d..];
            product(&mut parts.v, d, weights, dy, 1.0, Into::Add);
            product(&mut parts.k, d, slopes.transpose(), q, scale, Into::Add);
            product(d_q, d, slopes, k, scale, Into::Replace);
            product(d_q, d, d_terms, table, 1.0, Into::Add);
            product(&mut parts.table, d, d_terms.transpose(), q, 1.0, Into::Add);
        }
        for (sums, values) in parts.empty.iter_mut().zip([&parts.k, &parts.v]) {
            for &place in &window.empty {
                add(sums, &values[place * d..][..d]);
            }
        }
        parts
    }
}

impl Scratch {
    fn new(problem: &Problem<'_>, backward: bool) -> Self {
        let d = problem.inputs.grid.head_dim;
        let per_key = || vec![0.0; problem.keys_stride * d];
        let block = |columns: usize| vec![0.0; problem.block * columns + LANES];
        let needed = |columns: usize| if backward { block(columns) } else { vec![] };
        Self {
            q: per_key(),
            k: per_key(),
            v: per_key(),
            scores: block(problem.keys_stride),
            slopes: needed(problem.keys_stride),
            relative: block(problem.terms_stride),
            d_relative: needed(problem.terms_stride),
            bias: vec![0.0; problem.keys_stride + LANES],
            dy: needed(d),
        }
    }
}
