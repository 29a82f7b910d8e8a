//! Published or hand-checked values: the table of definitions, and the two-dimensional cases of
//! DeepMind's `surface_distance_test.py`.

use salt_metrics::{ContourDistances, Overlap, hd95_salt};

use crate::pictures::{Picture, surfaces};

const UNIT: [f64; 2] = [1.0, 1.0];

/// What one row of the table expects, rounded as printed there.
struct Row {
    dice: f64,
    hd: f64,
    hd95: f64,
    hd95_medpy: f64,
    hd95_salt: f64,
    masd: f64,
    assd: f64,
}

/// Half a unit of the last printed digit.
fn printed(got: f64, expected: f64, digits: i32) {
    let tolerance = 0.5 * 10_f64.powi(-digits) + 1e-12;
    assert!(
        (got - expected).abs() <= tolerance,
        "{got} is not {expected}"
    );
}

fn check(pred: &Picture, reference: &Picture, row: Row) {
    let overlap = Overlap::between(pred.view(), reference.view()).unwrap();
    let d = surfaces(pred, reference, UNIT);
    printed(overlap.dice().unwrap(), row.dice, 4);
    printed(d.hd(), row.hd, 3);
    printed(d.hd95(), row.hd95, 3);
    printed(d.hd95_medpy(), row.hd95_medpy, 3);
    let salt = hd95_salt(pred.view(), reference.view(), UNIT)
        .unwrap()
        .unwrap();
    printed(salt, row.hd95_salt, 3);
    printed(d.masd(), row.masd, 4);
    printed(d.assd(), row.assd, 4);
}

fn disc(size: usize, centre: usize, radius: usize) -> Picture {
    Picture::draw(size, size, |row, column| {
        row.abs_diff(centre).pow(2) + column.abs_diff(centre).pow(2) <= radius * radius
    })
}

#[test]
fn ring_in_a_disc() {
    let (outer, inner) = (disc(64, 32, 20), disc(64, 32, 10));
    let ring = Picture::draw(64, 64, |row, column| {
        outer.data[row * 64 + column] && !inner.data[row * 64 + column]
    });
    let row = Row {
        dice: 0.8557,
        hd: 9.0,
        hd95: 9.0,
        hd95_medpy: 9.0,
        hd95_salt: 0.0,
        masd: 1.5338,
        assd: 1.8578,
    };
    check(&ring, &outer, row);
}

#[test]
fn square_with_a_far_blob() {
    let square = Picture::rectangle(64, 20, 20, 16, 16);
    let with_blob = square.clone().and(&Picture::rectangle(64, 58, 58, 3, 3));
    let row = Row {
        dice: 0.9827,
        hd: 35.355,
        hd95: 33.971,
        hd95_medpy: 32.991,
        hd95_salt: 33.971,
        masd: 1.9972,
        assd: 2.1220,
    };
    check(&with_blob, &square, row);
}

#[test]
fn shifted_square() {
    let (square, shifted) = (
        Picture::rectangle(64, 20, 20, 16, 16),
        Picture::rectangle(64, 20, 24, 16, 16),
    );
    let row = Row {
        dice: 0.75,
        hd: 4.0,
        hd95: 4.0,
        hd95_medpy: 4.0,
        hd95_salt: 4.0,
        masd: 2.0,
        assd: 2.0,
    };
    check(&shifted, &square, row);
}

#[test]
fn shortened_line() {
    let (whole, part) = (
        Picture::rectangle(64, 32, 10, 1, 40),
        Picture::rectangle(64, 32, 10, 1, 30),
    );
    let row = Row {
        dice: 0.8571,
        hd: 10.0,
        hd95: 8.050,
        hd95_medpy: 6.550,
        hd95_salt: 8.050,
        masd: 0.6875,
        assd: 0.7857,
    };
    check(&part, &whole, row);
}

#[test]
fn two_pixels_five_apart() {
    let (a, b) = (
        Picture::rectangle(64, 30, 30, 1, 1),
        Picture::rectangle(64, 30, 35, 1, 1),
    );
    let row = Row {
        dice: 0.0,
        hd: 5.0,
        hd95: 5.0,
        hd95_medpy: 5.0,
        hd95_salt: 5.0,
        masd: 5.0,
        assd: 5.0,
    };
    check(&a, &b, row);
}

fn contours(pred: &Picture, reference: &Picture, spacing: [f64; 2]) -> Option<ContourDistances> {
    ContourDistances::between(pred.view(), reference.view(), spacing).unwrap()
}

/// `test_on_2_pixels_2mm_away`
#[test]
fn deepmind_two_pixels_2_mm_apart() {
    let (reference, pred) = (
        Picture::rectangle(128, 50, 70, 1, 1),
        Picture::rectangle(128, 50, 72, 1, 1),
    );
    let d = contours(&pred, &reference, [2.0, 1.0]).unwrap();
    assert_eq!(d.average(), [1.5, 1.5]);
    assert_eq!((d.hausdorff(100.0), d.hausdorff(95.0)), (2.0, 2.0));
    assert_eq!(d.overlap(1.0).unwrap(), [0.5, 0.5]);
    assert_eq!(d.surface_dice(1.0).unwrap(), 0.5);
    // border pixels have no facing sides: the same pair is wholly outside 1 mm there
    assert_eq!(
        surfaces(&pred, &reference, [2.0, 1.0]).nsd(1.0).unwrap(),
        0.0
    );
}

/// `test_two_squares_shifted_by_one_pixel`: contour lengths and distances listed there by hand.
#[test]
fn deepmind_square_and_the_same_one_row_longer() {
    let (reference, pred) = (
        Picture::rectangle(6, 1, 1, 2, 2),
        Picture::rectangle(6, 1, 1, 3, 2),
    );
    let (vertical, horizontal) = (2.0, 1.0);
    let diagonal = 0.5 * 5.0_f64.sqrt();
    let length_ref = 4.0 * diagonal + 2.0 * horizontal + 2.0 * vertical;
    let length_pred = length_ref + 2.0 * vertical;
    // reference: the middle of its lower side; prediction: its whole lower side
    let far_ref = horizontal;
    let far_pred = 2.0 * diagonal + horizontal;
    let d = contours(&pred, &reference, [vertical, horizontal]).unwrap();
    printed(d.average()[0], vertical * far_pred / length_pred, 12);
    printed(d.average()[1], horizontal * far_ref / length_ref, 12);
    assert_eq!((d.hausdorff(100.0), d.hausdorff(95.0)), (2.0, 2.0));
    let overlap = d.overlap(1.0).unwrap();
    printed(overlap[0], 1.0 - far_pred / length_pred, 12);
    printed(overlap[1], 1.0, 12);
    printed(
        d.surface_dice(1.0).unwrap(),
        1.0 - far_pred / (length_ref + length_pred),
        12,
    );
}

/// `test_empty_prediction_mask`, `test_empty_ground_truth_mask`, `test_both_empty_masks`: where
/// that package answers inf and NaN there is nothing to measure here.
#[test]
fn deepmind_empty_masks_have_no_contour() {
    let (dot, nothing) = (
        Picture::rectangle(8, 5, 6, 1, 1),
        Picture::rectangle(8, 0, 0, 0, 0),
    );
    for (pred, reference) in [(&dot, &nothing), (&nothing, &dot), (&nothing, &nothing)] {
        assert_eq!(contours(pred, reference, [3.0, 2.0]), None);
    }
}
