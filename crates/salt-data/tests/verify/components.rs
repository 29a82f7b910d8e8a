//! Pieces of the classes: counted in every mask, told for each class, and no fault of a set.

use salt_data::verify::{CasePieces, Check, Severity};

use super::{SIDE, Set, bar};

/// The bar of case `k` and dots right of it, two pixels apart: more pieces, hardly more foreground.
fn spotted(k: usize, value: u8, dots: usize) -> Vec<u8> {
    let mut mask = bar(k, value);
    for dot in 0..dots {
        let (x, y) = (SIDE as usize - 1 - 2 * (dot / 12), 2 * (dot % 12));
        mask[y * SIDE as usize + x] = value;
    }
    mask
}

#[test]
fn a_mask_in_far_more_pieces_is_named_as_information() {
    let set = Set::new();
    set.mask(2, &spotted(2, 255, 3));
    let report = set.report();
    assert_eq!(report.findings, []);
    let [pieces] = &report.pieces[..] else {
        panic!("one class, not {:?}", report.pieces);
    };
    let all = (pieces.pieces.min, pieces.pieces.median, pieces.pieces.max);
    assert_eq!((pieces.class, pieces.masks, all), (1, 12, (1, 1, 4)));
    assert_eq!(
        pieces.to_string(),
        "pieces of class 1 in a mask: 1 to 4, 1 in the middle of 12 masks, most in c2"
    );

    set.mask(2, &spotted(2, 255, 4));
    set.mask(5, &spotted(5, 255, 9));
    let report = set.report();
    super::only(
        &report,
        Severity::Info,
        Check::Components,
        "1 in the middle: c5 (10), c2 (5)",
    );
    let outlier = |case: &str, pieces| CasePieces {
        case: case.to_owned(),
        pieces,
    };
    assert_eq!(
        report.pieces[0].outliers,
        [outlier("c5", 10), outlier("c2", 5)]
    );
    let json = serde_json::to_value(&report).expect("serialises");
    assert_eq!(json["pieces"][0]["pieces"]["max"], 10);
    assert_eq!(json["findings"][0]["check"], "components");
}

#[test]
fn classes_are_counted_by_what_their_values_mean() {
    // Two classes, of which the second touches the first and is apart from itself.
    let set = Set::new();
    for k in 0..Set::COUNT {
        let mut mask = bar(k, 1);
        mask[k] = 2;
        mask[10 * SIDE as usize + k] = 2;
        set.mask(k, &mask);
    }
    let of = |set: &Set| -> Vec<_> {
        let report = set.report();
        let middle = report.pieces.iter().map(|p| (p.class, p.pieces.median));
        middle.collect()
    };
    assert_eq!(of(&set), [(1, 1), (2, 2)]);
    // One class of both values is one piece; the background of a map may be a class as well.
    set.0
        .text("dataset.toml", "[masks]\npolicy = \"nonzero\"\n");
    assert_eq!(of(&set), [(1, 1)]);
    let text = "[masks]\npolicy = \"classes\"\n[masks.classes]\n0 = 1\n1 = 0\n2 = 0\n";
    set.0.text("dataset.toml", text);
    let report = set.report();
    // The bar at the left border leaves one side.
    assert_eq!(
        (report.pieces[0].class, report.pieces[0].pieces.max),
        (1, 1)
    );
    let text = "[masks]\npolicy = \"ids\"\nignore = 2\n";
    set.0.text("dataset.toml", text);
    assert_eq!(of(&set), [(1, 1)]);
}
