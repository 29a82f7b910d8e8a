//! Kvasir-SEG: polyps in endoscopic pictures. Its masks are JPEG files, so their edges are disturbed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

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
    name: "kvasir_seg",
    title: "Kvasir-SEG: gastrointestinal polyps",
    modality: "endoscopic photographs",
    classes: &["polyp"],
    cases: 1000,
    size: "332 x 487 to 1920 x 1072",
    licence: Licence::RESEARCH,
    citation: "Jha et al., MultiMedia Modeling 2020, doi:10.1007/978-3-030-37734-2_37",
    home: "https://datasets.simula.no/kvasir-seg/",
    // The server leaves an intermediate certificate out: the error tells how to trust one more (SSL_CERT_FILE).
    access: Access::Automatic(&[Archive {
        file_name: "kvasir-seg.zip",
        urls: &["https://datasets.simula.no/downloads/kvasir-seg.zip"],
        bytes: Some(46_227_172),
        checksum: Some(Checksum::Sha256(
            "03b30e21d584e04facf49397a2576738fd626815771afbbf788f74a7153478f7",
        )),
    }]),
    layout: "Kvasir-SEG/{images,masks}/NAME.jpg",
    grouping: None,
    official: Some(
        "880 for training and 120 for the test, where the authors' lists train.txt and val.txt are brought with the \
         archive (folder kvasir-seg-train-val of https://github.com/DebeshJha/2020-MediaEval-Medico-polyp-segmentation)",
    ),
    parts: &[
        PartCounts::new("pictures", [880, 0, 120]),
        // Without the lists.
        PartCounts::new("pictures", [0, 0, 0]),
    ],
    paper: None,
    variants: &[],
    import,
};

/// Larger lists are none of a thousand names.
const LIST_BYTES: u64 = 1 << 20;

fn import(tree: &Tree, _: &Variant, _: &mut Advance<'_>) -> Result<Vec<FoundCase>, RegistryError> {
    let (images, masks) = (tree.required("images")?, tree.required("masks")?);
    let pairs = tree.pairs(&images, &masks, |image| Some(image.stem().to_owned()))?;
    let mut official = BTreeMap::new();
    for (name, split) in [("train.txt", Split::Train), ("val.txt", Split::Test)] {
        if let Some(list) = tree.named(name)? {
            official.extend(listed(list)?.into_iter().map(|stem| (stem, split)));
        }
    }
    let case = |(image, mask): (&TreeFile, &TreeFile)| FoundCase {
        official: official.get(image.stem()).copied(),
        ..FoundCase::new(
            image.stem(),
            &image.path,
            binary(&mask.path, Cut::From(128)),
        )
    };
    Ok(pairs.into_iter().map(case).collect())
}

/// The stems of a list: the first name on each line, with or without folder and extension.
fn listed(list: &TreeFile) -> Result<Vec<String>, RegistryError> {
    let mut text = String::new();
    let file = File::open(&list.path).map_err(RegistryError::io("read", &list.path))?;
    file.take(LIST_BYTES)
        .read_to_string(&mut text)
        .map_err(RegistryError::io("read", &list.path))?;
    let names = text.lines().filter_map(|line| {
        let name = line.split([' ', '\t', ',']).find(|part| !part.is_empty())?;
        Path::new(name).file_stem()?.to_str().map(str::to_owned)
    });
    Ok(names.collect())
}
