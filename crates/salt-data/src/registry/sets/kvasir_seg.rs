//! Kvasir-SEG: polyps in endoscopic pictures. Its masks are JPEG files, so their edges are disturbed.

use crate::download::Checksum;
use crate::registry::entry::{Access, Archive, DatasetEntry, Licence, Variant};
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
    official: None,
    paper: None,
    variants: &[],
    import,
};

fn import(tree: &Tree, _: &Variant) -> Result<Vec<FoundCase>, RegistryError> {
    let (images, masks) = (tree.required("images")?, tree.required("masks")?);
    let pairs = tree.pairs(&images, &masks, |image| Some(image.stem().to_owned()))?;
    let case = |(image, mask): (&TreeFile, &TreeFile)| {
        FoundCase::new(
            image.stem(),
            &image.path,
            binary(&mask.path, Cut::From(128)),
        )
    };
    Ok(pairs.into_iter().map(case).collect())
}
