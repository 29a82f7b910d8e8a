//! FIVES: eight hundred retinal photographs of four conditions.

use crate::dataset::Split;
use crate::download::Checksum;
use crate::registry::entry::{
    Access, Advance, Archive, DatasetEntry, Licence, PartCounts, Variant,
};
use crate::registry::error::RegistryError;
use crate::registry::found::FoundCase;
use crate::registry::tree::Tree;
use crate::registry::truth::{Cut, binary};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "fives",
    title: "FIVES: fundus images for vessel segmentation",
    modality: "retinal fundus photographs",
    classes: &["vessel"],
    cases: 800,
    size: "2048 x 2048",
    licence: Licence::CC_BY,
    citation: "Jin et al., Scientific Data 9, 2022, doi:10.1038/s41597-022-01564-3",
    home: "https://figshare.com/articles/figure/FIVES/19688169",
    access: Access::Unpack(&[Archive {
        file_name: "FIVES.rar",
        urls: &["https://ndownloader.figshare.com/files/34969398"],
        bytes: Some(1_764_974_308),
        checksum: Some(Checksum::Sha256(
            "be72f9af286b107bcebcc08a9dae7fc55c3fb0959409b689e14c72f9fdc4ad8e",
        )),
    }]),
    layout: "{train,test}/{Original,Ground truth}/N_{A,D,G,N}.png",
    grouping: None,
    official: Some("600 for training, 200 for the test"),
    parts: &[PartCounts::new("pictures", [600, 0, 200])],
    paper: None,
    variants: &[],
    import,
};

fn import(tree: &Tree, _: &Variant, _: &mut Advance<'_>) -> Result<Vec<FoundCase>, RegistryError> {
    let mut cases = Vec::new();
    for (part, split) in [("train", Split::Train), ("test", Split::Test)] {
        let images = tree.required(&format!("{part}/Original"))?;
        let masks = tree.required(&format!("{part}/Ground truth"))?;
        for (image, mask) in tree.pairs(&images, &masks, |image| Some(image.stem().to_owned()))? {
            // Numbers begin anew in each part.
            let id = format!("{part}_{}", image.stem());
            // Masks are smoothed RGB pictures.
            let truth = binary(&mask.path, Cut::From(128));
            cases.push(FoundCase::new(id, &image.path, truth).in_split(split));
        }
    }
    Ok(cases)
}
