//! ROSE: en-face angiograms of optical coherence tomography (OCTA), vessels by hand.

use crate::dataset::Split;
use crate::registry::entry::{
    Access, Advance, DatasetEntry, Licence, PaperSizes, PartCounts, Variant,
};
use crate::registry::error::RegistryError;
use crate::registry::found::FoundCase;
use crate::registry::tree::Tree;
use crate::registry::truth::{Cut, binary};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "rose",
    title: "ROSE: Retinal OCTA Segmentation",
    modality: "OCTA en-face angiograms",
    classes: &["vessel"],
    cases: 39,
    size: "304 x 304 (ROSE-1), 840 x 840 (ROSE-2)",
    licence: Licence::RESEARCH,
    citation: "Ma et al., IEEE TMI 40(3), 2021, doi:10.1109/TMI.2020.3042802",
    home: "https://imed.nimte.ac.cn/dataofrose.html",
    access: Access::ByHand {
        how: "request ROSE.zip at https://imed.nimte.ac.cn/dataofrose.html",
        archives: &[],
    },
    layout: "ROSE-1/{SVC,DVC,SVC_DVC}/{train,test}/{img,gt[,thick_gt,thin_gt]}/NN.{tif,png}, ROSE-2/{train,test}/{original,gt}",
    grouping: Some("one picture a subject in each variant"),
    official: Some("30 for training and 9 for the test (ROSE-1), 90 and 22 (ROSE-2)"),
    parts: &[
        PartCounts::new("pictures", [30, 0, 9]).of(&[
            "svc",
            "svc_thick",
            "svc_thin",
            "dvc",
            "svc_dvc",
        ]),
        PartCounts::new("pictures", [90, 0, 22]).of(&["rose2"]),
    ],
    paper: Some(PaperSizes {
        train: 22,
        test: 8,
        of_training_part: true,
    }),
    variants: &[
        variant(
            "svc",
            "ROSE-1, superficial complex: vessels and capillaries",
            39,
        ),
        variant(
            "svc_thick",
            "ROSE-1, superficial complex: vessels at pixel level only",
            39,
        ),
        variant(
            "svc_thin",
            "ROSE-1, superficial complex: centre lines of capillaries",
            39,
        ),
        variant("dvc", "ROSE-1, deep complex", 39),
        variant(
            "svc_dvc",
            "ROSE-1, superficial and deep complex together",
            39,
        ),
        variant(
            "rose2",
            "ROSE-2, superficial complex of another device",
            112,
        ),
    ],
    import,
};

const fn variant(name: &'static str, title: &'static str, cases: usize) -> Variant {
    Variant {
        name,
        title,
        classes: None,
        cases,
    }
}

fn import(
    tree: &Tree,
    variant: &Variant,
    _: &mut Advance<'_>,
) -> Result<Vec<FoundCase>, RegistryError> {
    let (top, images, masks) = match variant.name {
        "svc_thick" => ("ROSE-1/SVC", "img", "thick_gt"),
        "svc_thin" => ("ROSE-1/SVC", "img", "thin_gt"),
        "dvc" => ("ROSE-1/DVC", "img", "gt"),
        "svc_dvc" => ("ROSE-1/SVC_DVC", "img", "gt"),
        "rose2" => ("ROSE-2", "original", "gt"),
        _ => ("ROSE-1/SVC", "img", "gt"),
    };
    let mut cases = Vec::new();
    for (part, split) in [("train", Split::Train), ("test", Split::Test)] {
        let images = tree.required(&format!("{top}/{part}/{images}"))?;
        let masks = tree.required(&format!("{top}/{part}/{masks}"))?;
        for (image, mask) in tree.pairs(&images, &masks, |image| Some(image.stem().to_owned()))? {
            let id = format!("{part}_{}", image.stem());
            // Drawn by hand with soft edges here and there.
            let truth = binary(&mask.path, Cut::From(128));
            cases.push(FoundCase::new(id, &image.path, truth).in_split(split));
        }
    }
    Ok(cases)
}
