//! SALT tails whose rank changes while they are trained, within a fixed budget of parameters.
//!
//! The paper fixes d, the inner dimension of `X Y`, and leaves choosing it by layer during training open
//! (arXiv 2503.16055, section 5). The rule here is that of dynamic sparse training, on directions in
//! place of weights: drop what is smallest, grow where the gradient is largest (RigL, arXiv 1911.11134).
//!
//! **Direction** j of a layer is column j of X with row j of Y. U and V being orthonormal, it changes the weight
//! by a matrix of Frobenius norm `|X_j| |Y_j|`, and it costs `u = 2 (k - r)` parameters.
//!
//! **Drop.** Of all directions of all layers the share `q` with the least `(|X_j| |Y_j|)^2 / u` goes; every
//! layer keeps one.
//!
//! **Grow.** The freed parameters buy new directions, one at a time, for the layer with the largest
//! `g^2 / u / (1 + bought)`. `g` is the mean of `|M_j| / |X_j|` over the layer's directions, M the
//! optimiser's running mean of Y's gradient: the slope of the loss along a new direction like those it
//! has. A new column of X is kaiming-uniform, the row of Y zero, so that growing changes no output.
//!
//! What it does on the benchmark stands in `docs/results/README.md`.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::TensorData;

use crate::error::PeftError;
use crate::inspect::{adapters, exchange_all};
use crate::methods::Factors;
use crate::methods::salt::SaltAdapter;
use crate::random;

/// The tail of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    /// The path of its factors, which are `<path>.x` `[n, d]` and `<path>.y` `[d, n]`.
    pub path: String,
    /// `(|X_j| |Y_j|)^2` for each of its d directions.
    pub energy: Vec<f64>,
    /// `g`, the slope of the loss along a new direction.
    pub slope: f64,
    /// n, the singular values of the tail: twice that are the parameters of a direction.
    pub n: usize,
}

/// What becomes of a tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailChange {
    /// The directions that stay, in their order.
    pub keep: Vec<usize>,
    /// New ones behind them.
    pub grown: usize,
}

/// The tails of a SALT model, in the order of their paths. `mean_gradient` gives the optimiser's
/// running mean of the gradient of a parameter, by path, row-major; without one a layer's slope is 0.
///
/// # Errors
/// [`PeftError::Unreadable`].
pub fn tails<M: Module>(
    model: &M,
    mean_gradient: impl Fn(&str) -> Option<Vec<f32>>,
) -> Result<Vec<Tail>, PeftError> {
    let mut tails = BTreeMap::new();
    for (weight, adapter) in adapters(model) {
        for part in &adapter.parts {
            let Factors::Salt(salt) = &part.factors else {
                continue;
            };
            let path = part.prefix(&weight);
            let Some((x, y, [n, d])) = salt.tail_values(&path)? else {
                continue;
            };
            let square = |values: &mut dyn Iterator<Item = f32>| -> f64 {
                values.map(|v| f64::from(v) * f64::from(v)).sum()
            };
            let of_x = |j: usize| square(&mut (0..n).map(|i| x[i * d + j]));
            let of_y = |y: &[f32], j: usize| square(&mut y[j * n..(j + 1) * n].iter().copied());
            let mean = mean_gradient(&format!("{path}.y")).filter(|mean| mean.len() == d * n);
            let slopes = mean.map(|mean| {
                let slopes =
                    (0..d).map(|j| (of_y(&mean, j) / of_x(j).max(f64::MIN_POSITIVE)).sqrt());
                slopes.sum::<f64>() / d as f64
            });
            let tail = Tail {
                energy: (0..d).map(|j| of_x(j) * of_y(&y, j)).collect(),
                slope: slopes.unwrap_or(0.0),
                n,
                path: path.clone(),
            };
            tails.insert(path, tail);
        }
    }
    Ok(tails.into_values().collect())
}

/// What the rule makes of the tails when a share `q` of their directions goes: the layers that change,
/// by path. The number of trained parameters does not grow.
pub fn redistribute(tails: &[Tail], q: f64) -> BTreeMap<String, TailChange> {
    let cost = |tail: &Tail| 2 * tail.n;
    let mut directions: Vec<(usize, usize, f64)> = tails
        .iter()
        .enumerate()
        .flat_map(|(at, tail)| {
            let energy = tail.energy.iter().enumerate();
            energy.map(move |(j, energy)| (at, j, energy / cost(tail) as f64))
        })
        .collect();
    directions.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut left: Vec<Vec<usize>> = tails
        .iter()
        .map(|t| (0..t.energy.len()).collect())
        .collect();
    let mut to_drop = (q.clamp(0.0, 1.0) * directions.len() as f64) as usize;
    let mut freed = 0;
    for (at, j, _) in directions {
        if to_drop == 0 {
            break;
        }
        if left[at].len() > 1 {
            left[at].retain(|kept| *kept != j);
            freed += cost(&tails[at]);
            to_drop -= 1;
        }
    }
    let mut grown = vec![0_usize; tails.len()];
    loop {
        let score = |at: usize| {
            let tail = &tails[at];
            tail.slope * tail.slope / cost(tail) as f64 / (1 + grown[at]) as f64
        };
        let affordable = (0..tails.len())
            .filter(|at| cost(&tails[*at]) <= freed && left[*at].len() + grown[*at] < tails[*at].n);
        // The first of equals.
        let best = affordable.reduce(|best, at| if score(at) > score(best) { at } else { best });
        let Some(best) = best else { break };
        grown[best] += 1;
        freed -= cost(&tails[best]);
    }
    let changes = tails.iter().zip(left.into_iter().zip(grown));
    changes
        .filter(|(tail, (keep, grown))| *grown > 0 || keep.len() < tail.energy.len())
        .map(|(tail, (keep, grown))| (tail.path.clone(), TailChange { keep, grown }))
        .collect()
}

impl TailChange {
    /// The inner dimension that comes of it.
    pub fn rank(&self) -> usize {
        self.keep.len() + self.grown
    }

    /// X `[n, d]`, or something that runs along with it, with `new` `[n, grown]` behind what stays.
    pub fn columns(&self, x: &[f32], n: usize, new: &[f32]) -> Vec<f32> {
        let d = x.len() / n.max(1);
        let mut out = Vec::with_capacity(n * self.rank());
        for row in 0..n {
            out.extend(self.keep.iter().map(|j| x[row * d + j]));
            out.extend(&new[row * self.grown..(row + 1) * self.grown]);
        }
        out
    }

    /// Y `[d, n]`, or something that runs along with it, with zeros behind what stays.
    pub fn rows(&self, y: &[f32], n: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(n * self.rank());
        for j in &self.keep {
            out.extend(&y[j * n..(j + 1) * n]);
        }
        out.resize(n * self.rank(), 0.0);
        out
    }
}

/// Makes the changes. `seed` and `step` decide the new columns of X.
///
/// # Errors
/// [`PeftError::Unreadable`].
pub fn change_tails<M: Module>(
    model: M,
    changes: &BTreeMap<String, TailChange>,
    seed: u64,
    step: u64,
) -> Result<M, PeftError> {
    rebuild(model, |path, salt| {
        let Some((change, (x, y, [n, _]))) = changes.get(path).zip(salt.tail_values(path)?) else {
            return Ok(None);
        };
        let (rank, grown) = (change.rank(), change.grown);
        let mut stream = random::stream(seed, path, &format!("x at step {step}"));
        let new = random::kaiming_uniform(&mut stream, n * grown, rank);
        let (x, y) = (change.columns(&x, n, &new), change.rows(&y, n));
        Ok(Some(salt.with_tail(x, y, rank)))
    })
}

/// Gives every tail the inner dimension that its factors have in a state, so that the state can be
/// loaded. Values do not matter; other adapters are left alone.
///
/// # Errors
/// [`PeftError::Unreadable`].
pub fn fit_tails<M: Module>(
    model: M,
    state: &BTreeMap<String, TensorData>,
) -> Result<M, PeftError> {
    rebuild(model, |path, salt| {
        let Some((_, _, [n, d])) = salt.tail_values(path)? else {
            return Ok(None);
        };
        let stored = state.get(&format!("{path}.x"));
        let rank = match stored.map(|x| x.shape().to_vec()).as_deref() {
            // Anything else is for the loading to refuse.
            Some([rows, rank]) if *rows == n && (1..=n).contains(rank) && *rank != d => *rank,
            _ => return Ok(None),
        };
        let zeros = vec![0.0; n * rank];
        Ok(Some(salt.with_tail(zeros.clone(), zeros, rank)))
    })
}

/// Exchanges the SALT adapters for which `change` gives another.
fn rebuild<M: Module>(
    model: M,
    change: impl Fn(&str, &SaltAdapter) -> Result<Option<SaltAdapter>, PeftError>,
) -> Result<M, PeftError> {
    let mut changed = BTreeMap::new();
    for (weight, mut adapter) in adapters(&model) {
        let mut any = false;
        for part in &mut adapter.parts {
            let path = part.prefix(&weight);
            if let Factors::Salt(salt) = &part.factors
                && let Some(new) = change(&path, salt)?
            {
                part.factors = Factors::Salt(new);
                any = true;
            }
        }
        if any {
            changed.insert(weight, adapter);
        }
    }
    Ok(exchange_all(model, changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(path: &str, energy: &[f64], slope: f64, n: usize) -> Tail {
        Tail {
            path: path.into(),
            energy: energy.to_vec(),
            slope,
            n,
        }
    }

    fn check(tails: &[Tail], q: f64, expected: &[(&str, &[usize], usize)]) {
        let expected = expected.iter().map(|(path, keep, grown)| {
            let (keep, grown) = (keep.to_vec(), *grown);
            (path.to_string(), TailChange { keep, grown })
        });
        assert_eq!(redistribute(tails, q), expected.collect());
    }

    #[test]
    fn small_directions_go_to_where_the_slope_is() {
        let tails = [
            tail("a", &[4.0, 0.1, 3.0], 0.1, 10),
            tail("b", &[2.0, 0.2, 5.0], 9.0, 10),
        ];
        check(&tails, 0.0, &[]);
        check(&tails, 1.0 / 3.0, &[("a", &[0, 2], 0), ("b", &[0, 2], 2)]);
        // A direction of b costs half as much, and its energy counts twice.
        let tails = [
            tail("a", &[4.0, 1.5, 3.0], 9.0, 10),
            tail("b", &[2.0, 1.0, 5.0], 0.1, 5),
        ];
        check(&tails, 0.2, &[("a", &[0, 2], 1)]);
    }

    #[test]
    fn a_layer_keeps_one_and_has_no_more_than_its_tail() {
        let tails = [
            tail("a", &[0.0, 0.0, 0.0], 0.0, 4),
            tail("b", &[1.0, 1.0, 1.0], 1.0, 4),
        ];
        check(&tails, 1.0, &[("a", &[2], 1), ("b", &[2], 3)]);
    }

    #[test]
    fn parameters_never_grow() {
        for seed in 0..200_u64 {
            let noise = |i: u64| ((seed * 31 + i * 17) % 23) as f64;
            let tails: Vec<Tail> = (0..4)
                .map(|at| {
                    let energy: Vec<f64> = (0..1 + (seed + at) % 5)
                        .map(|j| noise(7 * at + j))
                        .collect();
                    let path = at.to_string();
                    tail(
                        &path,
                        &energy,
                        noise(at),
                        5 + (seed as usize * 3 + at as usize) % 9,
                    )
                })
                .collect();
            let count = |ranks: &dyn Fn(&Tail) -> usize| -> usize {
                tails.iter().map(|tail| 2 * tail.n * ranks(tail)).sum()
            };
            let changes = redistribute(&tails, noise(99) / 23.0);
            let before = count(&|tail| tail.energy.len());
            let after = count(&|tail| match changes.get(&tail.path) {
                Some(change) => change.rank(),
                None => tail.energy.len(),
            });
            assert!(after <= before, "{seed}: {before} to {after}");
            for change in changes.values() {
                assert!(!change.keep.is_empty() && change.keep.is_sorted(), "{seed}");
            }
        }
    }

    #[test]
    fn columns_and_rows() {
        let change = TailChange {
            keep: vec![0, 2],
            grown: 1,
        };
        // X [2, 3], Y [3, 2].
        let x = change.columns(&[1., 2., 3., 4., 5., 6.], 2, &[7., 8.]);
        assert_eq!(x, [1., 3., 7., 4., 6., 8.]);
        let y = change.rows(&[1., 2., 3., 4., 5., 6.], 2);
        assert_eq!(y, [1., 2., 5., 6., 0., 0.]);
    }
}
