//! ARCADE: coronary angiograms with the segments of the SYNTAX score, or with stenoses, as COCO polygons.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::coco::{CocoCategory, CocoFile};
use crate::dataset::Split;
use crate::download::Checksum;
use crate::registry::entry::{
    Access, Advance, Archive, DatasetEntry, Licence, PaperSizes, PartCounts, Variant,
};
use crate::registry::error::RegistryError;
use crate::registry::found::FoundCase;
use crate::registry::tree::{Tree, TreeFile};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "arcade",
    title: "ARCADE: coronary arteries in X-ray angiograms",
    modality: "X-ray coronary angiograms",
    classes: &["vessel"],
    cases: 1500,
    size: "512 x 512",
    licence: Licence::CC0,
    citation: "Popov et al., Scientific Data 11, 2024, doi:10.1038/s41597-023-02871-z",
    home: "https://zenodo.org/records/10390295",
    access: Access::Automatic(&[Archive {
        file_name: "arcade.zip",
        urls: &["https://zenodo.org/records/10390295/files/arcade.zip"],
        bytes: None,
        checksum: Some(Checksum::Sha256(
            "a396cdea7c92c55dc97bbf3dd8e3df517d76872b289a8bcb45513bdb3350837f",
        )),
    }]),
    layout: "arcade/{syntax,stenosis}/{train,val,test}/{images/N.png, annotations/{train,val,test}.json}",
    grouping: None,
    official: Some("1000, 200 and 300 for training, validation and test"),
    parts: &[PartCounts::new("pictures", [1000, 200, 300])],
    paper: Some(PaperSizes {
        train: 700,
        test: 300,
        of_training_part: true,
    }),
    variants: &[
        Variant {
            name: "syntax",
            title: "vessels: all segments of the SYNTAX score together",
            classes: None,
            cases: 1500,
        },
        Variant {
            name: "segments",
            title: "the 25 segments of the SYNTAX score as classes",
            classes: Some(SEGMENTS),
            cases: 1500,
        },
        Variant {
            name: "stenosis",
            title: "stenoses",
            classes: Some(&["stenosis"]),
            cases: 1500,
        },
    ],
    import,
};

/// Segments by category, whose numbers are not their names.
const SEGMENTS: &[&str] = &[
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "9a", "10", "10a", "11", "12", "12a", "13", "14",
    "14a", "15", "16", "16a", "16b", "16c", "12b", "14b",
];

/// Category of stenoses.
const STENOSIS: i64 = 26;

/// The class of a category in each variant.
fn class_of(variant: &str, category: &CocoCategory) -> Option<u8> {
    let segment = (1..STENOSIS).contains(&category.id);
    match variant {
        "stenosis" => (category.id == STENOSIS).then_some(1),
        "segments" if segment => u8::try_from(category.id).ok(),
        "segments" => None,
        _ => segment.then_some(1),
    }
}

fn import(
    tree: &Tree,
    variant: &Variant,
    _: &mut Advance<'_>,
) -> Result<Vec<FoundCase>, RegistryError> {
    let task = if variant.name == "stenosis" {
        "stenosis"
    } else {
        "syntax"
    };
    let parts = [
        ("train", Split::Train),
        ("val", Split::Val),
        ("test", Split::Test),
    ];
    let mut cases = Vec::new();
    for (part, split) in parts {
        let images = tree.folder(&format!("{task}/{part}/images"))?;
        let folder = format!("{task}/{part}/annotations");
        let annotations = tree.folder(&folder)?;
        if let (false, [annotations, ..]) = (images.is_empty(), &annotations[..]) {
            // Numbers begin anew in each part.
            let id = |stem: &str| format!("{part}_{stem}");
            let found = of_part(tree, annotations, &images, variant.name, id)?;
            cases.extend(found.into_iter().map(|case| case.in_split(split)));
        }
    }
    if cases.is_empty()
        && let Some(annotations) = tree.named("annotations.json")?
    {
        // An excerpt: one file, no parts.
        let images = tree.required("images")?;
        cases = of_part(tree, annotations, &images, variant.name, str::to_owned)?;
    }
    if cases.is_empty() {
        return Err(tree.lacks(format!(
            "folders {task}/train/images and {task}/train/annotations"
        )));
    }
    Ok(cases)
}

fn of_part(
    tree: &Tree,
    annotations: &TreeFile,
    images: &[&TreeFile],
    variant: &'static str,
    id: impl Fn(&str) -> String,
) -> Result<Vec<FoundCase>, RegistryError> {
    let file = Arc::new(CocoFile::read(&annotations.path)?);
    let by_name: BTreeMap<&str, &TreeFile> = images
        .iter()
        .map(|image| (image.name.as_str(), *image))
        .collect();
    let bare: Vec<i64> = file.unannotated().map(|image| image.id).collect();
    let mut cases = Vec::new();
    for image in file.images() {
        if tree.is_partial() && bare.contains(&image.id) {
            continue;
        }
        let Some(picture) = by_name.get(image.file_name.as_str()) else {
            if tree.is_partial() {
                continue;
            }
            return Err(tree.lacks(format!(
                "the picture {} of {}",
                image.file_name, annotations.name
            )));
        };
        let (file, number) = (Arc::clone(&file), image.id);
        let truth =
            Box::new(move || Ok(file.rasterise(number, |category| class_of(variant, category))?));
        cases.push(FoundCase::new(id(picture.stem()), &picture.path, truth));
    }
    Ok(cases)
}
