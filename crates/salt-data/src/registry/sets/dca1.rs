//! DCA1, which SALT's paper calls XRay-Angio: X-ray coronary angiograms, vessels by hand.

use crate::download::Checksum;
use crate::registry::entry::{
    Access, Advance, Archive, DatasetEntry, Licence, PaperSizes, Variant,
};
use crate::registry::error::RegistryError;
use crate::registry::found::FoundCase;
use crate::registry::tree::{Tree, TreeFile};
use crate::registry::truth::{Cut, binary};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "dca1",
    title: "DCA1 (XRay-Angio): coronary angiograms of CIMAT",
    modality: "X-ray coronary angiograms",
    classes: &["vessel"],
    cases: 134,
    size: "300 x 300",
    licence: Licence::RESEARCH,
    citation: "Cervantes-Sanchez et al., Applied Sciences 9(24), 2019, doi:10.3390/app9245507",
    home: "http://personal.cimat.mx:8181/~ivan.cruz/DB_Angiograms.html",
    access: Access::Automatic(&[Archive {
        file_name: "DB_Angiograms_134.zip",
        urls: &[
            "http://personal.cimat.mx:8181/~ivan.cruz/DB_Angiograms_files/DB_Angiograms_134.zip",
            "http://personal.cimat.mx:8181/~ivan.cruz/Databases/DB_Angiograms_134.zip",
        ],
        bytes: None,
        checksum: Some(Checksum::Sha256(
            "7161638a6e92c6a6e47a747db039292c8a1a6bad809aac0d1fd16a10a6f22a11",
        )),
    }]),
    layout: "Database_134_Angiograms/{N.pgm, N_gt.pgm}",
    grouping: None,
    official: None,
    parts: &[],
    paper: Some(PaperSizes {
        train: 93,
        test: 41,
        of_training_part: false,
    }),
    variants: &[],
    import,
};

fn import(tree: &Tree, _: &Variant, _: &mut Advance<'_>) -> Result<Vec<FoundCase>, RegistryError> {
    let all: Vec<&TreeFile> = tree
        .files()
        .iter()
        .filter(|f| f.name.ends_with(".pgm"))
        .collect();
    let mask_stem = |image: &TreeFile| {
        let number: u32 = image.stem().parse().ok()?;
        Some(format!("{number}_gt"))
    };
    let pairs = tree.pairs(&all, &all, mask_stem)?;
    if pairs.is_empty() {
        return Err(tree.lacks("pictures N.pgm with masks N_gt.pgm".to_owned()));
    }
    let case = |(image, mask): (&TreeFile, &TreeFile)| {
        FoundCase::new(
            image.stem(),
            &image.path,
            binary(&mask.path, Cut::From(128)),
        )
    };
    Ok(pairs.into_iter().map(case).collect())
}
