//! Laws that hold for every pair of masks, and brute force as oracle for distances.

use proptest::collection::vec;
use proptest::prelude::*;
use salt_metrics::{
    ContourDistances, MaskView, SurfaceDistances, case_metrics, cldice, hd95_salt, holm,
    inner_border, squared_distance_transform, summarize, wilcoxon_signed_rank,
};

use crate::pictures::{Picture, surfaces};

/// Distances are sums of two squares and one root: a few roundings, whatever the spacing.
const ROUNDING: f64 = 1e-12;

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= ROUNDING * (1.0 + a.abs().max(b.abs()))
}

fn all_close(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(*a, *b))
}

/// Pairs of non-empty masks of the same, small size, thin to dense.
fn pairs(max_side: usize) -> impl Strategy<Value = (Picture, Picture)> {
    (1..=max_side, 1..=max_side, 0.02..0.98_f64)
        .prop_flat_map(|(width, height, density)| {
            let mask = || vec(prop::bool::weighted(density), width * height);
            (
                Just(width),
                mask(),
                mask(),
                0..width * height,
                0..width * height,
            )
        })
        .prop_map(|(width, mut a, mut b, at_a, at_b)| {
            a[at_a] = true;
            b[at_b] = true;
            (Picture { width, data: a }, Picture { width, data: b })
        })
}

fn spacings() -> impl Strategy<Value = [f64; 2]> {
    [0.05..20.0_f64, 0.05..20.0_f64]
}

/// For each `true` pixel of `from` the distance to the nearest of `to`, by trying all.
fn brute_force(from: &[bool], to: &[bool], width: usize, spacing: [f64; 2]) -> Vec<f64> {
    let pixels = |mask: &[bool]| -> Vec<(f64, f64)> {
        (0..mask.len())
            .filter(|&i| mask[i])
            .map(|i| {
                (
                    (i / width) as f64 * spacing[0],
                    (i % width) as f64 * spacing[1],
                )
            })
            .collect()
    };
    let targets = pixels(to);
    let mut distances: Vec<f64> = pixels(from)
        .into_iter()
        .map(|(y, x)| {
            targets
                .iter()
                .map(|(v, u)| (y - v).hypot(x - u))
                .fold(f64::INFINITY, f64::min)
        })
        .collect();
    distances.sort_by(f64::total_cmp);
    distances
}

/// All 512 x 512 pairs of 3 x 3 masks (those with both masks non-empty measure a distance).
#[test]
fn every_pair_of_3_by_3_masks_agrees_with_brute_force() {
    let masks: Vec<Vec<bool>> = (0..512)
        .map(|code| (0..9).map(|k| code >> k & 1 == 1).collect())
        .collect();
    let views: Vec<MaskView> = masks
        .iter()
        .map(|m| MaskView::new(3, 3, m).unwrap())
        .collect();
    let borders: Vec<Vec<bool>> = views.iter().map(|&m| inner_border(m)).collect();
    let spacing = [1.0, 2.0];
    let mut measured = 0;
    for (p, pred) in views.iter().enumerate() {
        for (r, reference) in views.iter().enumerate() {
            let Some(d) = SurfaceDistances::between(*pred, *reference, spacing).unwrap() else {
                assert!(p == 0 || r == 0);
                continue;
            };
            measured += 1;
            let there = brute_force(&borders[p], &borders[r], 3, spacing);
            let back = brute_force(&borders[r], &borders[p], 3, spacing);
            assert!(all_close(d.pred_to_ref(), &there), "{p} {r}");
            assert!(all_close(d.ref_to_pred(), &back), "{p} {r}");
            assert!(
                close(d.hd(), there[there.len() - 1].max(back[back.len() - 1])),
                "{p} {r}"
            );
        }
    }
    assert_eq!(measured, 511 * 511);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn distance_transform_is_the_nearest_site((sites, _) in pairs(32), spacing in spacings()) {
        let squared = squared_distance_transform(sites.view(), spacing).unwrap();
        let everywhere = vec![true; squared.len()];
        let mut ours: Vec<f64> = squared.iter().map(|d| d.sqrt()).collect();
        ours.sort_by(f64::total_cmp);
        let oracle = brute_force(&everywhere, &sites.data, sites.width, spacing);
        prop_assert!(all_close(&ours, &oracle));
    }

    #[test]
    fn surface_distances_are_brute_force((a, b) in pairs(32), spacing in spacings()) {
        let d = surfaces(&a, &b, spacing);
        let [edge_a, edge_b] = [&a, &b].map(|picture| inner_border(picture.view()));
        let there = brute_force(&edge_a, &edge_b, a.width, spacing);
        prop_assert!(all_close(d.pred_to_ref(), &there));
    }

    #[test]
    fn swapping_the_masks_swaps_the_directions((a, b) in pairs(20), spacing in spacings()) {
        let (ab, ba) = (surfaces(&a, &b, spacing), surfaces(&b, &a, spacing));
        prop_assert_eq!(ab.pred_to_ref(), ba.ref_to_pred());
        prop_assert_eq!([ab.hd(), ab.hd95(), ab.hd95_medpy()], [ba.hd(), ba.hd95(), ba.hd95_medpy()]);
        prop_assert!(close(ab.assd(), ba.assd()) && close(ab.masd(), ba.masd()));
        let (ab, ba) = [(&a, &b), (&b, &a)]
            .map(|(p, r)| case_metrics(p.view(), r.view(), spacing, 1.0).unwrap())
            .into();
        prop_assert_eq!([ab.dice, ab.iou, ab.hd95, ab.nsd], [ba.dice, ba.iou, ba.hd95, ba.nsd]);
        prop_assert_eq!([ab.precision, ab.recall], [ba.recall, ba.precision]);
    }

    #[test]
    fn a_mask_is_no_distance_from_itself((a, _) in pairs(20), spacing in spacings()) {
        let m = case_metrics(a.view(), a.view(), spacing, 0.0).unwrap();
        prop_assert_eq!([m.dice, m.iou, m.precision, m.recall, m.cldice, m.nsd], [Some(1.0); 6]);
        prop_assert_eq!([m.hd95, m.assd], [Some(0.0); 2]);
        let contour = ContourDistances::between(a.view(), a.view(), spacing).unwrap().unwrap();
        prop_assert_eq!(contour.surface_dice(0.0).unwrap(), 1.0);
    }

    #[test]
    fn moving_both_masks_changes_nothing(
        (a, b) in pairs(16), spacing in spacings(), down in 0..5_usize, right in 0..5_usize,
        margin in 0..3_usize,
    ) {
        let before = surfaces(&a, &b, spacing);
        let [a2, b2] = [&a, &b].map(|picture| picture.moved(down, right, margin));
        prop_assert_eq!(&before, &surfaces(&a2, &b2, spacing));
        prop_assert_eq!(
            cldice(a.view(), b.view()).unwrap(),
            cldice(a2.view(), b2.view()).unwrap()
        );
    }

    #[test]
    fn flipping_or_transposing_both_masks_changes_nothing((a, b) in pairs(16), spacing in spacings()) {
        let before = surfaces(&a, &b, spacing);
        let flipped = surfaces(&a.flipped(), &b.flipped(), spacing);
        prop_assert!(all_close(before.pred_to_ref(), flipped.pred_to_ref()));
        let turned = [spacing[1], spacing[0]];
        let transposed = surfaces(&a.transposed(), &b.transposed(), turned);
        prop_assert!(all_close(before.pred_to_ref(), transposed.pred_to_ref()));
        prop_assert!(close(before.hd95(), transposed.hd95()));
    }

    #[test]
    fn distances_scale_with_the_spacing((a, b) in pairs(16), spacing in spacings(), factor in 0.1..10.0_f64) {
        let before = surfaces(&a, &b, spacing);
        let after = surfaces(&a, &b, spacing.map(|s| s * factor));
        prop_assert!(close(before.hd() * factor, after.hd()));
        prop_assert!(close(before.hd95() * factor, after.hd95()));
        prop_assert!(close(before.assd() * factor, after.assd()));
    }

    #[test]
    fn distances_are_ordered((a, b) in pairs(24), spacing in spacings(), tolerance in 0.0..30.0_f64) {
        let d = surfaces(&a, &b, spacing);
        // the mean of equal distances may be one rounding above them
        let highest_mean = d.hd() * (1.0 + ROUNDING);
        prop_assert!(d.hd95() <= d.hd() && d.hd95_medpy() <= d.hd() && d.assd() <= highest_mean);
        prop_assert!(d.hd() <= a.view().diagonal(spacing));
        prop_assert!(d.nsd(tolerance).unwrap() <= d.nsd(2.0 * tolerance).unwrap());
        prop_assert_eq!(d.nsd(d.hd()).unwrap(), 1.0);
        // the border of a mask is no nearer than the mask, up to the border SALT leaves out
        let framed = [&a, &b].map(|picture| picture.moved(1, 1, 1));
        let salt = hd95_salt(framed[0].view(), framed[1].view(), spacing).unwrap().unwrap();
        prop_assert!(salt <= d.hd95() * (1.0 + ROUNDING));
    }

    #[test]
    fn dice_and_iou_are_the_same_order((a, b) in pairs(12)) {
        let m = case_metrics(a.view(), b.view(), [1.0, 1.0], 1.0).unwrap();
        let (dice, iou) = (m.dice.unwrap(), m.iou.unwrap());
        prop_assert!(close(dice, 2.0 * iou / (1.0 + iou)));
        prop_assert_eq!((m.tp + m.fp, m.tp + m.fn_), (m.n_pred, m.n_ref));
    }

    #[test]
    fn the_exact_wilcoxon_p_value_counts_sign_patterns(differences in vec(-6..=6_i32, 1..9)) {
        let a: Vec<f64> = differences.iter().map(|&d| f64::from(d)).collect();
        let ours = wilcoxon_signed_rank(&a, &vec![0.0; a.len()]).unwrap();
        let mut magnitudes: Vec<f64> = a.iter().filter(|d| **d != 0.0).map(|d| d.abs()).collect();
        magnitudes.sort_by(f64::total_cmp);
        let rank = |m: f64| {
            let below = magnitudes.iter().filter(|x| **x < m).count();
            let equal = magnitudes.iter().filter(|x| **x == m).count();
            below as f64 + (equal as f64 + 1.0) / 2.0
        };
        let ranks: Vec<f64> = magnitudes.iter().map(|&m| rank(m)).collect();
        let total: f64 = ranks.iter().sum();
        let patterns = 1_usize << ranks.len();
        let as_extreme = (0..patterns)
            .filter(|pattern| {
                let plus: f64 =
                    ranks.iter().enumerate().filter(|(k, _)| pattern >> k & 1 == 1).map(|(_, r)| r).sum();
                plus.min(total - plus) <= ours.statistic
            })
            .count();
        prop_assert!(close(ours.p_value, as_extreme as f64 / patterns as f64));
    }

    #[test]
    fn holm_never_lowers_and_keeps_the_order(p_values in vec(0.0..=1.0_f64, 0..12)) {
        let adjusted = holm(&p_values);
        for (i, (p, q)) in p_values.iter().zip(&adjusted).enumerate() {
            prop_assert!(p <= q && *q <= 1.0);
            for (p2, q2) in p_values.iter().zip(&adjusted).skip(i) {
                prop_assert!(p > p2 || q <= q2);
            }
        }
    }

    #[test]
    fn the_interval_stays_inside_the_data(values in vec(0.0..1.0_f64, 2..30), seed in any::<u64>()) {
        let s = summarize(&values, seed).unwrap();
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = values.iter().copied().fold(0.0, f64::max);
        prop_assert!(lowest - ROUNDING <= s.ci95[0] && s.ci95[1] <= highest + ROUNDING);
        prop_assert!(s.ci95[0] <= s.ci95[1]);
    }
}
