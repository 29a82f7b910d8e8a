//! The fuzz target `mask`: any bytes as a mask file, under every kind of policy.

use std::path::Path;

use salt_data::{Classes, Colour, Colours, DataError, MaskPolicy, decode_labels, decode_raster};

/// Policies of every kind, each with the largest class that it may give.
fn policies() -> Vec<(MaskPolicy, u8)> {
    let (red, grey) = (Colour([255, 0, 0]), Colour([128; 3]));
    let white = Colour([255; 3]);
    vec![
        (MaskPolicy::Auto, u8::MAX),
        (MaskPolicy::Nonzero { ignore: Some(7) }, 1),
        (
            MaskPolicy::Threshold {
                at: 128,
                ignore: None,
            },
            1,
        ),
        (
            MaskPolicy::Ids {
                n_classes: Some(3),
                ignore: None,
            },
            3,
        ),
        // Maps that leave values out, and maps that have a class for each.
        (classes(None), 2),
        (classes(Some(4)), 4),
        (colours([(red, 1), (white, 2)], None, Some(grey)), 2),
        (colours([(red, 1), (white, 2)], Some(5), None), 5),
    ]
}

fn classes(other: Option<u8>) -> MaskPolicy {
    MaskPolicy::Classes(Classes {
        classes: [(1, 1), (255, 2), (4095, 1)].into(),
        other,
        ignore: Some(128),
    })
}

fn colours(colours: [(Colour, u8); 2], other: Option<u8>, ignore: Option<Colour>) -> MaskPolicy {
    MaskPolicy::Colours(Colours {
        colours: colours.into(),
        other,
        ignore,
    })
}

/// Decodes `data`; returns whether any policy made labels of it. Panics when labels and picture do not agree, or a
/// policy gives a class that it does not have.
pub(crate) fn run(data: &[u8]) -> bool {
    let path = Path::new("mask");
    let raster = decode_raster(data, path);
    let mut any = false;
    for (policy, most) in policies() {
        let labels = match decode_labels(data, path, &policy) {
            Ok(labels) => labels,
            Err(error) => {
                check_message(&error);
                continue;
            }
        };
        let raster = raster.as_ref().expect("labels of what was decoded");
        assert_eq!([labels.width, labels.height], [raster.width, raster.height]);
        assert_eq!(labels.classes.len(), labels.width * labels.height);
        let declared = |&class: &u8| class <= most || class == salt_data::IGNORE_LABEL;
        assert!(labels.classes.iter().all(declared), "{policy:?}");
        any = true;
    }
    if let Err(error) = raster {
        check_message(&error);
    }
    any
}

fn check_message(error: &DataError) {
    let message = error.to_string();
    assert!(
        message.starts_with("expected ") && message.contains("; "),
        "{message}"
    );
}

#[test]
fn every_kind_of_policy_takes_a_seed() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/mask");
    let seeds: Vec<_> = std::fs::read_dir(seeds)
        .expect("a corpus")
        .map(|entry| std::fs::read(entry.expect("readable").path()).expect("readable"))
        .collect();
    let mut kinds = std::collections::BTreeSet::new();
    for (policy, _) in policies() {
        let takes = |seed: &Vec<u8>| decode_labels(seed, Path::new("mask"), &policy).is_ok();
        assert!(seeds.iter().any(takes), "{policy:?}");
        kinds.insert(policy.name());
    }
    let all = ["auto", "classes", "colours", "ids", "nonzero", "threshold"];
    assert!(kinds.into_iter().eq(all));
}
