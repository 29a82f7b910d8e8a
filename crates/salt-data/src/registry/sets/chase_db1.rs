//! CHASE_DB1: both eyes of fourteen children, vessels by two observers.

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
    name: "chase_db1",
    title: "CHASE_DB1: Child Heart and Health Study in England",
    modality: "retinal fundus photographs",
    classes: &["vessel"],
    cases: 28,
    size: "999 x 960",
    licence: Licence::CC_BY,
    citation: "Fraz et al., IEEE TBME 59(9), 2012, doi:10.1109/TBME.2012.2205687",
    home: "https://researchinnovation.kingston.ac.uk/en/datasets/chasedb1-retinal-vessel-reference-dataset-4/",
    access: Access::ByHand {
        how: "download CHASEDB1.zip with a browser from the set's page (it checks for browsers)",
        archives: &[Archive {
            file_name: "CHASEDB1.zip",
            urls: &[],
            bytes: None,
            checksum: Some(Checksum::Md5("d9e47c4bac125b29996fae4380a68db1")),
        }],
    },
    layout: "Image_NN{L,R}.jpg, Image_NN{L,R}_1stHO.png, Image_NN{L,R}_2ndHO.png, in one folder or several",
    grouping: Some("by child: the left and the right eye of one child belong together"),
    official: Some(
        "customary: 20 of the first ten children for training, 8 of the others for the test",
    ),
    parts: &[PartCounts::new("children", [10, 0, 4])],
    paper: None,
    variants: &[
        Variant {
            name: "first",
            title: "the first observer",
            classes: None,
            cases: 28,
        },
        Variant {
            name: "second",
            title: "the second observer",
            classes: None,
            cases: 28,
        },
    ],
    import,
};

/// Children 1 to 10 are trained on.
const TRAINING_CHILDREN: u32 = 10;

/// The number of the child in `Image_07L`.
fn child(image: &TreeFile) -> Option<&str> {
    let eye = image.between("Image_", "")?;
    let child = eye.strip_suffix('L').or_else(|| eye.strip_suffix('R'))?;
    child.parse::<u32>().is_ok().then_some(child)
}

fn import(
    tree: &Tree,
    variant: &Variant,
    _: &mut Advance<'_>,
) -> Result<Vec<FoundCase>, RegistryError> {
    let observer = if variant.name == "second" {
        "2ndHO"
    } else {
        "1stHO"
    };
    let all: Vec<&TreeFile> = tree.files().iter().collect();
    let mask_stem = |image: &TreeFile| {
        child(image)?;
        Some(format!("{}_{observer}", image.stem()))
    };
    let pairs = tree.pairs(&all, &all, mask_stem)?;
    if pairs.is_empty() {
        return Err(tree.lacks(format!(
            "pictures Image_NNL.jpg with masks Image_NNL_{observer}.png"
        )));
    }
    let case = |(image, mask): (&TreeFile, &TreeFile)| {
        let child = child(image).unwrap_or_default();
        let first = child
            .parse()
            .is_ok_and(|number: u32| number <= TRAINING_CHILDREN);
        let split = if first { Split::Train } else { Split::Test };
        FoundCase::new(
            image.stem(),
            &image.path,
            binary(&mask.path, Cut::TwoValued),
        )
        .in_group(format!("child {child}"))
        .in_split(split)
    };
    Ok(pairs.into_iter().map(case).collect())
}
