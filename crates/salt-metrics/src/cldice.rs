//! Centre-line Dice: how much of each skeleton the other mask covers.

use crate::error::MetricError;
use crate::mask::{MaskView, check_pair};
use crate::skeleton::skeletonize;

/// clDice of two masks of tubular structures; `None` when either mask is empty.
///
/// ```text
/// precision   = |S(pred) and ref| / |S(pred)|
/// sensitivity = |S(ref) and pred| / |S(ref)|
/// clDice      = 2 precision sensitivity / (precision + sensitivity), 0 when both are 0
/// ```
///
/// `S` is [`skeletonize`]. Source: Shit et al., "clDice: a novel topology-preserving loss
/// function for tubular structure segmentation", CVPR 2021, section 3.
///
/// # Errors
/// [`MetricError::SizeMismatch`] when the masks differ in size.
pub fn cldice(pred: MaskView, reference: MaskView) -> Result<Option<f64>, MetricError> {
    check_pair(pred, reference)?;
    let covered = covered_skeleton(pred, reference).zip(covered_skeleton(reference, pred));
    Ok(covered.map(|(precision, sensitivity)| {
        if precision + sensitivity > 0.0 {
            2.0 * precision * sensitivity / (precision + sensitivity)
        } else {
            0.0
        }
    }))
}

/// Fraction of the skeleton of `of` that lies in `by`; `None` when there is no skeleton.
fn covered_skeleton(of: MaskView, by: MaskView) -> Option<f64> {
    let (mut length, mut covered) = (0_u64, 0_u64);
    for (&on_skeleton, &inside) in skeletonize(of).iter().zip(by.data) {
        length += u64::from(on_skeleton);
        covered += u64::from(on_skeleton && inside);
    }
    (length > 0).then(|| covered as f64 / length as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pred: &str, reference: &str, expected: Option<f64>) {
        let [pred, reference] =
            [pred, reference].map(|row| row.chars().map(|c| c == '#').collect::<Vec<_>>());
        let [pred, reference] = [&pred, &reference].map(|d| MaskView::new(8, 1, d).unwrap());
        assert_eq!(cldice(pred, reference).unwrap(), expected);
    }

    #[test]
    fn a_broken_vessel_by_hand() {
        check("########", "########", Some(1.0));
        // precision 1, sensitivity 6 / 8
        check("####..##", "########", Some(2.0 * 0.75 / 1.75));
        check("##......", "....####", Some(0.0));
        check("........", "....####", None);
        check("####....", "........", None);
    }
}
