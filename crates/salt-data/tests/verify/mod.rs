//! One fault in a folder gives exactly the finding about it, and no other.

mod components;
mod images;
mod masks;
mod names;
mod near;
mod real;

use png::{BitDepth, ColorType};
use salt_data::verify::{Check, Severity, VerifyReport, verify};

use crate::fixture::Folder;

pub(crate) const SIDE: u32 = 24;

/// Twelve 24x24 pairs c0 to c11 of twelve patients, each picture and mask different: 8 for training,
/// 2 and 2 for the rest.
pub(crate) struct Set(pub(crate) Folder);

impl Set {
    pub(crate) const COUNT: usize = 12;

    pub(crate) fn new() -> Self {
        let set = Self(Folder::empty());
        for k in 0..Self::COUNT {
            set.image(k, &noise(k as u32, (SIDE * SIDE) as usize));
            set.mask(k, &bar(k, 255));
        }
        set.table("image,mask,split,group", |k| {
            format!("images/c{k}.png,masks/c{k}.png,{},{k}", Self::split(k))
        });
        set
    }

    pub(crate) fn split(k: usize) -> &'static str {
        match k {
            0..8 => "train",
            8..10 => "val",
            _ => "test",
        }
    }

    /// Writes the table with one line for each case.
    pub(crate) fn table(&self, header: &str, line: impl Fn(usize) -> String) {
        let lines: Vec<String> = (0..Self::COUNT).map(line).collect();
        let text = format!("{header}\n{}\n", lines.join("\n"));
        self.0.text("pairs.csv", &text);
    }

    /// A grey picture of 24 x 24.
    pub(crate) fn image(&self, k: usize, data: &[u8]) {
        self.0.grey(&format!("images/c{k}.png"), SIDE, SIDE, data);
    }

    /// A grey mask of 24 x 24.
    pub(crate) fn mask(&self, k: usize, data: &[u8]) {
        self.0.grey(&format!("masks/c{k}.png"), SIDE, SIDE, data);
    }

    pub(crate) fn png(&self, name: &str, colour: ColorType, depth: BitDepth, data: &[u8]) {
        self.0.png(name, SIDE, SIDE, colour, depth, data);
    }

    pub(crate) fn report(&self) -> VerifyReport {
        verify(self.0.path())
    }

    /// The only finding must be of this kind, mention these words, and have a remedy.
    pub(crate) fn check(&self, severity: Severity, check: Check, mention: &str) {
        only(&self.report(), severity, check, mention);
    }
}

pub(crate) fn only(report: &VerifyReport, severity: Severity, check: Check, mention: &str) {
    let [finding] = &report.findings[..] else {
        panic!("one finding, not {:#?}", report.findings);
    };
    assert_eq!((finding.severity, finding.check), (severity, check));
    let text = format!("{:?}: {}", finding.file, finding.problem);
    assert!(text.contains(mention), "{text}");
    assert!(!finding.remedy.is_empty());
    assert_eq!(report.is_sound(), severity != Severity::Error);
}

/// Levels without structure that are different for each seed (a linear congruential generator).
pub(crate) fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9).wrapping_add(12_345);
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

/// A bar of `3 x (16 + k / 2)` pixels whose place depends on `k`.
pub(crate) fn bar(k: usize, value: u8) -> Vec<u8> {
    let side = SIDE as usize;
    (0..side * side)
        .map(|i| {
            let (x, y) = (i % side, i / side);
            let inside = (k..k + 3).contains(&x) && y < 16 + k / 2;
            if inside { value } else { 0 }
        })
        .collect()
}

#[test]
fn a_sound_set_gives_no_finding_and_a_fingerprint() {
    let report = Set::new().report();
    assert_eq!(report.findings, []);
    assert_eq!((report.cases, report.groups), (12, Some(12)));
    assert_eq!(report.mapping, "255 -> class 1");
    let fingerprint = report.fingerprint.as_ref().expect("cases were read");
    assert_eq!(fingerprint.width_px.median, 24);
    let widths = fingerprint.structure_width.as_ref().expect("bars");
    assert_eq!(
        (widths.p10_px, widths.median_px, widths.masks),
        (3.0, 3.0, 12)
    );
    let advice = fingerprint.advice.as_ref().expect("widths are known");
    assert_eq!(advice.image_size, 256);
    let json = serde_json::to_value(&report).expect("serialises");
    assert_eq!(json["fingerprint"]["structure_width"]["median_px"], 3.0);
    // The keys that readers of the first version know.
    for key in [
        "root",
        "cases",
        "splits",
        "label_rule",
        "n_classes",
        "grey_images",
        "sizes",
        "mask_values",
        "foreground_share",
        "findings",
    ] {
        assert!(json.get(key).is_some(), "{key}");
    }
}

#[test]
fn what_is_found_does_not_depend_on_the_number_of_workers() {
    let set = Set::new();
    set.mask(3, &bar(3, 0));
    set.image(5, &[0; 576]);
    let reports = [1, 4].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let report = pool.expect("a pool").install(|| set.report());
        serde_json::to_string(&report).expect("serialises")
    });
    assert_eq!(reports[0], reports[1]);
}
