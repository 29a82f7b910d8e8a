//! Agreement with NumPy, SciPy, scikit-image, MedPy, statsmodels and DeepMind's surface-distance:
//! `parity/generate.py` asked them, `parity/fixture.json` holds the questions and answers.

use salt_metrics::{
    ContourDistances, MaskView, Overlap, cldice, detectable_difference, hd95_salt, holm,
    skeletonize, squared_distance_transform, summarize, wilcoxon_signed_rank,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::pictures::{Picture, surfaces};

/// Both sides compute the same sums of doubles in another order.
const ROUNDING: f64 = 1e-12;

/// SciPy's and our normal tail differ in the last digits of `erfc`.
const P_VALUE: f64 = 1e-9;

/// In units of the standard error of the mean: five standard deviations of the Monte Carlo error
/// of a 2.5 % quantile from 9,999 resamples, sqrt(0.025 * 0.975 / 9999) / density(1.96) = 0.027.
/// A long tail thins the density at the upper end by about two, and its bound has that much more.
const MONTE_CARLO: [f64; 2] = [0.135, 0.27];

/// The quantile formula against the noncentral t, at six pairs and more.
const POWER_FORMULA: f64 = 0.02;

fn records<T: DeserializeOwned>(key: &str) -> Vec<T> {
    let mut fixture: serde_json::Value =
        serde_json::from_str(include_str!("parity/fixture.json")).unwrap();
    let records: Vec<T> = serde_json::from_value(fixture[key].take()).unwrap();
    assert!(!records.is_empty());
    records
}

fn close(what: &str, got: f64, expected: f64, tolerance: f64) {
    let error = (got - expected).abs();
    assert!(
        error <= tolerance * (1.0 + expected.abs()),
        "{what}: {got} is not {expected}"
    );
}

/// Run lengths, background first.
fn pixels(runs: &[usize]) -> Vec<bool> {
    let run = |(i, &length): (usize, &usize)| std::iter::repeat_n(i % 2 == 1, length);
    runs.iter().enumerate().flat_map(run).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaskCase {
    name: String,
    height: usize,
    width: usize,
    spacing: [f64; 2],
    tolerance: f64,
    pred: Vec<usize>,
    #[serde(rename = "ref")]
    reference: Vec<usize>,
    dice: f64,
    iou: f64,
    precision: f64,
    recall: f64,
    hd: f64,
    hd95: f64,
    hd95_medpy: f64,
    hd95_salt: Option<f64>,
    assd: f64,
    masd: f64,
    nsd: f64,
    cldice: f64,
    skeleton_pred: Vec<usize>,
    skeleton_ref: Vec<usize>,
    contour_average: [f64; 2],
    contour_hd: f64,
    contour_hd95: f64,
    contour_overlap: [f64; 2],
    contour_dice: f64,
}

impl MaskCase {
    fn pictures(&self) -> (Picture, Picture) {
        let [pred, reference] = [&self.pred, &self.reference].map(|runs| Picture {
            width: self.width,
            data: pixels(runs),
        });
        assert_eq!(
            (pred.height(), reference.height()),
            (self.height, self.height)
        );
        (pred, reference)
    }
}

#[test]
fn the_fixture_says_who_answered() {
    let fixture: serde_json::Value =
        serde_json::from_str(include_str!("parity/fixture.json")).unwrap();
    for package in [
        "numpy",
        "scipy",
        "scikit-image",
        "medpy",
        "statsmodels",
        "surface-distance",
    ] {
        assert!(fixture["versions"][package].is_string(), "{package}");
    }
}

#[test]
fn overlap_agrees_with_medpy() {
    for case in records::<MaskCase>("masks") {
        let (pred, reference) = case.pictures();
        let overlap = Overlap::between(pred.view(), reference.view()).unwrap();
        close(&case.name, overlap.dice().unwrap(), case.dice, ROUNDING);
        close(&case.name, overlap.iou().unwrap(), case.iou, ROUNDING);
        close(
            &case.name,
            overlap.precision().unwrap(),
            case.precision,
            ROUNDING,
        );
        close(&case.name, overlap.recall().unwrap(), case.recall, ROUNDING);
    }
}

#[test]
fn surface_distances_agree_with_medpy_and_scipy() {
    for case in records::<MaskCase>("masks") {
        let (pred, reference) = case.pictures();
        let d = surfaces(&pred, &reference, case.spacing);
        close(&case.name, d.hd(), case.hd, ROUNDING);
        close(&case.name, d.hd95(), case.hd95, ROUNDING);
        close(&case.name, d.hd95_medpy(), case.hd95_medpy, ROUNDING);
        close(&case.name, d.assd(), case.assd, ROUNDING);
        close(&case.name, d.masd(), case.masd, ROUNDING);
        close(
            &case.name,
            d.nsd(case.tolerance).unwrap(),
            case.nsd,
            ROUNDING,
        );
    }
}

#[test]
fn salt_variant_agrees_with_skimage_borders() {
    for case in records::<MaskCase>("masks") {
        let (pred, reference) = case.pictures();
        let got = hd95_salt(pred.view(), reference.view(), case.spacing).unwrap();
        assert_eq!(got.is_some(), case.hd95_salt.is_some(), "{}", case.name);
        for (got, expected) in got.into_iter().zip(case.hd95_salt) {
            close(&case.name, got, expected, ROUNDING);
        }
    }
}

#[test]
fn contours_agree_with_deepmind() {
    for case in records::<MaskCase>("masks") {
        let (pred, reference) = case.pictures();
        let d = ContourDistances::between(pred.view(), reference.view(), case.spacing)
            .unwrap()
            .unwrap();
        let got = [d.average(), d.overlap(case.tolerance).unwrap()].concat();
        let expected = [case.contour_average, case.contour_overlap].concat();
        for (got, expected) in got.into_iter().zip(expected) {
            close(&case.name, got, expected, ROUNDING);
        }
        close(&case.name, d.hausdorff(100.0), case.contour_hd, ROUNDING);
        close(&case.name, d.hausdorff(95.0), case.contour_hd95, ROUNDING);
        close(
            &case.name,
            d.surface_dice(case.tolerance).unwrap(),
            case.contour_dice,
            ROUNDING,
        );
    }
}

#[test]
fn skeletons_and_cldice_equal_those_of_scikit_image() {
    for case in records::<MaskCase>("masks") {
        let (pred, reference) = case.pictures();
        assert!(
            skeletonize(pred.view()) == pixels(&case.skeleton_pred),
            "{}",
            case.name
        );
        assert!(
            skeletonize(reference.view()) == pixels(&case.skeleton_ref),
            "{}",
            case.name
        );
        let got = cldice(pred.view(), reference.view()).unwrap().unwrap();
        close(&case.name, got, case.cldice, ROUNDING);
    }
}

#[test]
fn every_neighbourhood_is_thinned_as_by_scikit_image() {
    let expected: Vec<usize> = records("neighbourhoods");
    assert_eq!(expected.len(), 256);
    for (code, expected) in expected.into_iter().enumerate() {
        // the eight bits around a centre that is set
        let bits = (code & 0b1111) | 1 << 4 | (code >> 4) << 5;
        let mask: Vec<bool> = (0..9).map(|k| bits >> k & 1 == 1).collect();
        let skeleton = skeletonize(MaskView::new(3, 3, &mask).unwrap());
        let got = skeleton
            .iter()
            .enumerate()
            .fold(0, |sum, (k, &on)| sum | usize::from(on) << k);
        assert_eq!(got, expected, "neighbourhood {code}");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DistanceCase {
    height: usize,
    width: usize,
    spacing: [f64; 2],
    sites: Vec<usize>,
    distance: Vec<f64>,
}

#[test]
fn distance_transform_agrees_with_scipy() {
    for case in records::<DistanceCase>("edt") {
        let sites = pixels(&case.sites);
        let mask = MaskView::new(case.width, case.height, &sites).unwrap();
        let squared = squared_distance_transform(mask, case.spacing).unwrap();
        assert_eq!(squared.len(), case.distance.len());
        for (squared, expected) in squared.iter().zip(case.distance) {
            close("distance", squared.sqrt(), expected, ROUNDING);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WilcoxonCase {
    name: String,
    a: Vec<f64>,
    b: Vec<f64>,
    statistic: f64,
    p_value: f64,
}

#[test]
fn wilcoxon_agrees_with_scipy() {
    let mut exact = 0;
    for case in records::<WilcoxonCase>("wilcoxon") {
        let got = wilcoxon_signed_rank(&case.a, &case.b).unwrap();
        assert_eq!(got.exact, case.name.starts_with("exact"), "{}", case.name);
        assert_eq!(got.statistic, case.statistic, "{}", case.name);
        let relative = (got.p_value / case.p_value - 1.0).abs();
        assert!(
            relative <= P_VALUE,
            "{}: {} is not {}",
            case.name,
            got.p_value,
            case.p_value
        );
        exact += usize::from(got.exact);
    }
    assert!(exact >= 10);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BootstrapCase {
    name: String,
    values: Vec<f64>,
    mean: f64,
    sd: f64,
    bca: [f64; 2],
    percentile: [f64; 2],
}

#[test]
fn bca_interval_agrees_with_scipy() {
    let mut told_apart = false;
    for case in records::<BootstrapCase>("bootstrap") {
        let got = summarize(&case.values, 20_260_801).unwrap();
        close(&case.name, got.mean, case.mean, ROUNDING);
        close(&case.name, got.sd, case.sd, ROUNDING);
        let standard_error = case.sd / (case.values.len() as f64).sqrt();
        for ((got, bca), (percentile, tolerance)) in got
            .ci95
            .into_iter()
            .zip(case.bca)
            .zip(case.percentile.into_iter().zip(MONTE_CARLO))
        {
            let error = (got - bca).abs() / standard_error;
            assert!(
                error <= tolerance,
                "{}: {got} is {error} standard errors from {bca}",
                case.name
            );
            told_apart |= (percentile - bca).abs() / standard_error > 1.5 * tolerance;
        }
    }
    assert!(
        told_apart,
        "a percentile interval would pass too: the samples are too symmetric"
    );
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HolmCase {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

#[test]
fn holm_agrees_with_statsmodels() {
    for case in records::<HolmCase>("holm") {
        for (got, expected) in holm(&case.p).into_iter().zip(case.adjusted) {
            close("holm", got, expected, ROUNDING);
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PowerCase {
    n: usize,
    alpha: f64,
    power: f64,
    effect: f64,
}

#[test]
fn detectable_difference_is_that_of_the_t_test_at_the_efficiency_of_wilcoxon() {
    for case in records::<PowerCase>("power") {
        let got = detectable_difference(case.n, 1.0, case.alpha, case.power).unwrap();
        let expected = case.effect * (std::f64::consts::PI / 3.0).sqrt();
        let relative = (got / expected - 1.0).abs();
        assert!(
            relative <= POWER_FORMULA,
            "n = {}: {got} is not {expected}",
            case.n
        );
    }
}
