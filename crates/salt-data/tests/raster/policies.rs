//! What masks mean when `dataset.toml` says it.

use std::path::Path;

use png::{BitDepth, ColorType};
use proptest::prelude::*;
use salt_data::verify::{Check, verify};
use salt_data::{
    DataError, Dataset, IGNORE_LABEL, LabelRule, MaskPolicy, PolicyError, decode_labels,
};

use super::{fixture, fixture_bytes};
use crate::fixture::Folder;

fn policy(text: &str) -> MaskPolicy {
    toml::from_str(text).expect(text)
}

/// A set of one 4 x 2 image with this mask and these `[masks]`.
fn set(masks: &str, colour: ColorType, data: &[u8]) -> Folder {
    let folder = Folder::empty();
    folder.image("images/a.png", 4, 2, 0);
    folder.png("masks/a.png", 4, 2, colour, BitDepth::Eight, data);
    folder.text("data_split.csv", "imgs,split\na,train\n");
    folder.text("dataset.toml", &format!("[masks]\n{masks}"));
    folder
}

fn check(masks: &str, data: [u8; 8], n_classes: usize, labels: [u8; 8]) {
    let folder = set(masks, ColorType::Grayscale, &data);
    let set = Dataset::open(folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let case = set.load(&set.cases[0]).expect("loads");
    assert_eq!(case.labels.classes, labels, "{masks}");
    assert_eq!(set.n_classes, n_classes, "{masks}");
}

#[test]
fn policies_of_values() {
    let data = [0, 7, 9, 255, 0, 1, 2, 255];
    check("policy = \"nonzero\"", data, 1, [0, 1, 1, 1, 0, 1, 1, 1]);
    let ignore = "policy = \"nonzero\"\nignore = 7";
    check(ignore, data, 1, [0, 255, 1, 1, 0, 1, 1, 1]);
    let at = "policy = \"threshold\"\nat = 9";
    check(at, data, 1, [0, 0, 1, 1, 0, 0, 0, 1]);
    let ids = "policy = \"ids\"\nignore = 255";
    check(ids, data, 9, [0, 7, 9, 255, 0, 1, 2, 255]);
    let ids = "policy = \"ids\"\nignore = 255\nn_classes = 12";
    check(ids, data, 12, [0, 7, 9, 255, 0, 1, 2, 255]);
    let classes = "policy = \"classes\"\nignore = 9\nother = 3\n[masks.classes]\n255 = 1\n7 = 2";
    check(classes, data, 3, [0, 2, 255, 1, 0, 3, 3, 1]);
    // Zero may be a class too, and a class may be background.
    let turned = "policy = \"classes\"\nother = 0\n[masks.classes]\n0 = 1";
    check(turned, data, 1, [1, 0, 0, 0, 1, 0, 0, 0]);
}

#[test]
fn policies_of_colours() {
    let [red, blue, black, grey] = [[255, 0, 0], [0, 0, 255], [0, 0, 0], [128, 128, 128]];
    let pixels = [red, blue, black, grey, red, black, black, blue].concat();
    let masks = "policy = \"colours\"\nignore = \"#808080\"\n[masks.colours]\n\"#ff0000\" = 2\n\"#0000FF\" = 1";
    let folder = set(masks, ColorType::Rgb, &pixels);
    let opened = Dataset::open(folder.path()).expect("opens");
    let labels = opened.load(&opened.cases[0]).expect("loads").labels.classes;
    assert_eq!(labels, [2, 1, 0, 255, 2, 0, 0, 1]);
    assert_eq!(opened.n_classes, 2);
    let report = verify(folder.path());
    assert_eq!(report.foreground_share, [2.0 / 7.0, 2.0 / 7.0]);
    assert!(report.is_sound(), "{:?}", report.findings);
    // The palette of the fixture folder: white, black, (9, 9, 9), (200, 0, 0).
    let masks =
        "policy = \"colours\"\n[masks.colours]\n\"#ffffff\" = 1\n\"#c80000\" = 2\n\"#090909\" = 0";
    let folder = set(masks, ColorType::Indexed, &[0, 1, 2, 3, 0, 1, 2, 3]);
    let opened = Dataset::open(folder.path()).expect("opens");
    let labels = opened.load(&opened.cases[0]).expect("loads").labels.classes;
    assert_eq!(labels, [1, 0, 0, 2, 1, 0, 0, 2]);
}

#[test]
fn the_masks_of_drive_are_read_by_index() {
    // Indices 0 and 1 whose colours are the greys 3 and 253.
    let (path, bytes) = (fixture("two_greys.gif"), fixture_bytes("two_greys.gif"));
    let found = decode_labels(&bytes, &path, &MaskPolicy::Auto).expect("decodes");
    let stated = decode_labels(&bytes, &path, &policy("policy = \"nonzero\"")).expect("decodes");
    assert_eq!(found, stated);
    let foreground = found.mask_of(1).iter().filter(|&&v| v).count();
    assert!(
        foreground > 20 && foreground < found.classes.len() - 20,
        "{foreground}"
    );
    let colours = "policy = \"colours\"\n[colours]\n\"#fdfdfd\" = 1\n\"#030303\" = 0";
    let coloured = decode_labels(&bytes, &path, &policy(colours)).expect("decodes");
    assert_eq!(found, coloured);
}

fn refused(masks: &str, colour: ColorType, data: &[u8]) -> PolicyError {
    let folder = set(masks, colour, data);
    match Dataset::open(folder.path()) {
        Err(DataError::Policy(error)) => {
            let report = verify(folder.path());
            let findings = report.findings.iter();
            let found = findings.filter(|f| f.check == Check::MaskValues).count();
            assert!(!report.is_sound() && found > 0, "{:?}", report.findings);
            error
        }
        other => panic!("{masks}: {other:?}"),
    }
}

#[test]
fn unmapped_values_are_named_and_counted() {
    let check = |masks: &str, data: [u8; 8], mention: &str| {
        let error = refused(masks, ColorType::Grayscale, &data);
        assert!(matches!(error, PolicyError::Unmapped { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(mention) && text.contains("a.png"), "{text}");
    };
    let data = [0, 7, 7, 255, 0, 1, 7, 255];
    let classes = "policy = \"classes\"\n[masks.classes]\n255 = 1\n1 = 2";
    check(classes, data, "only the values 0, 1, 255 in mask");
    check(classes, data, "the value 7 in 3 pixels");
    let ids = "policy = \"ids\"\nn_classes = 7";
    check(ids, data, "only ids 0 to 7");
    check(ids, data, "the value 255 in 2 pixels");
    check("policy = \"ids\"", data, "ids 0 to 32");
    let colours = "policy = \"colours\"\n[masks.colours]\n\"#ffffff\" = 1";
    check(colours, data, "the colour #070707 in 3 pixels");
}

#[test]
fn masks_that_a_policy_cannot_mean_are_refused() {
    let check = |masks: &str, colour, data: &[u8], mention: &str| {
        let error = refused(masks, colour, data);
        assert!(matches!(error, PolicyError::Kind { .. }), "{error}");
        assert!(error.to_string().contains(mention), "{error}");
    };
    let threshold = "policy = \"threshold\"\nat = 128";
    let indices = [0, 1, 0, 1, 0, 1, 0, 1];
    check(threshold, ColorType::Indexed, &indices, "palette indices");
    let red: Vec<u8> = indices.iter().flat_map(|&v| [v * 255, 0, 0]).collect();
    check(threshold, ColorType::Rgb, &red, "colours");
    check("policy = \"ids\"", ColorType::Rgb, &red, "colours");
    check(
        "policy = \"nonzero\"\nignore = 1",
        ColorType::Rgb,
        &red,
        "colours",
    );
    let bytes = fixture_bytes("grey.jpg");
    for text in [
        "policy = \"nonzero\"",
        "policy = \"ids\"",
        "policy = \"classes\"\n[classes]\n255 = 1",
        "policy = \"colours\"\n[colours]\n\"#ffffff\" = 1",
    ] {
        let error = decode_labels(&bytes, Path::new("a.jpg"), &policy(text)).expect_err(text);
        assert!(error.to_string().contains("JPEG"), "{error}");
    }
    let at = policy("policy = \"threshold\"\nat = 100");
    assert!(decode_labels(&bytes, Path::new("a.jpg"), &at).is_ok());
}

#[test]
fn a_broken_policy_is_found_by_opening_and_by_verifying() {
    let data = [0; 8];
    let error = refused("policies = \"ids\"", ColorType::Grayscale, &data);
    let nearest = matches!(
        error,
        PolicyError::UnknownKey {
            nearest: "policy",
            ..
        }
    );
    assert!(nearest, "{error}");
    let error = refused("policy = \"idz\"", ColorType::Grayscale, &data);
    assert!(matches!(error, PolicyError::BadSettings { .. }), "{error}");
}

#[test]
fn a_policy_settles_what_would_contradict_and_enters_the_hash() {
    // 255 beside ids in one mask, alone in another.
    let folder = Folder::sound();
    let mut stray = vec![255_u8; 48];
    (stray[0], stray[1]) = (0, 1);
    folder.grey("masks/a_mask.png", 8, 6, &stray);
    let error = Dataset::open(folder.path()).expect_err("contradicts");
    assert!(matches!(error, DataError::Contradiction { .. }), "{error}");
    let stated = |text: &str| {
        folder.text("dataset.toml", text);
        let set = Dataset::open(folder.path()).expect("opens");
        assert!(matches!(set.label_rule, LabelRule::Stated { .. }));
        assert!(verify(folder.path()).is_sound());
        set.sha256().expect("readable")
    };
    let nonzero = stated("[masks]\npolicy = \"nonzero\"");
    let threshold = stated("[masks]\npolicy = \"threshold\"\nat = 200");
    assert_ne!(nonzero, threshold);
}

fn any_policy() -> impl Strategy<Value = String> {
    let ignore = proptest::option::of(any::<u8>())
        .prop_map(|v| v.map_or(String::new(), |v| format!("ignore = {v}\n")));
    let body = prop_oneof![
        Just("policy = \"nonzero\"\n".to_owned()),
        (1..=255_u8).prop_map(|at| format!("policy = \"threshold\"\nat = {at}\n")),
        (1..=32_u8).prop_map(|n| format!("policy = \"ids\"\nn_classes = {n}\n")),
        (
            proptest::collection::btree_map(any::<u8>(), 1..=32_u8, 1..9),
            proptest::option::of(0..=32_u8)
        )
            .prop_map(|(map, other)| {
                let other = other.map_or(String::new(), |v| format!("other = {v}\n"));
                let keys: String = map.iter().map(|(v, c)| format!("{v} = {c}\n")).collect();
                format!("policy = \"classes\"\n{other}|{keys}")
            }),
    ];
    (body, ignore).prop_map(|(body, ignore)| match body.split_once('|') {
        Some((head, map)) => format!("{head}{ignore}[classes]\n{map}"),
        None => body + &ignore,
    })
}

proptest! {
    #[test]
    fn every_policy_yields_only_labels_it_declares(
        text in any_policy(),
        values in proptest::collection::vec(any::<u8>(), 12),
        small in proptest::collection::vec(0..4_u8, 12),
    ) {
        let policy = policy(&text);
        for values in [values, small] {
            let mut file = b"P5 4 3 255\n".to_vec();
            file.extend_from_slice(&values);
            match decode_labels(&file, Path::new("a.pgm"), &policy) {
                Ok(labels) => {
                    let declared: usize = match &policy {
                        MaskPolicy::Ids { n_classes, .. } => n_classes.map_or(32, usize::from),
                        MaskPolicy::Classes(map) => {
                            map.classes.values().copied().chain(map.other).max().map_or(1, usize::from)
                        }
                        _ => 1,
                    };
                    let allowed = |&c: &u8| c == IGNORE_LABEL || usize::from(c) <= declared;
                    prop_assert!(labels.classes.iter().all(allowed), "{text}: {labels:?}");
                    let ignored = labels.classes.iter().filter(|&&c| c == IGNORE_LABEL).count();
                    prop_assert!(ignored == 0 || text.contains("ignore"));
                }
                Err(error) => {
                    let unmapped = matches!(error, DataError::Policy(PolicyError::Unmapped { .. }));
                    prop_assert!(unmapped, "{error}");
                }
            }
        }
    }
}
