//! ROSSA: OCTA en-face angiograms, some labelled by hand and many with the help of Segment Anything.

use crate::dataset::Split;
use crate::registry::entry::{Access, Advance, DatasetEntry, Licence, PartCounts, Variant};
use crate::registry::error::RegistryError;
use crate::registry::found::FoundCase;
use crate::registry::tree::{Tree, TreeFile};
use crate::registry::truth::{Cut, binary};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "rossa",
    title: "ROSSA: retinal OCTA segmentation, semi-automatic",
    modality: "OCTA en-face angiograms",
    classes: &["vessel"],
    cases: 300,
    size: "320 x 320",
    licence: Licence::MIT,
    citation: "Ning et al., ICASSP 2024, arXiv 2309.09483",
    home: "https://github.com/nhjydywd/OCTA-FRNet",
    access: Access::ByHand {
        how: "download https://github.com/nhjydywd/OCTA-FRNet as a zip file (Code, Download ZIP)",
        archives: &[],
    },
    layout: "dataset/ROSSA/{train_manual,val,test,train_sam}/{image,label}/N.png (or images/ and masks/ with a part of it)",
    grouping: None,
    official: Some(
        "pictures 1 to 100 for training, 101 to 200 for validation, 201 to 300 for the test; 301 to 918 for training",
    ),
    parts: &[
        PartCounts::new("pictures", [100, 100, 100]).of(&["manual"]),
        PartCounts::new("pictures", [718, 100, 100]).of(&["all"]),
    ],
    paper: None,
    variants: &[
        Variant {
            name: "manual",
            title: "masks by hand",
            classes: None,
            cases: 300,
        },
        Variant {
            name: "all",
            title: "those and the 618 training masks made with Segment Anything",
            classes: None,
            cases: 918,
        },
    ],
    import,
};

fn import(
    tree: &Tree,
    variant: &Variant,
    _: &mut Advance<'_>,
) -> Result<Vec<FoundCase>, RegistryError> {
    let last = if variant.name == "all" { 918 } else { 300 };
    let in_folders = |names: [&str; 2]| -> Vec<&TreeFile> {
        let ends = |file: &&TreeFile| {
            let folder = file.folder.rsplit('/').next().unwrap_or_default();
            names.contains(&folder)
        };
        tree.files().iter().filter(ends).collect()
    };
    let (images, masks) = (
        in_folders(["image", "images"]),
        in_folders(["label", "masks"]),
    );
    let number = |image: &TreeFile| -> Option<u32> {
        let number = image.stem().parse().ok()?;
        (1..=last).contains(&number).then_some(number)
    };
    // Numbers run through all parts, so a stem is enough.
    let pairs = tree.pairs(&images, &masks, |image| {
        number(image)?;
        Some(image.stem().to_owned())
    })?;
    if pairs.is_empty() {
        return Err(tree.lacks("pictures image/N.png with masks label/N.png".to_owned()));
    }
    let case = |(image, mask): (&TreeFile, &TreeFile)| {
        let split = match number(image).unwrap_or(0) {
            101..=200 => Split::Val,
            201..=300 => Split::Test,
            _ => Split::Train,
        };
        FoundCase::new(
            image.stem(),
            &image.path,
            binary(&mask.path, Cut::From(128)),
        )
        .in_split(split)
    };
    Ok(pairs.into_iter().map(case).collect())
}
