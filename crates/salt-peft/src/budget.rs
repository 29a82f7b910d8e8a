//! A budget of trained parameters shared over layers by the energy of their tails.
//!
//! The singular values beyond the head, `s_i` with `i > r`, are what SALT's tail factors update; for
//! LoRA and its kin, which have no head, r is 0. Layer l has tail energy `E_l = sum_{i>r} s_i^2`, and one
//! more rank costs it `u_l` parameters (SALT `2 (k - r)`, LoRA `in + out`). With B the parameters left
//! once every layer has its fixed part and the smallest rank it can have,
//!
//! `d_l = clamp(t E_l / u_l, least, most)`, t such that `sum_l u_l d_l = B`,
//!
//! so that as long as nothing is clamped a layer's share of the parameters is its share of the energy
//! (method.md section 5). The `d_l` are rounded down, and what that leaves goes to the largest
//! fractions, as whole ranks that still fit.

use crate::error::PeftError;

/// What a layer brings to the sharing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share {
    /// Sum of squares of the singular values beyond the head.
    pub(crate) energy: f64,
    /// Parameters it trains whatever its rank.
    pub(crate) fixed: usize,
    /// Parameters of one rank.
    pub(crate) unit: usize,
    /// The smallest rank it can have.
    pub(crate) least: usize,
    /// The largest.
    pub(crate) most: usize,
}

impl Share {
    /// Its rank, not rounded, where one unit of energy brings `t` parameters.
    fn rank(&self, t: f64) -> f64 {
        let wanted = t * self.energy / self.unit.max(1) as f64;
        wanted.clamp(self.least as f64, self.most.max(self.least) as f64)
    }
}

/// The rank of every layer.
///
/// # Errors
/// [`PeftError::InvalidSetting`] when the budget does not pay for the smallest ranks.
pub(crate) fn share(budget: usize, layers: &[Share]) -> Result<Vec<usize>, PeftError> {
    let least: usize = layers.iter().map(|l| l.fixed + l.unit * l.least).sum();
    if budget < least {
        return Err(PeftError::InvalidSetting {
            setting: "rank_budget",
            value: format!("{budget}, and the smallest ranks of these targets take {least}"),
            expected: "a larger budget, or fewer targets",
        });
    }
    let fixed: usize = layers.iter().map(|layer| layer.fixed).sum();
    let free = (budget - fixed) as f64;
    let spent = |t: f64| -> f64 {
        let ranks = layers.iter().map(|l| l.unit as f64 * l.rank(t));
        ranks.sum()
    };
    // At twice the t that lifts the slowest layer to its limit everything is clamped.
    let full = layers.iter().filter(|layer| layer.energy > 0.0);
    let full = full.map(|l| (l.most * l.unit) as f64 / l.energy);
    let (mut low, mut high) = (0.0, 2.0 * full.fold(0.0, f64::max));
    if spent(high) > free {
        // Bisection down to neighbouring numbers.
        for _ in 0..2000 {
            let middle = low + (high - low) / 2.0;
            if middle <= low || middle >= high {
                break;
            }
            if spent(middle) > free {
                high = middle;
            } else {
                low = middle;
            }
        }
    } else {
        low = high;
    }
    let exact: Vec<f64> = layers.iter().map(|layer| layer.rank(low)).collect();
    // The slack keeps a whole number whole that bisection reached from below.
    let mut ranks: Vec<usize> = exact.iter().map(|rank| (rank + 1e-9) as usize).collect();
    let taken = |ranks: &[usize]| -> usize {
        let pairs = layers.iter().zip(ranks);
        pairs.map(|(l, rank)| l.fixed + l.unit * rank).sum()
    };
    let mut left = budget - taken(&ranks).min(budget);
    let mut order: Vec<usize> = (0..layers.len()).collect();
    let fraction = |at: &usize| exact[*at] - ranks[*at] as f64;
    order.sort_by(|a, b| fraction(b).total_cmp(&fraction(a)));
    for at in order {
        let layer = &layers[at];
        if ranks[at] < layer.most && layer.unit <= left && layer.energy > 0.0 {
            ranks[at] += 1;
            left -= layer.unit;
        }
    }
    Ok(ranks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(energy: f64, unit: usize, least: usize, most: usize) -> Share {
        Share {
            energy,
            fixed: 0,
            unit,
            least,
            most,
        }
    }

    fn check(budget: usize, layers: &[Share], expected: &[usize]) {
        assert_eq!(share(budget, layers).expect("enough"), expected, "{budget}");
    }

    #[test]
    fn parameters_follow_the_energy() {
        // 400 parameters as 3 : 1, ranks of 10 parameters each.
        let layers = [layer(3.0, 10, 0, 100), layer(1.0, 10, 0, 100)];
        check(400, &layers, &[30, 10]);
        // Ranks cost different: 300 and 100 parameters are 15 and 10 ranks.
        let layers = [layer(3.0, 20, 0, 100), layer(1.0, 10, 0, 100)];
        check(400, &layers, &[15, 10]);
        // What a full layer cannot take goes to the others.
        let layers = [layer(3.0, 10, 0, 5), layer(1.0, 10, 0, 100)];
        check(400, &layers, &[5, 35]);
        // A layer keeps its least although its energy would give it nothing.
        let layers = [layer(1e6, 10, 1, 100), layer(1e-6, 10, 1, 100)];
        check(100, &layers, &[9, 1]);
    }

    #[test]
    fn what_rounding_leaves_goes_to_the_largest_fractions() {
        // 25 parameters as 1 : 1 : 0.5 are ranks 1, 1 and 0.5.
        let equal = layer(1.0, 10, 0, 9);
        check(25, &[equal, equal, layer(0.5, 10, 0, 9)], &[1, 1, 0]);
        check(30, &[equal, equal, layer(0.5, 10, 0, 9)], &[1, 1, 1]);
        // Everything full: the rest of the budget stays unspent.
        check(1000, &[equal, layer(0.0, 10, 0, 9)], &[9, 0]);
    }

    #[test]
    fn never_above_the_budget() {
        for budget in 30..400 {
            let layers = [
                layer(0.7, 7, 1, 9),
                layer(2.9, 13, 0, 20),
                layer(0.1, 3, 1, 4),
                Share {
                    fixed: 11,
                    ..layer(1.3, 5, 0, 8)
                },
            ];
            let ranks = share(budget, &layers).expect("enough");
            let spent: usize = layers
                .iter()
                .zip(&ranks)
                .map(|(layer, rank)| layer.fixed + layer.unit * rank)
                .sum();
            assert!(spent <= budget, "{budget}: {ranks:?}");
            for (layer, rank) in layers.iter().zip(&ranks) {
                assert!((layer.least..=layer.most).contains(rank), "{budget}");
            }
        }
        let error = share(20, &[layer(1.0, 7, 3, 9)]).expect_err("too small");
        assert!(error.to_string().contains("take 21"), "{error}");
    }
}
