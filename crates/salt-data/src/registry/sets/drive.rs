//! DRIVE: retinal photographs of a diabetic screening programme, vessels by hand.

use crate::dataset::Split;
use crate::download::Checksum;
use crate::registry::entry::{
    Access, Advance, Archive, DatasetEntry, Licence, PaperSizes, PartCounts, Variant,
};
use crate::registry::error::RegistryError;
use crate::registry::found::FoundCase;
use crate::registry::tree::{Tree, TreeFile};
use crate::registry::truth::{Cut, binary};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "drive",
    title: "DRIVE: Digital Retinal Images for Vessel Extraction",
    modality: "retinal fundus photographs",
    classes: &["vessel"],
    // The official test archive comes without labels; older copies have them, and then all 40 are used.
    cases: 20,
    size: "565 x 584",
    licence: Licence::RESEARCH,
    citation: "Staal et al., IEEE TMI 23(4), 2004, doi:10.1109/TMI.2004.825627",
    home: "https://drive.grand-challenge.org/",
    access: Access::ByHand {
        how: "register at https://drive.grand-challenge.org/ and download training.zip (and test.zip, of which older \
              copies have labels)",
        archives: &[
            Archive {
                file_name: "training.zip",
                urls: &[],
                bytes: Some(14_772_347),
                checksum: Some(Checksum::Sha256(
                    "7101e19598e2b7aacdbd5e6e7575057b9154a4aaec043e0f4e28902bf4e2e209",
                )),
            },
            Archive {
                file_name: "test.zip",
                urls: &[],
                bytes: Some(14_571_523),
                checksum: Some(Checksum::Sha256(
                    "d76c95c98a0353487ffb63b3bb2663c00ed1fde7d8fdfd8c3282c6e310a02731",
                )),
            },
        ],
    },
    layout: "training/{images/NN_training.tif, 1st_manual/NN_manual1.gif}, test/{images/NN_test.tif[, 1st_manual/NN_manual1.gif]}",
    grouping: None,
    official: Some("20 for training, 20 for the test where the archive has the test's labels"),
    parts: &[
        PartCounts::new("pictures", [20, 0, 20]),
        PartCounts::new("pictures", [20, 0, 0]),
    ],
    paper: Some(PaperSizes {
        train: 14,
        test: 6,
        of_training_part: true,
    }),
    variants: &[],
    import,
};

fn import(tree: &Tree, _: &Variant, _: &mut Advance<'_>) -> Result<Vec<FoundCase>, RegistryError> {
    let mut cases = Vec::new();
    for (part, split) in [("training", Split::Train), ("test", Split::Test)] {
        let masks = tree.folder(&format!("{part}/1st_manual"))?;
        if split == Split::Test && masks.is_empty() {
            // The official test archive: pictures and fields of view only.
            continue;
        }
        let images = tree.required(&format!("{part}/images"))?;
        let suffix = format!("_{part}");
        let mask_stem = |image: &TreeFile| {
            let number = image.between("", &suffix)?;
            Some(format!("{number}_manual1"))
        };
        for (image, mask) in tree.pairs(&images, &masks, mask_stem)? {
            // GIF palette indices 0 and 1, or 0 and 255.
            let truth = binary(&mask.path, Cut::TwoValued);
            cases.push(FoundCase::new(image.stem(), &image.path, truth).in_split(split));
        }
    }
    Ok(cases)
}
