//! Masks that are empty, full, inverted, unlike the others, or no masks at all.

use super::facts::Facts;
use super::report::{Check, Finding};
use crate::label_rule::LabelRule;

/// Share of foreground from which a mask may well be inverted.
const MOSTLY_FOREGROUND: f64 = 0.75;

/// Fewest masks with foreground among which one can be called unlike the others.
const ENOUGH: usize = 10;

/// Factor of foreground between a mask and the median from which it is looked at, and how many
/// deviations (1.4826 times the median absolute deviation of the logarithms) it must be away.
const FACTOR: f64 = 8.0;
const DEVIATIONS: f64 = 6.0;

/// All findings about the amount of foreground.
pub(super) fn check(seen: &[Facts], rule: &LabelRule) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut empty = 0;
    for one in seen {
        let file = Some(one.case.mask.as_path());
        let id = &one.case.id;
        if one.image_as_mask {
            findings.push(Finding::error(
                Check::ImageAsMask,
                file,
                format!("the mask of {id} is its image"),
                "put the mask in its place",
            ));
            continue;
        }
        let [foreground, known] = one.foreground(rule);
        if foreground == 0 {
            empty += 1;
            findings.push(Finding::warning(
                Check::EmptyMask,
                file,
                format!("the mask of {id} has no foreground"),
                "confirm that there is nothing to see in the image",
            ));
        } else if foreground == known {
            findings.push(Finding::warning(
                Check::FullMask,
                file,
                format!("the mask of {id} is foreground everywhere"),
                "confirm that it is not inverted or a placeholder",
            ));
        } else if foreground as f64 >= MOSTLY_FOREGROUND * known as f64 {
            let percent = 100.0 * foreground as f64 / known as f64;
            findings.push(Finding::warning(
                Check::MaskValues,
                file,
                format!("{percent:.0} % of the mask of {id} is foreground"),
                "confirm that it is not inverted (a palette of white and black counts by index: 0 is background)",
            ));
        }
    }
    if empty == seen.len() && empty > 0 {
        findings.push(Finding::error(
            Check::EmptyMask,
            None,
            "no mask of the set has any foreground".to_owned(),
            "check how the masks were exported: there is nothing to learn",
        ));
    }
    findings.extend(outliers(seen, rule));
    findings
}

fn outliers(seen: &[Facts], rule: &LabelRule) -> Vec<Finding> {
    let shares: Vec<(f64, &Facts)> = seen
        .iter()
        .filter(|one| !one.image_as_mask)
        .map(|one| (one.foreground(rule), one))
        // Empty and full masks have findings of their own, and nearly full ones too.
        .filter(|([foreground, known], _)| {
            *foreground > 0 && (*foreground as f64) < MOSTLY_FOREGROUND * *known as f64
        })
        .map(|([foreground, known], one)| (foreground as f64 / known as f64, one))
        .collect();
    if shares.len() < ENOUGH {
        return Vec::new();
    }
    let logs: Vec<f64> = shares.iter().map(|(share, _)| share.ln()).collect();
    let middle = median(logs.clone());
    let deviation = 1.4826 * median(logs.iter().map(|v| (v - middle).abs()).collect());
    let far = (DEVIATIONS * deviation).max(FACTOR.ln());
    let odd = shares
        .iter()
        .filter(|(share, _)| (share.ln() - middle).abs() > far);
    odd.map(|(share, one)| {
        Finding::warning(
            Check::MaskOutlier,
            Some(&one.case.mask),
            format!(
                "{:.2} % of the mask of {} is foreground, {:.2} % in the middle of the others",
                100.0 * share,
                one.case.id,
                100.0 * middle.exp()
            ),
            "look at it beside its image: it may belong to another one, or be unfinished",
        )
    })
    .collect()
}

/// The middle one of the values, the upper of two.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
