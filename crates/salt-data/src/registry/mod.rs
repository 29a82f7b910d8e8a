//! Published data sets: what they are, where they are, under which terms, and how their archives become a folder
//! that [`crate::Dataset::open`] reads.
//!
//! One set is one file in `sets/` and one line in [`SETS`]; the list of the command line, its downloads, its
//! importer, `datasets/README.md` and the conformance tests follow from that line.
//!
//! | file | job |
//! |---|---|
//! | `entry` | what is known of a set |
//! | `sets/` | the sets, one file each |
//! | `tree` | the files of an unpacked archive, and how an importer finds its own |
//! | `found` | a case that an importer has found: where picture and mask come from |
//! | `truth` | published masks to labels |
//! | `fetch` | entry to prepared folder: terms, download, unpacking, import |
//! | `complete` | whether all cases of a set were found |
//! | `assign` | the split of every case |
//! | `narration` | what is going on, in lines |
//! | `prepare` | found cases to `images/`, `masks/`, `pairs.csv`, `dataset.json` |
//! | `sums` | checksums of what was prepared, and whether it is still so |
//! | `markdown` | the section of `datasets/README.md` |
//! | `error` | everything that can go wrong |

mod assign;
mod complete;
mod entry;
mod error;
mod fetch;
mod found;
mod markdown;
mod narration;
mod prepare;
mod sets;
mod sums;
mod tree;
mod truth;

pub use entry::{Access, Archive, DatasetEntry, Licence, PaperSizes, PartCounts, Variant};
pub use error::RegistryError;
pub use fetch::{FetchRequest, Report, Stage, fetch_dataset};
pub use markdown::markdown;
pub use narration::Narration;
pub use prepare::{Prepared, Source};
pub use sums::Checked;

/// Every set, one line each.
pub const SETS: &[&DatasetEntry] = &[
    // The five of SALT's paper.
    &sets::drive::ENTRY,
    &sets::rose::ENTRY,
    &sets::dias::ENTRY,
    &sets::arcade::ENTRY,
    &sets::dca1::ENTRY,
    // Others.
    &sets::chase_db1::ENTRY,
    &sets::stare::ENTRY,
    &sets::hrf::ENTRY,
    &sets::fives::ENTRY,
    &sets::rossa::ENTRY,
    &sets::kvasir_seg::ENTRY,
    &sets::isic2018::ENTRY,
    &sets::busi::ENTRY,
    &sets::acdc::ENTRY,
    // Ready-made copies at 512 pixels.
    &sets::medsegbench::DRIVE,
    &sets::medsegbench::CHASE_DB1,
    &sets::medsegbench::DCA1,
    &sets::medsegbench::KVASIR_SEG,
    &sets::medsegbench::ISIC2018,
    &sets::medsegbench::BUSI,
];

/// The set of that name.
///
/// # Errors
/// [`RegistryError::UnknownSet`] with the nearest names.
pub fn by_name(name: &str) -> Result<&'static DatasetEntry, RegistryError> {
    let wanted = name.to_lowercase().replace('-', "_");
    if let Some(entry) = SETS.iter().find(|entry| entry.name == wanted) {
        return Ok(entry);
    }
    let mut names: Vec<&str> = SETS.iter().map(|entry| entry.name).collect();
    names.sort_by(|a, b| {
        strsim::jaro_winkler(b, &wanted).total_cmp(&strsim::jaro_winkler(a, &wanted))
    });
    Err(RegistryError::UnknownSet {
        received: name.to_owned(),
        nearest: names.into_iter().take(2).map(str::to_owned).collect(),
    })
}
