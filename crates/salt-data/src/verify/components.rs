//! In how many pieces each class lies in each mask: an organ in one, vessels in some, an unfinished or spotted mask in
//! far more than the others. Information, and no error: only who knows the anatomy can tell.
//!
//! Pieces are connected over edges and corners (8-connectivity). They are counted from top to bottom, with the runs of
//! two rows in memory: `pieces = runs that touch nothing above - joins of two pieces that were apart until then`.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;

use super::facts::Facts;
use super::fingerprint::Spread;
use super::masks::median;
use super::report::{Check, Finding, Severity};
use crate::decode_mask::{RawMask, read_mask};
use crate::label_rule::LabelRule;
use crate::mask_policy::MaskPolicy;
use crate::pixels::IGNORE_LABEL;

/// Stored values up to which pieces are counted while the mask is in memory anyway.
const FEW_VALUES: usize = 256;

/// Fewest masks with a class among which one can have more pieces than the others.
const ENOUGH: usize = 10;

/// Factor between a mask's pieces and the median from which it stands out, and how many deviations (1.4826 times the
/// median absolute deviation of the logarithms) it must be away.
const FACTOR: f64 = 4.0;
const DEVIATIONS: f64 = 6.0;

/// Cases that a finding names.
const NAMED: usize = 5;

/// Pieces of one class, over the masks that show it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ClassPieces {
    /// The class.
    pub class: u8,
    /// Number of masks that show it.
    pub masks: usize,
    /// Connected pieces in a mask (over edges and corners).
    pub pieces: Spread,
    /// The case with the most, the first of several.
    pub most_in: String,
    /// Cases with far more than the others, those with the most first.
    pub outliers: Vec<CasePieces>,
}

/// Pieces of a class in one case.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CasePieces {
    /// Id of the case.
    pub case: String,
    /// Connected pieces.
    pub pieces: usize,
}

impl fmt::Display for ClassPieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { min, median, max } = self.pieces;
        write!(
            f,
            "pieces of class {} in a mask: {min} to {max}, {median} in the middle of {} masks, most in {}",
            self.class, self.masks, self.most_in
        )
    }
}

/// Pieces of each stored value of a mask but 0; `None` for a mask with so many values that they are no classes.
pub(super) fn by_value(mask: &RawMask, values: usize) -> Option<BTreeMap<u16, usize>> {
    (values <= FEW_VALUES).then(|| count(&mask.values, mask.width))
}

/// Pieces of every class that occurs, and the masks that stand out.
pub(super) fn check(
    seen: &[Facts],
    policy: &MaskPolicy,
    rule: &LabelRule,
) -> (Vec<ClassPieces>, Vec<Finding>) {
    let counted: Vec<BTreeMap<u8, usize>> = seen
        .par_iter()
        .map(|one| by_class(one, policy, rule))
        .collect();
    let mut classes = BTreeMap::<u8, Vec<(usize, &Facts)>>::new();
    for (pieces, one) in counted.iter().zip(seen) {
        for (class, pieces) in pieces {
            classes.entry(*class).or_default().push((*pieces, one));
        }
    }
    let (mut stats, mut findings) = (Vec::new(), Vec::new());
    for (class, cases) in classes {
        let odd = outliers(&cases);
        let pieces = Spread::of(cases.iter().map(|(pieces, _)| *pieces));
        findings.extend(finding(class, pieces, &odd));
        let most = cases.iter().find(|(count, _)| *count == pieces.max);
        let case = |(pieces, one): (usize, &Facts)| CasePieces {
            case: one.case.id.clone(),
            pieces,
        };
        stats.push(ClassPieces {
            class,
            masks: cases.len(),
            pieces,
            most_in: most.map_or_else(String::new, |(_, one)| one.case.id.clone()),
            outliers: odd.into_iter().map(case).collect(),
        });
    }
    (stats, findings)
}

/// Pieces of the classes of one mask. The counts of its stored values do where each class is one value; values that
/// are merged are counted anew.
fn by_class(one: &Facts, policy: &MaskPolicy, rule: &LabelRule) -> BTreeMap<u8, usize> {
    if one.image_as_mask {
        return BTreeMap::new();
    }
    let labels = rule.apply(&one.distinct()).classes;
    let foreground = labels
        .into_iter()
        .zip(&one.histogram)
        .filter(|(label, _)| *label != 0 && *label != IGNORE_LABEL);
    let mut classes = BTreeMap::new();
    for (label, (value, _)) in foreground {
        let known = one.pieces.as_ref().and_then(|pieces| pieces.get(value));
        let alone = known.is_some_and(|known| classes.insert(label, *known).is_none());
        if !alone {
            // What could be read a moment ago can be read again, or is left out.
            let Ok(mask) = read_mask(&one.case.mask, policy) else {
                return BTreeMap::new();
            };
            let mut counts = count(&rule.apply(&mask).classes, mask.width);
            counts.remove(&IGNORE_LABEL);
            return counts;
        }
    }
    classes
}

/// Cases with far more pieces than the others, most first.
fn outliers<'a>(cases: &[(usize, &'a Facts)]) -> Vec<(usize, &'a Facts)> {
    if cases.len() < ENOUGH {
        return Vec::new();
    }
    let log = |pieces: usize| (pieces as f64).ln();
    let middle = median(cases.iter().map(|(pieces, _)| log(*pieces)).collect());
    let away = cases
        .iter()
        .map(|(pieces, _)| (log(*pieces) - middle).abs());
    let far = (DEVIATIONS * 1.4826 * median(away.collect())).max(FACTOR.ln());
    let mut odd: Vec<(usize, &Facts)> = cases
        .iter()
        .filter(|(pieces, _)| log(*pieces) - middle > far)
        .copied()
        .collect();
    odd.sort_by_key(|(pieces, _)| std::cmp::Reverse(*pieces));
    odd
}

fn finding(class: u8, pieces: Spread, odd: &[(usize, &Facts)]) -> Option<Finding> {
    let (_, first) = odd.first()?;
    let named = odd.iter().take(NAMED);
    let mut names: Vec<String> = named
        .map(|(pieces, one)| format!("{} ({pieces})", one.case.id))
        .collect();
    if odd.len() > NAMED {
        names.push(format!("and {} more", odd.len() - NAMED));
    }
    Some(Finding::new(
        Severity::Info,
        Check::Components,
        Some(&first.case.mask),
        format!(
            "class {class} lies in far more pieces than in the other masks, {} in the middle: {}",
            pieces.median,
            names.join(", ")
        ),
        "look at them beside their images: specks and gaps are often left from drawing or thresholding",
    ))
}

/// Values of a row from `start` to before `end`, all equal and not 0; they belong to the piece `piece`.
struct Run<T> {
    start: usize,
    end: usize,
    value: T,
    piece: usize,
}

/// Pieces of every value but 0, in rows of `width`.
fn count<T: Copy + Ord + Default>(values: &[T], width: usize) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    let (mut above, mut runs) = (Vec::<Run<T>>::new(), Vec::<Run<T>>::new());
    // Parents of the pieces that reach one of the two rows; a root is its own.
    let mut parents = Vec::<usize>::new();
    for row in values.chunks_exact(width.max(1)) {
        runs.clear();
        let (mut end, mut first) = (0, 0);
        for same in row.chunk_by(|a, b| a == b) {
            let start = end;
            end += same.len();
            let value = same[0];
            if value == T::default() {
                continue;
            }
            while above.get(first).is_some_and(|run| run.end < start) {
                first += 1;
            }
            let near = above[first..].iter().take_while(|run| run.start <= end);
            let mut piece = None;
            for run in near.filter(|run| run.value == value) {
                let root = root(&parents, run.piece);
                match piece {
                    None => piece = Some(root),
                    Some(other) if other != root => {
                        parents[root] = other;
                        *counts.entry(value).or_default() -= 1;
                    }
                    Some(_) => {}
                }
            }
            let piece = piece.unwrap_or_else(|| {
                *counts.entry(value).or_default() += 1;
                parents.push(parents.len());
                parents.len() - 1
            });
            runs.push(Run {
                start,
                end,
                value,
                piece,
            });
        }
        renumber(&mut runs, &mut parents);
        std::mem::swap(&mut above, &mut runs);
    }
    counts
}

fn root(parents: &[usize], mut piece: usize) -> usize {
    while parents[piece] != piece {
        piece = parents[piece];
    }
    piece
}

/// Numbers the pieces of a row anew: those that ended above are forgotten, so that memory follows the width.
fn renumber<T>(runs: &mut [Run<T>], parents: &mut Vec<usize>) {
    let mut fresh = vec![usize::MAX; parents.len()];
    let mut pieces = 0;
    for run in runs {
        let root = root(parents, run.piece);
        if fresh[root] == usize::MAX {
            fresh[root] = pieces;
            pieces += 1;
        }
        run.piece = fresh[root];
    }
    parents.clear();
    parents.extend(0..pieces);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::count;
    use crate::draw_rng::DrawRng;

    /// Pieces by walking through each: another way to the same numbers.
    fn flooded(values: &[u8], width: usize) -> BTreeMap<u8, usize> {
        let (mut left, mut counts) = (values.to_vec(), BTreeMap::new());
        let height = values.len() / width;
        for at in 0..values.len() {
            let value = left[at];
            if value == 0 {
                continue;
            }
            *counts.entry(value).or_default() += 1;
            let mut open = vec![at];
            while let Some(at) = open.pop() {
                let (x, y) = (at % width, at / width);
                left[at] = 0;
                for y in y.saturating_sub(1)..(y + 2).min(height) {
                    let near = x.saturating_sub(1)..(x + 2).min(width);
                    open.extend(near.map(|x| y * width + x).filter(|&i| left[i] == value));
                }
            }
        }
        counts
    }

    #[test]
    fn known_pieces() {
        let check = |rows: &[&str], expected: &[(u8, usize)]| {
            let values: Vec<u8> = rows.concat().bytes().map(|b| b - b'0').collect();
            let counted = count(&values, rows[0].len());
            assert_eq!(counted, expected.iter().copied().collect(), "{rows:?}");
        };
        check(&["000", "000"], &[]);
        check(&["111"], &[(1, 1)]);
        check(&["101", "000", "101"], &[(1, 4)]);
        // Over corners.
        check(&["100", "010", "001"], &[(1, 1)]);
        check(&["1010", "0101"], &[(1, 1)]);
        // Two that are joined below, a ring, a comb.
        check(&["101", "101", "111"], &[(1, 1)]);
        check(&["111", "101", "111"], &[(1, 1)]);
        check(&["10101", "10101", "11111", "10101"], &[(1, 1)]);
        // Classes do not touch each other.
        check(&["1212", "1212"], &[(1, 2), (2, 2)]);
        check(&["120", "213"], &[(1, 1), (2, 1), (3, 1)]);
        check(&["1001", "1001", "0110"], &[(1, 1)]);
    }

    #[test]
    fn random_pictures_have_as_many_pieces_as_a_walk_finds() {
        let mut rng = DrawRng::new(7, 0);
        for round in 0..300_usize {
            let (width, height) = (1 + round % 17, 1 + round % 13);
            let values: Vec<u8> = (0..width * height)
                .map(|_| rng.int(0, 1 + round % 3) as u8)
                .collect();
            assert_eq!(count(&values, width), flooded(&values, width), "{values:?}");
        }
    }
}
