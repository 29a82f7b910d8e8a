//! Table, file names, groups, spacing.

use salt_data::Dataset;
use salt_data::verify::{Check, Severity, verify};

use super::{SIDE, Set, bar, noise, only};
use crate::fixture::Folder;

#[test]
fn files_without_a_line() {
    let set = Set::new();
    set.0.image("images/more.png", SIDE, SIDE, 1);
    set.check(Severity::Warning, Check::Pairing, "1 file in images/");
    let set = Set::new();
    set.0.mask("masks/more.png", SIDE, SIDE, 1);
    set.0.mask("masks/again.png", SIDE, SIDE, 1);
    set.0.text("masks/.hidden.txt", "");
    set.check(Severity::Warning, Check::Pairing, "2 files in masks/");
}

#[test]
fn lines_without_a_file() {
    for (folder, mention) in [
        ("images", "image of line 6"),
        ("masks", "mask for the image of line 6"),
    ] {
        let set = Set::new();
        std::fs::remove_file(set.0.at(&format!("{folder}/c4.png"))).expect("removed");
        set.check(Severity::Error, Check::Pairing, mention);
    }
}

#[test]
fn columns_that_mean_nothing_are_named() {
    let set = Set::new();
    set.table("image,mask,split,group,age", |k| {
        format!("images/c{k}.png,masks/c{k}.png,{},{k},70", Set::split(k))
    });
    set.check(Severity::Warning, Check::Table, r#"columns ["age"]"#);
    assert!(Dataset::open(set.0.path()).is_ok());
}

#[test]
fn a_group_in_two_splits_is_an_error_everywhere() {
    let set = Set::new();
    set.table("image,mask,split,patient", |k| {
        let patient = if k == 11 { 0 } else { k };
        format!("images/c{k}.png,masks/c{k}.png,{},{patient}", Set::split(k))
    });
    set.check(
        Severity::Error,
        Check::Leakage,
        "`0` in two: c0 (train) and c11 (test)",
    );
    assert!(Dataset::open(set.0.path()).is_err());
}

#[test]
fn lines_without_a_group_among_others() {
    let set = Set::new();
    set.table("image,mask,split,patient", |k| {
        let patient = if k < 2 { String::new() } else { k.to_string() };
        format!("images/c{k}.png,masks/c{k}.png,{},{patient}", Set::split(k))
    });
    set.check(Severity::Warning, Check::Leakage, "2 lines have no group");
    assert_eq!(set.report().tally(), "12 cases, 0 errors, 1 warning");
}

#[test]
fn groups_that_differ_in_case_only() {
    let set = Set::new();
    set.table("image,mask,split,patient", |k| {
        let patient = if k == 0 {
            "P11".to_owned()
        } else {
            format!("p{k}")
        };
        format!("images/c{k}.png,masks/c{k}.png,{},{patient}", Set::split(k))
    });
    // In training and in the test: a leak, if they are one patient.
    set.check(
        Severity::Warning,
        Check::Leakage,
        "1 name is written in ways that differ in case only, such as `P11` and `p11`",
    );
}

/// Four pairs of the given names in train, train, val, test; no column of groups.
fn named(names: [&str; 4]) -> Folder {
    let folder = Folder::empty();
    let mut table = "image,mask,split\n".to_owned();
    for (k, name) in names.into_iter().enumerate() {
        folder.grey(
            &format!("images/{name}.png"),
            SIDE,
            SIDE,
            &noise(k as u32, 576),
        );
        folder.grey(&format!("masks/{name}.png"), SIDE, SIDE, &bar(k, 255));
        let split = ["train", "train", "val", "test"][k];
        table += &format!("images/{name}.png,masks/{name}.png,{split}\n");
    }
    folder.text("pairs.csv", &table);
    folder
}

#[test]
fn without_groups_that_is_said_and_names_are_asked() {
    let report = verify(named(["a", "b", "c", "d"]).path());
    only(&report, Severity::Info, Check::Leakage, "was not checked");
    let report = verify(named(["Image_01L", "Image_01R", "Image_02L", "Image_03L"]).path());
    only(
        &report,
        Severity::Info,
        Check::Leakage,
        "Image_01L, Image_01R",
    );
    for (names, mention) in [
        (
            ["Image_01L", "x", "y", "Image_01R"],
            "Image_01L (train), Image_01R (test)",
        ),
        (
            ["7_left", "x", "7_right", "y"],
            "7_left (train), 7_right (val)",
        ),
        (
            ["patient3_a", "x", "y", "patient3_b"],
            "patient3_a (train), patient3_b (test)",
        ),
        (
            ["s03_i1", "s03_i2", "s03_i3", "z"],
            "s03_i1 (train), s03_i3 (val)",
        ),
    ] {
        let report = verify(named(names).path());
        let [warning, info] = &report.findings[..] else {
            panic!("two findings, not {:#?}", report.findings);
        };
        assert_eq!(
            (warning.severity, info.severity),
            (Severity::Warning, Severity::Info)
        );
        assert_eq!(warning.check, Check::Leakage);
        assert!(warning.problem.contains(mention), "{}", warning.problem);
        assert!(warning.remedy.contains("add a `group` column"));
        assert!(report.is_sound());
    }
}

#[test]
fn pixel_sizes() {
    let check = |spacing: fn(usize) -> &'static str, severity, mention: &str| {
        let set = Set::new();
        set.table("image,mask,split,group,spacing_mm", |k| {
            let split = Set::split(k);
            format!("images/c{k}.png,masks/c{k}.png,{split},{k},{}", spacing(k))
        });
        set.check(severity, Check::Spacing, mention);
    };
    check(
        |k| if k == 4 { "" } else { "0.5" },
        Severity::Warning,
        "1 image has no spacing_mm",
    );
    check(
        |k| if k == 4 { "1.1x0.5" } else { "0.5" },
        Severity::Warning,
        "from 0.5 mm to 1.1 mm",
    );
    check(
        |k| if k == 4 { "-1" } else { "0.5" },
        Severity::Error,
        "line 6",
    );
    let set = Set::new();
    set.table("image,mask,split,group,spacing_mm", |k| {
        format!(
            "images/c{k}.png,masks/c{k}.png,{},{k},0.5x0.9",
            Set::split(k)
        )
    });
    let report = set.report();
    assert_eq!(report.findings, []);
    assert_eq!(
        report.fingerprint.and_then(|f| f.spacing_mm),
        Some([0.5, 0.9])
    );
}

#[test]
fn a_split_without_cases() {
    // Training takes validation cases from its own; it has no other test.
    for (split, severity) in [("val", Severity::Info), ("test", Severity::Warning)] {
        let set = Set::new();
        set.table("image,mask,split,group", |k| {
            format!(
                "images/c{k}.png,masks/c{k}.png,{},{k}",
                Set::split(k).replace(split, "train")
            )
        });
        set.check(
            severity,
            Check::Splits,
            &format!("split {split} has no case"),
        );
    }
}
