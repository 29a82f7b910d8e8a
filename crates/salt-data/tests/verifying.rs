//! `verify` finds everything at once.

use salt_data::verify::{Check, Severity, VerifyReport, verify};
use salt_data::{Dataset, Split};

use crate::fixture::Folder;

fn found(report: &VerifyReport, check: Check, severity: Severity) -> Vec<&str> {
    let findings = report.findings.iter();
    findings
        .filter(|finding| finding.check == check && finding.severity == severity)
        .map(|finding| finding.problem.as_str())
        .collect()
}

#[test]
fn a_sound_set_has_no_findings_and_a_fingerprint() {
    let folder = Folder::sound();
    let report = verify(folder.path());
    assert!(
        report.is_sound() && report.findings.is_empty(),
        "{:?}",
        report.findings
    );
    assert_eq!(report.cases, 3);
    assert_eq!(report.splits[&Split::Test], 1);
    assert_eq!(
        report.mask_values.iter().collect::<Vec<_>>(),
        [(&0, &120), (&255, &24)]
    );
    assert_eq!(report.foreground_share, [24.0 / 144.0]);
    assert_eq!(
        (
            report.sizes[0].width,
            report.sizes[0].height,
            report.sizes[0].cases
        ),
        (8, 6, 3)
    );
    let json = serde_json::to_value(&report).expect("serialises");
    assert_eq!(json["splits"]["train"], 1);
}

#[test]
fn masks_that_contradict_each_other_are_an_error_everywhere() {
    let folder = Folder::sound();
    let mut stray = vec![255u8; 48];
    (stray[0], stray[1]) = (0, 1);
    folder.grey("masks/a_mask.png", 8, 6, &stray);
    let report = verify(folder.path());
    let errors = found(&report, Check::MaskValues, Severity::Error);
    assert!(
        errors.len() == 1 && errors[0].contains("255 alone"),
        "{errors:?}"
    );
    let error = Dataset::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("a_mask.png") && error.contains("stray"),
        "{error}"
    );
}

#[test]
fn pixels_without_truth_are_not_foreground() {
    // A third of each mask has a truth, a third of that is class 1: nothing looks inverted.
    let folder = Folder::sound();
    let mut mask = vec![255u8; 48];
    mask[..12].fill(0);
    mask[12..18].fill(1);
    for name in ["a", "b", "c"] {
        folder.grey(&format!("masks/{name}_mask.png"), 8, 6, &mask);
    }
    let report = verify(folder.path());
    assert_eq!(report.findings, []);
    // The same amount of foreground in place of it does.
    mask[18..].fill(1);
    folder.grey("masks/a_mask.png", 8, 6, &mask);
    let report = verify(folder.path());
    let warnings = found(&report, Check::MaskValues, Severity::Warning);
    assert_eq!(warnings, ["75 % of the mask of a is foreground"]);
}

#[test]
fn a_set_without_foreground_is_not_sound() {
    let folder = Folder::sound();
    for name in ["a", "b", "c"] {
        folder.mask(&format!("masks/{name}_mask.png"), 8, 6, 0);
    }
    let report = verify(folder.path());
    let errors = found(&report, Check::EmptyMask, Severity::Error);
    assert_eq!(errors, ["no mask of the set has any foreground"]);
    assert!(!report.is_sound());
}

#[test]
fn all_that_is_wrong_is_listed_with_remedies() {
    let folder = Folder::sound();
    for name in ["d", "e", "f", "g", "stray"] {
        folder.image(&format!("images/{name}.png"), 8, 6, 40);
        folder.mask(&format!("masks/{name}.png"), 8, 6, 255);
    }
    // d is wrongly sized, e is empty, f equals e, g has soft edges; h and i miss their files.
    folder.mask("masks/d.png", 8, 5, 255);
    folder.mask("masks/e.png", 8, 6, 0);
    let soft: Vec<u8> = (0..48).map(|i| i * 5).collect();
    folder.grey("masks/g.png", 8, 6, &soft);
    folder.image("images/g.png", 8, 6, 99);
    folder.image("images/i.png", 8, 6, 50);
    folder.text("images/b.png", "broken");
    folder.text(
        "data_split.csv",
        "imgs,split\na,train\nb,train\nd,train\ne,train\nf,test\ng,train\nh,train\ni,train\na,train\nc,tes\n",
    );
    let report = verify(folder.path());
    use Severity::{Error, Info, Warning};
    assert!(found(&report, Check::Size, Error)[0].contains("received 8 x 5"));
    assert!(found(&report, Check::Readable, Error)[0].contains("b.png"));
    let pairing = found(&report, Check::Pairing, Error);
    assert_eq!(pairing.len(), 2, "{pairing:?}");
    let table = found(&report, Check::Table, Error);
    assert_eq!(
        table.len(),
        2,
        "a repeated line and an unknown split: {table:?}"
    );
    assert!(found(&report, Check::Duplicate, Error)[0].contains("e (train), f (test)"));
    assert!(found(&report, Check::EmptyMask, Warning)[0].contains("mask of e"));
    assert!(found(&report, Check::MaskValues, Warning)[0].contains("1 mask has several grey"));
    let orphans = found(&report, Check::Pairing, Warning);
    assert!(orphans[0].contains("1 file in images/") && orphans[1].contains("1 file in masks/"));
    assert!(found(&report, Check::Splits, Info)[0].contains("split val"));
    assert!(!report.is_sound());
    assert!(
        report
            .findings
            .iter()
            .all(|finding| !finding.remedy.is_empty())
    );
    assert!(report.findings.is_sorted_by_key(|finding| finding.severity));
    // What the fingerprint counts is what can be read.
    assert_eq!(report.cases, 4);
    assert!(Dataset::open(folder.path()).is_err());
}

#[test]
fn a_missing_folder_is_a_finding_too() {
    let folder = Folder::empty();
    let report = verify(&folder.path().join("nowhere"));
    assert!(!report.is_sound());
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].check, Check::Table);
}
