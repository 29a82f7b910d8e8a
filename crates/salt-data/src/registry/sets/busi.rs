//! BUSI: breast ultrasound with benign and malignant lesions. Some pictures have several masks, which are joined.

use std::path::PathBuf;

use crate::download::Checksum;
use crate::registry::entry::{Access, Advance, Archive, DatasetEntry, Licence, Variant};
use crate::registry::error::RegistryError;
use crate::registry::found::FoundCase;
use crate::registry::tree::{Tree, TreeFile};
use crate::registry::truth::{Cut, union};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "busi",
    title: "BUSI: Breast Ultrasound Images",
    modality: "ultrasound",
    classes: &["lesion"],
    cases: 647,
    size: "about 500 x 500",
    licence: Licence::CC0,
    citation: "Al-Dhabyani et al., Data in Brief 28, 2020, doi:10.1016/j.dib.2019.104863",
    home: "https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
    access: Access::Automatic(&[Archive {
        file_name: "Dataset_BUSI.zip",
        urls: &["https://scholar.cu.edu.eg/Dataset_BUSI.zip"],
        bytes: Some(205_873_341),
        checksum: Some(Checksum::Sha256(
            "b2ce09f6063a31a73f628b6a6ee1245187cbaec225e93e563735691d68654de7",
        )),
    }]),
    layout: "Dataset_BUSI_with_GT/{benign,malignant,normal}/KIND (N).png, KIND (N)_mask.png, KIND (N)_mask_1.png ...",
    grouping: None,
    official: None,
    parts: &[],
    paper: None,
    variants: &[
        Variant {
            name: "lesions",
            title: "benign and malignant",
            classes: None,
            cases: 647,
        },
        Variant {
            name: "all",
            title: "those and the 133 normal ones, whose masks are empty",
            classes: None,
            cases: 780,
        },
    ],
    import,
};

fn import(
    tree: &Tree,
    variant: &Variant,
    _: &mut Advance<'_>,
) -> Result<Vec<FoundCase>, RegistryError> {
    let kinds: &[&str] = if variant.name == "all" {
        &["benign", "malignant", "normal"]
    } else {
        &["benign", "malignant"]
    };
    let mut cases = Vec::new();
    for kind in kinds {
        let files = tree.required(kind)?;
        let mask_stem = |image: &TreeFile| {
            let is_picture = image.between(&format!("{kind} ("), ")").is_some();
            is_picture.then(|| format!("{}_mask", image.stem()))
        };
        for (image, mask) in tree.pairs(&files, &files, mask_stem)? {
            let mut masks: Vec<PathBuf> = vec![mask.path.clone()];
            let more = format!("{}_mask_", image.stem());
            let further = files.iter().filter(|file| file.stem().starts_with(&more));
            masks.extend(further.map(|file| file.path.clone()));
            let number = image.between(&format!("{kind} ("), ")").unwrap_or_default();
            let truth = union(masks, Cut::From(128));
            cases.push(FoundCase::new(
                format!("{kind}_{number}"),
                &image.path,
                truth,
            ));
        }
    }
    Ok(cases)
}
