//! STARE: twenty retinal photographs, half of them with pathologies, vessels by two observers.

use crate::download::Checksum;
use crate::registry::entry::{Access, Advance, Archive, DatasetEntry, Licence, Variant};
use crate::registry::error::RegistryError;
use crate::registry::found::FoundCase;
use crate::registry::tree::{Tree, TreeFile};
use crate::registry::truth::{Cut, binary};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "stare",
    title: "STARE: Structured Analysis of the Retina",
    modality: "retinal fundus photographs",
    classes: &["vessel"],
    cases: 20,
    size: "700 x 605",
    licence: Licence::RESEARCH,
    citation: "Hoover et al., IEEE TMI 19(3), 2000, doi:10.1109/42.845178",
    home: "http://cecas.clemson.edu/~ahoover/stare/",
    access: Access::Automatic(&[
        Archive {
            file_name: "stare-images.tar",
            urls: &["http://cecas.clemson.edu/~ahoover/stare/probing/stare-images.tar"],
            bytes: Some(18_674_176),
            checksum: Some(Checksum::Sha256(
                "5f7b509b6067cad4f1be84933145d783de9ec087b3eaaf4db0103dd0144dd433",
            )),
        },
        Archive {
            file_name: "labels-ah.tar",
            urls: &["http://cecas.clemson.edu/~ahoover/stare/probing/labels-ah.tar"],
            bytes: Some(241_664),
            checksum: Some(Checksum::Sha256(
                "ebf2f1e17ca955f24579d9edd990e2dae79a5c82def69f0985d8e24f826ddd2f",
            )),
        },
        Archive {
            file_name: "labels-vk.tar",
            urls: &["http://cecas.clemson.edu/~ahoover/stare/probing/labels-vk.tar"],
            bytes: Some(333_824),
            checksum: Some(Checksum::Sha256(
                "47474a701536b0cfdb369fdce012be36141e9f44d80387f0179446b5cb0f5576",
            )),
        },
    ]),
    layout: "imNNNN.ppm.gz, imNNNN.ah.ppm.gz (first observer), imNNNN.vk.ppm.gz (second)",
    grouping: None,
    official: None,
    parts: &[],
    paper: None,
    variants: &[
        Variant {
            name: "ah",
            title: "the first observer (A. Hoover)",
            classes: None,
            cases: 20,
        },
        Variant {
            name: "vk",
            title: "the second observer (V. Kouznetsova)",
            classes: None,
            cases: 20,
        },
    ],
    import,
};

fn import(
    tree: &Tree,
    variant: &Variant,
    _: &mut Advance<'_>,
) -> Result<Vec<FoundCase>, RegistryError> {
    let all: Vec<&TreeFile> = tree.files().iter().collect();
    let mask_stem = |image: &TreeFile| {
        let number = image.between("im", "")?;
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| format!("{}.{}", image.stem(), variant.name))
    };
    let pairs = tree.pairs(&all, &all, mask_stem)?;
    if pairs.is_empty() {
        return Err(tree.lacks(format!(
            "pictures imNNNN.ppm.gz with masks imNNNN.{}.ppm.gz",
            variant.name
        )));
    }
    let case = |(image, mask): (&TreeFile, &TreeFile)| {
        FoundCase::new(
            image.stem(),
            &image.path,
            binary(&mask.path, Cut::TwoValued),
        )
    };
    Ok(pairs.into_iter().map(case).collect())
}
