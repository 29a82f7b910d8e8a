//! Groups and pixel sizes in the table: read, refused, kept in one split.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use salt_data::{DataError, Dataset, Split, parse_table};

use crate::fixture::Folder;

fn opened(table: &str) -> Result<Dataset, DataError> {
    let folder = Folder::sound();
    folder.text("data_split.csv", table);
    Dataset::open(folder.path())
}

#[test]
fn group_and_spacing_are_read_under_all_their_names() {
    for name in ["group", "patient", "patient_id", "subject"] {
        let table = format!(
            "imgs,{name},split,spacing_mm\na,p1,train,0.5\nb,p1,train,0.5x0.25\nc,,test,\n"
        );
        let cases = opened(&table).expect("opens").cases;
        let groups: Vec<_> = cases.iter().map(|case| case.group.as_deref()).collect();
        assert_eq!(groups, [Some("p1"), Some("p1"), None], "{name}");
        let spacings: Vec<_> = cases.iter().map(|case| case.spacing_mm).collect();
        assert_eq!(spacings, [Some([0.5, 0.5]), Some([0.5, 0.25]), None]);
    }
}

#[test]
fn what_the_columns_may_not_say() {
    let check = |table: &str, matches: fn(&DataError) -> bool, mention: &str| {
        let error = opened(table).expect_err("must be refused");
        let text = error.to_string();
        assert!(matches(&error) && text.contains(mention), "{text}");
        assert!(!error.remedy().is_empty() && error.path().is_some());
    };
    check(
        "imgs,split,group,patient\na,train,1,1\n",
        |e| {
            matches!(
                e,
                DataError::AmbiguousColumn {
                    meaning: "group",
                    ..
                }
            )
        },
        r#"["group", "patient"]"#,
    );
    check(
        "imgs,split,split\na,train,test\n",
        |e| {
            matches!(
                e,
                DataError::AmbiguousColumn {
                    meaning: "split",
                    ..
                }
            )
        },
        "data_split.csv",
    );
    for text in ["0", "-0.5", "NaN", "inf", "half", "1x0", "1x2x3"] {
        check(
            &format!("imgs,split,spacing_mm\na,train,1\nb,val,{text}\n"),
            |e| matches!(e, DataError::BadSpacing { line: 3, .. }),
            &format!("received `{text}`"),
        );
    }
    check(
        "imgs,split,group\na,train,p1\nb,val,p2\nc,test,p1\n",
        |e| matches!(e, DataError::GroupAcrossSplits { group, .. } if group == "p1"),
        "a (train) and c (test)",
    );
}

#[test]
fn a_table_is_understood_without_its_files() {
    let lines = parse_table(
        Path::new("pairs.csv"),
        b"image,mask,split,patient\nx/a.png,y/a.png,TEST,7\n",
    )
    .expect("sound");
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].line, lines[0].split), (2, Split::Test));
    assert_eq!(lines[0].image, Path::new("x/a.png"));
    assert_eq!(lines[0].mask.as_deref(), Some(Path::new("y/a.png")));
    assert_eq!(lines[0].group.as_deref(), Some("7"));
    for bytes in [
        &b""[..],
        b"\xff\xfe\x00",
        b"imgs,split\n\"a,train\n",
        b"imgs,split\na,train\n\xff,val\n",
    ] {
        assert!(parse_table(Path::new("data_split.csv"), bytes).is_err());
    }
}

#[test]
fn the_content_hash_knows_groups() {
    let hash = |table: &str| {
        let folder = Folder::sound();
        folder.text("data_split.csv", table);
        let set = Dataset::open(folder.path()).expect("opens");
        set.sha256().expect("readable")
    };
    let plain = hash("imgs,split\na,train\n");
    // A set without groups has the hash it always had, an empty column included.
    assert_eq!(hash("imgs,split,group\na,train,\n"), plain);
    assert_ne!(hash("imgs,split,group\na,train,1\n"), plain);
    assert_ne!(hash("imgs,split,spacing_mm\na,train,1\n"), plain);
}

/// Pictures of one folder under as many names as needed; only the table matters here.
fn drawn(groups: &[u8], fraction: f64, seed: u64) -> Result<Dataset, DataError> {
    let folder = Folder::empty();
    folder.mask("masks/m.png", 8, 6, 255);
    let mut table = "image,mask,split,group\n".to_owned();
    for (k, group) in groups.iter().enumerate() {
        folder.image(&format!("images/n{k}.png"), 8, 6, k as u8);
        // Group 0 stands for a case without one.
        let name = if *group == 0 {
            String::new()
        } else {
            format!("p{group}")
        };
        table += &format!("images/n{k}.png,masks/m.png,train,{name}\n");
    }
    folder.text("pairs.csv", &table);
    Dataset::open(folder.path())?.with_validation(fraction, seed)
}

#[test]
fn whole_groups_are_taken_for_validation() {
    // Ten pairs: a fifth is two pairs, whatever the seed.
    let pairs: Vec<u8> = (0..20).map(|k| 1 + k / 2).collect();
    let chosen = |seed| {
        let set = drawn(&pairs, 0.2, seed).expect("enough groups");
        let val = set.split(Split::Val);
        assert_eq!(val.len(), 4);
        val.iter()
            .filter_map(|case| case.group.clone())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(chosen(1).len(), 2);
    assert_eq!(chosen(1), chosen(1));
    assert!((2..9).any(|seed| chosen(seed) != chosen(1)));
    // One large group and one small: the small one, though it is less than a half.
    for seed in 0..8 {
        let set = drawn(&[1, 1, 1, 1, 1, 1, 2, 2], 0.5, seed).expect("two groups");
        assert!([2, 6].contains(&set.split(Split::Val).len()));
        let set = drawn(&[1, 1, 1, 1, 1, 1, 2, 2], 0.1, seed).expect("two groups");
        assert_eq!(set.split(Split::Val).len(), 2);
    }
    let error = drawn(&[1, 1, 1], 0.3, 0).expect_err("one group cannot be shared");
    assert!(matches!(
        error,
        DataError::EmptySplit {
            split: Split::Val,
            ..
        }
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn splits_never_share_a_group(
        groups in prop::collection::vec(0_u8..5, 2..12), fraction in 0.05_f64..0.95, seed: u64,
    ) {
        let Ok(set) = drawn(&groups, fraction, seed) else {
            let distinct: BTreeSet<_> = groups.iter().collect();
            prop_assert!(distinct.len() == 1 && groups[0] != 0);
            return Ok(());
        };
        let of = |split| {
            let cases = set.split(split).into_iter();
            cases.filter_map(|case| case.group.clone()).collect::<BTreeSet<_>>()
        };
        prop_assert!(of(Split::Train).is_disjoint(&of(Split::Val)));
        prop_assert!(!set.split(Split::Train).is_empty() && !set.split(Split::Val).is_empty());
    }
}
