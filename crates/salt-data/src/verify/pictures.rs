//! Images that show nothing or are unlike the others, and pixel sizes.

use std::collections::BTreeMap;
use std::path::Path;

use super::facts::Facts;
use super::masks::median;
use super::report::{Check, Finding};
use super::together;
use crate::counted::{ARE, HAVE, agreeing};

/// Range of samples, of 255, within which an image shows nothing: no structure, only rounding.
const FLAT: u8 = 2;

/// Samples up to which an image is called black, and from which it is called white.
const BLACK: u8 = 8;
const WHITE: u8 = 247;

/// Fewest images among which one can be called unlike the others, and the share of images that must
/// be alike for that.
const ENOUGH: usize = 8;
const ALIKE: f64 = 0.9;

/// All findings about images.
pub(super) fn check(seen: &[Facts]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = seen.iter().filter_map(blank).collect();
    findings.extend(colour(seen));
    findings.extend(shapes(seen));
    findings.extend(spacing(seen));
    findings
}

fn blank(one: &Facts) -> Option<Finding> {
    let [least, most] = one.range;
    if most - least > FLAT || one.image_storage.wastes_bits() {
        return None;
    }
    let what = match () {
        () if most <= BLACK => "black everywhere",
        () if least >= WHITE => "white everywhere",
        () => "of one colour everywhere",
    };
    Some(Finding::warning(
        Check::Blank,
        Some(&one.case.image),
        format!("the image of {} is {what}", one.case.id),
        "export it again, or remove its line",
    ))
}

fn colour(seen: &[Facts]) -> Option<Finding> {
    // A blank image has no colour to speak of.
    let counted = |one: &&Facts| blank(one).is_none();
    let grey = seen.iter().filter(counted).filter(|one| one.grey).count();
    let coloured = seen.iter().filter(counted).count() - grey;
    if grey == 0 || coloured == 0 {
        return None;
    }
    let (grey_is_rare, most) = (grey <= coloured, grey.max(coloured));
    let other = if grey_is_rare { "coloured" } else { "grey" };
    let rare = if grey_is_rare { "grey" } else { "coloured" };
    together(
        seen,
        Check::Colour,
        |one| counted(&one) && one.grey == grey_is_rare,
        |one| &one.case.image,
        (
            "image",
            ARE,
            &format!("{rare}, {most} {} {other}", agreeing(most, ARE)),
        ),
        "confirm that they come from one kind of device",
    )
}

/// Images whose shape or area differs much from that of nearly all others.
fn shapes(seen: &[Facts]) -> Vec<Finding> {
    if seen.len() < ENOUGH {
        return Vec::new();
    }
    let aspect = |one: &Facts| (one.size[0] as f64 / one.size[1] as f64).ln();
    let area = |one: &Facts| ((one.size[0] * one.size[1]) as f64).ln();
    // Natural logarithm of the factor within which images are alike, and of that beyond which one is odd.
    type Measure<'a> = (&'a dyn Fn(&Facts) -> f64, f64, f64, &'a str);
    let measures: [Measure<'_>; 2] = [(&aspect, 0.1, 0.4, "shape"), (&area, 0.4, 1.4, "size")];
    let mut findings = Vec::new();
    for (measure, alike, odd, what) in measures {
        let middle = median(seen.iter().map(measure).collect());
        let away = |one: &Facts| (measure(one) - middle).abs();
        let near = seen.iter().filter(|one| away(one) <= alike).count();
        if (near as f64) < ALIKE * seen.len() as f64 {
            continue;
        }
        let problem = format!("another {what} than nearly all others");
        findings.extend(together(
            seen,
            Check::SizeOutlier,
            |one| away(one) > odd,
            |one| &one.case.image,
            ("image", HAVE, &problem),
            "confirm that they were not cropped, turned or scaled by accident",
        ));
    }
    // An image of another shape has another size too, which need not be said.
    findings.dedup_by(|a, b| a.file == b.file && a.check == b.check);
    findings
}

/// Largest factor between pixel sizes that passes without a word.
const SPACING_FACTOR: f64 = 2.0;

fn spacing(seen: &[Facts]) -> Vec<Finding> {
    let known: Vec<(&Facts, [f64; 2])> = seen
        .iter()
        .filter_map(|one| Some((one, one.case.spacing_mm?)))
        .collect();
    if known.is_empty() {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = together(
        seen,
        Check::Spacing,
        |one| one.case.spacing_mm.is_none(),
        |one| &one.case.image,
        ("image", HAVE, "no spacing_mm while others have"),
        "fill it in; distances in millimetres need it for every image",
    )
    .into_iter()
    .collect();
    let sides = known
        .iter()
        .flat_map(|(one, sides)| sides.iter().map(move |side| (*side, one)));
    let by_side: BTreeMap<u64, (f64, &Path)> = sides
        // Positive numbers sort like their bits.
        .map(|(side, one)| (side.to_bits(), (side, one.case.image.as_path())))
        .collect();
    if let (Some((least, _)), Some((most, file))) =
        (by_side.values().next(), by_side.values().next_back())
        && *most > SPACING_FACTOR * least
    {
        findings.push(Finding::warning(
            Check::Spacing,
            Some(file),
            format!("pixels are from {least} mm to {most} mm wide or high"),
            "confirm the unit; if it is right, scale the images to one pixel size",
        ));
    }
    findings
}
