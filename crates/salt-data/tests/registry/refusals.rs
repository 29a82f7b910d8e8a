//! What can be wrong with a request or with what is brought, each with its own error, and nothing left behind.

use salt_data::DataError;
use salt_data::registry::RegistryError;

use super::encodings::{jpeg, mask_png, mask_png_1_bit, png};
use super::made::{Ask, Entry, Made, PART, zip};

/// Preparing must fail with an error that matches, names `mention`, has a remedy, and leaves nothing.
macro_rules! refused {
    ($made:expr, $name:expr, $ask:expr, $pattern:pat, $mention:expr) => {{
        let made = &$made;
        let error = made.fetch($name, $ask).expect_err("must be refused");
        assert!(matches!(error, $pattern), "{error:?}");
        let text = error.to_string();
        assert!(text.contains($mention), "{text}");
        assert!(
            text.starts_with("expected ") && !error.remedy().is_empty(),
            "{text}"
        );
        assert!(!made.out().exists(), "something was prepared");
        let parent = made.path().join("prepared");
        let left = std::fs::read_dir(parent).map_or(0, Iterator::count);
        assert_eq!(left, 0, "something was left behind");
    }};
}

fn chase(children: std::ops::RangeInclusive<u32>) -> Vec<Entry> {
    let files = children.flat_map(|child| {
        let name = format!("Image_{child:02}L");
        [
            (format!("{name}.jpg"), jpeg(child)),
            (format!("{name}_1stHO.png"), mask_png_1_bit()),
        ]
    });
    files.collect()
}

fn of(entries: Vec<Entry>) -> Made {
    Made::new(vec![("CHASEDB1.zip", zip(entries))])
}

#[test]
fn names_and_variants_that_do_not_exist() {
    let made = of(chase(1..=2));
    refused!(
        made,
        "chase_db2",
        PART,
        RegistryError::UnknownSet { .. },
        "chase_db1"
    );
    let ask = Ask {
        variant: Some("third"),
        ..PART
    };
    refused!(
        made,
        "chase_db1",
        ask,
        RegistryError::UnknownVariant { .. },
        "second"
    );
    let ask = Ask {
        variant: Some("large"),
        ..PART
    };
    refused!(
        made,
        "drive",
        ask,
        RegistryError::UnknownVariant { .. },
        "leave --variant out"
    );
}

#[test]
fn a_set_that_nobody_brought() {
    let nothing = Made::new(Vec::new());
    refused!(
        nothing,
        "chase_db1",
        PART,
        RegistryError::ByHand { .. },
        "CHASEDB1.zip with a browser"
    );
    // A public licence needs no word, but a network.
    refused!(
        nothing,
        "arcade",
        PART,
        RegistryError::Download(_),
        "arcade.zip"
    );
    refused!(
        nothing,
        "stare",
        PART,
        RegistryError::TermsNotAccepted { .. },
        "--accept-terms"
    );
    refused!(
        nothing,
        "kvasir_seg",
        PART,
        RegistryError::TermsNotAccepted { .. },
        "simula.no"
    );
}

#[test]
fn an_archive_that_is_not_there_or_is_none() {
    let mut made = of(chase(1..=2));
    std::fs::remove_file(made.path().join("CHASEDB1.zip")).expect("removed");
    refused!(
        made,
        "chase_db1",
        PART,
        RegistryError::MissingArchive { .. },
        "CHASEDB1.zip"
    );
    made = Made::new(vec![(
        "CHASEDB1.zip",
        b"<html>please log in</html>".to_vec(),
    )]);
    refused!(
        made,
        "chase_db1",
        PART,
        RegistryError::Archive(_),
        "CHASEDB1.zip"
    );
    let bytes = zip(chase(1..=2));
    made = Made::new(vec![("CHASEDB1.zip", bytes[..bytes.len() / 2].to_vec())]);
    refused!(
        made,
        "chase_db1",
        PART,
        RegistryError::Archive(_),
        "CHASEDB1.zip"
    );
}

#[test]
fn an_archive_of_another_set() {
    let made = of(chase(1..=2));
    for (name, words) in [
        ("drive", "training/images"),
        ("rose", "ROSE-1/SVC/train/img"),
        ("dias", "training/labels"),
        ("dca1", "N_gt.pgm"),
        ("stare", "imNNNN.ppm.gz"),
        ("hrf", "a folder images"),
        ("fives", "train/Original"),
        ("rossa", "image/N.png"),
        ("isic2018", "Training_Input"),
        ("busi", "a folder benign"),
    ] {
        refused!(made, name, PART, RegistryError::Layout { .. }, words);
        refused!(
            made,
            name,
            PART,
            RegistryError::Layout { .. },
            "Image_01L.jpg"
        );
    }
}

#[test]
fn an_incomplete_copy_is_told_unless_it_will_do() {
    let made = of(chase(1..=3));
    refused!(
        made,
        "chase_db1",
        Ask::default(),
        RegistryError::Incomplete {
            expected: 28,
            received: 3,
            ..
        },
        "--partial"
    );
    // Children of the first ten only: no official test, so the split is drawn.
    let (prepared, told) = made.told("chase_db1", PART);
    assert_eq!(prepared.split, "seed:0");
    assert!(
        told.contains(
            "split seed:0 is drawn: these files do not hold both parts of the official split"
        ),
        "{told}"
    );
    assert_eq!(prepared.splits.values().sum::<usize>(), 3);
}

#[test]
fn a_picture_without_a_mask() {
    let mut entries = chase(1..=12);
    entries.retain(|(name, _)| name != "Image_04L_1stHO.png");
    let made = of(entries);
    let ask = Ask::default();
    refused!(
        made,
        "chase_db1",
        ask,
        RegistryError::Unpaired { .. },
        "Image_04L_1stHO"
    );
    let prepared = made.fetch("chase_db1", PART).expect("a part will do");
    assert_eq!(prepared.splits.values().sum::<usize>(), 11);
}

#[test]
fn one_thing_twice() {
    let mut entries = Vec::new();
    for top in ["a", "b"] {
        entries.push((format!("{top}/training/images/21_training.tif"), png(1)));
        entries.push((format!("{top}/training/1st_manual/21_manual1.gif"), png(2)));
    }
    let made = of(entries);
    refused!(
        made,
        "drive",
        PART,
        RegistryError::Ambiguous { .. },
        "training/1st_manual"
    );
    let mut entries = chase(1..=12);
    entries.push(("copy/Image_01L.jpg".to_owned(), jpeg(1)));
    refused!(
        of(entries),
        "chase_db1",
        PART,
        RegistryError::Ambiguous { .. },
        "Image_01L"
    );
}

#[test]
fn a_mask_with_a_third_value() {
    let mut entries = chase(1..=12);
    let mut values = vec![0; 120];
    values[3..6].copy_from_slice(&[9, 255, 255]);
    let file = entries
        .iter_mut()
        .find(|(name, _)| name == "Image_05L_1stHO.png");
    file.expect("made above").1 = super::encodings::mask_png_of(&values);
    refused!(
        of(entries),
        "chase_db1",
        PART,
        RegistryError::MaskValue { .. },
        "9, 255"
    );
}

#[test]
fn a_mask_of_another_size_and_a_picture_that_is_none() {
    let mut entries = chase(1..=12);
    let file = |entries: &mut Vec<Entry>, wanted: &str, bytes: Vec<u8>| {
        let file = entries.iter_mut().find(|(name, _)| name == wanted);
        file.expect("made above").1 = bytes;
    };
    file(&mut entries, "Image_05L.jpg", super::encodings::jpeg_16(5));
    refused!(
        of(entries.clone()),
        "chase_db1",
        PART,
        RegistryError::Size { .. },
        "16 x 16"
    );
    file(&mut entries, "Image_05L.jpg", b"no picture".to_vec());
    refused!(
        of(entries),
        "chase_db1",
        PART,
        RegistryError::Data(_),
        "Image_05L"
    );
}

#[test]
fn splits_that_a_set_does_not_have() {
    let made = of(chase(1..=12));
    let ask = |split| Ask {
        split: Some(split),
        ..PART
    };
    refused!(
        made,
        "chase_db1",
        ask("paper"),
        RegistryError::NoSuchSplit { .. },
        "paper"
    );
    refused!(
        made,
        "chase_db1",
        ask("fold:0/13"),
        RegistryError::Data(DataError::TooManyFolds {
            groups: 12,
            received: 13
        }),
        "groups of cases (12"
    );
    let first = of(chase(1..=9));
    refused!(
        first,
        "chase_db1",
        ask("official"),
        RegistryError::NoSuchSplit { .. },
        "official"
    );
    let entries = (21..=30).flat_map(|n| {
        [
            (format!("training/images/{n}_training.png"), png(n)),
            (
                format!("training/1st_manual/{n}_manual1.png"),
                mask_png(255),
            ),
        ]
    });
    let made = Made::new(vec![("training.zip", zip(entries.collect()))]);
    refused!(
        made,
        "drive",
        ask("paper"),
        RegistryError::TooFewForPaper { .. },
        "20 cases"
    );
}

#[test]
fn a_folder_with_something_else_is_left_alone_and_the_same_again_is_done() {
    let made = of(chase(1..=12));
    let first = made.fetch("chase_db1", PART).expect("prepared");
    // The same again needs nothing, not even the archive.
    std::fs::remove_file(made.path().join("CHASEDB1.zip")).expect("removed");
    assert_eq!(made.fetch("chase_db1", PART).expect("is there"), first);
    let ask = Ask {
        split: Some("seed:1"),
        ..PART
    };
    let error = made.fetch("chase_db1", ask).expect_err("another split");
    assert!(
        matches!(&error, RegistryError::OtherPreparation { received, .. } if received.contains("split official")),
        "{error}"
    );
    std::fs::remove_file(made.out().join("dataset.json")).expect("removed");
    let error = made.fetch("chase_db1", PART).expect_err("other files");
    assert!(
        matches!(&error, RegistryError::OtherPreparation { received, .. } if received.contains("other files")),
        "{error}"
    );
    assert!(made.out().join("pairs.csv").exists());
}

#[test]
fn a_prepared_folder_that_is_not_as_it_was_is_told() {
    let made = of(chase(1..=12));
    let (_, told) = made.told("chase_db1", PART);
    assert!(
        !told.contains("already") && !told.contains("is drawn"),
        "{told}"
    );
    // 12 images, 12 masks and the table.
    let (_, told) = made.told("chase_db1", PART);
    assert!(
        told.contains("was there already, and nothing was done: 25 files checked"),
        "{told}"
    );
    let damaged = |mention: &str| {
        let error = made.fetch("chase_db1", PART).expect_err("must be refused");
        assert!(matches!(error, RegistryError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains(mention), "{error}");
        assert!(error.remedy().contains("remove the folder"), "{error}");
    };
    let mask = made.out().join("masks/Image_03L.png");
    let whole = std::fs::read(&mask).expect("there");
    std::fs::write(&mask, &whole[..whole.len() - 1]).expect("written");
    damaged("masks/Image_03L.png changed");
    std::fs::remove_file(&mask).expect("removed");
    damaged("masks/Image_03L.png gone");
    // Folders of earlier versions have no checksums.
    let sums = made.out().join("SHA256SUMS");
    let text = std::fs::read_to_string(&sums).expect("there");
    std::fs::remove_file(&sums).expect("removed");
    damaged("Image_03L.png");
    std::fs::write(&mask, whole).expect("written");
    let (_, told) = made.told("chase_db1", PART);
    assert!(told.contains("the files of 12 cases exist"), "{told}");
    for broken in ["", "nonsense\n", "00  ../../x\n"] {
        std::fs::write(&sums, broken).expect("written");
        damaged("SHA256SUMS");
    }
    std::fs::write(&sums, text).expect("written");
    assert!(made.fetch("chase_db1", PART).is_ok());
}

#[test]
fn one_process_at_a_time_and_what_a_killed_one_left_is_removed() {
    let made = of(chase(1..=12));
    let scratch = made.path().join("prepared/.set.unpacked");
    std::fs::create_dir_all(scratch.join("0")).expect("created");
    std::fs::write(scratch.join("0/Image_99L.jpg"), jpeg(99)).expect("written");
    let lock = std::fs::File::create(scratch.join("lock")).expect("created");
    lock.lock().expect("locked");
    let error = made
        .fetch("chase_db1", PART)
        .expect_err("another one is at it");
    assert!(matches!(error, RegistryError::Busy { .. }), "{error}");
    assert!(scratch.join("0/Image_99L.jpg").exists());
    // The other one is gone, its folder is not.
    drop(lock);
    let prepared = made.fetch("chase_db1", PART).expect("prepared");
    assert_eq!(prepared.splits.values().sum::<usize>(), 12);
    assert!(!scratch.exists());
}

#[test]
fn a_stop_leaves_nothing_and_the_next_call_does_it() {
    use std::ops::ControlFlow;

    use salt_data::download::FetchOptions;
    use salt_data::registry::{FetchRequest, Stage, by_name, fetch_dataset};

    let made = of(chase(1..=12));
    let archives = [made.path().join("CHASEDB1.zip")];
    let request = FetchRequest {
        entry: by_name("chase_db1").expect("a set"),
        variant: None,
        split: None,
        archives: &archives,
        raw: made.path(),
        out: &made.out(),
        accept_terms: false,
        partial: true,
        options: FetchOptions::default(),
    };
    type Wanted = fn(&Stage<'_>) -> bool;
    let stages: [(&str, Wanted); 3] = [
        ("terms", |stage| matches!(stage, Stage::Terms(_))),
        ("unpack", |stage| matches!(stage, Stage::Unpack { .. })),
        ("prepare", |stage| matches!(stage, Stage::Prepare { .. })),
    ];
    for (name, wanted) in stages {
        let mut seen = false;
        let outcome = fetch_dataset(&request, &mut |stage| {
            seen |= wanted(&stage);
            if seen {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert!(
            matches!(outcome, Err(RegistryError::Stopped)),
            "{name}: {outcome:?}"
        );
        assert!(!made.out().exists(), "{name}");
    }
    assert!(made.fetch("chase_db1", PART).is_ok());
}

#[test]
fn masks_that_mark_nothing_name_the_other_ways_to_read_the_set() {
    let with_first = |first: Vec<u8>| {
        let files = (1..=2).flat_map(|child| {
            let name = format!("Image_{child:02}L");
            [
                (format!("{name}.jpg"), jpeg(child)),
                (format!("{name}_1stHO.png"), first.clone()),
            ]
        });
        of(files.collect())
    };
    refused!(
        with_first(mask_png(0)),
        "chase_db1",
        PART,
        RegistryError::NothingMarked { cases: 2, .. },
        "--variant second"
    );
    let marked = with_first(mask_png(255)).fetch("chase_db1", PART);
    assert!(marked.is_ok(), "{marked:?}");
}
