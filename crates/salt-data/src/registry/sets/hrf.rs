//! HRF: large retinal photographs of healthy, glaucomatous and diabetic eyes.

use crate::dataset::Split;
use crate::download::Checksum;
use crate::registry::entry::{
    Access, Advance, Archive, DatasetEntry, Licence, PartCounts, Variant,
};
use crate::registry::error::RegistryError;
use crate::registry::found::FoundCase;
use crate::registry::tree::{Tree, TreeFile};
use crate::registry::truth::{Cut, binary};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "hrf",
    title: "HRF: High-Resolution Fundus images",
    modality: "retinal fundus photographs",
    classes: &["vessel"],
    cases: 45,
    size: "3504 x 2336",
    licence: Licence::CC_BY,
    citation: "Budai et al., International Journal of Biomedical Imaging, 2013, doi:10.1155/2013/154860",
    home: "https://www5.cs.fau.de/research/data/fundus-images/",
    access: Access::Automatic(&[Archive {
        file_name: "all.zip",
        urls: &["https://www5.cs.fau.de/fileadmin/research/datasets/fundus-images/all.zip"],
        bytes: None,
        checksum: Some(Checksum::Sha256(
            "a914d02cda161b7f33f25d0397c276d50e9a6cbc705e9b364a54f0adafed57e4",
        )),
    }]),
    layout: "images/NN_{h,g,dr}.{jpg,JPG}, manual1/NN_{h,g,dr}.tif",
    grouping: None,
    official: Some(
        "customary: the first five eyes of each kind for training (15), the others for the test (30)",
    ),
    parts: &[PartCounts::new("pictures", [15, 0, 30])],
    paper: None,
    variants: &[],
    import,
};

/// Eyes 1 to 5 of each kind are trained on.
const TRAINING_EYES: u32 = 5;

fn import(tree: &Tree, _: &Variant, _: &mut Advance<'_>) -> Result<Vec<FoundCase>, RegistryError> {
    let images = tree.required("images")?;
    let masks = tree.required("manual1")?;
    let number = |image: &TreeFile| -> Option<u32> {
        let (number, kind) = image.stem().split_once('_')?;
        ["h", "g", "dr"]
            .contains(&kind)
            .then_some(number.parse().ok())?
    };
    let pairs = tree.pairs(&images, &masks, |image| {
        number(image)?;
        Some(image.stem().to_owned())
    })?;
    let case = |(image, mask): (&TreeFile, &TreeFile)| {
        let first = number(image).is_some_and(|number| number <= TRAINING_EYES);
        FoundCase::new(
            image.stem(),
            &image.path,
            binary(&mask.path, Cut::TwoValued),
        )
        .in_split(if first { Split::Train } else { Split::Test })
    };
    Ok(pairs.into_iter().map(case).collect())
}
