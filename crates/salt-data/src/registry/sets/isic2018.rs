//! ISIC 2018, task 1: lesions in dermoscopic pictures.

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
    name: "isic2018",
    title: "ISIC 2018, task 1: lesion boundaries",
    modality: "dermoscopic photographs",
    classes: &["lesion"],
    cases: 3694,
    size: "up to 6748 x 4499",
    licence: Licence::CC_BY_NC,
    citation: "Codella et al., arXiv 1902.03368, 2019; Tschandl et al., Scientific Data 5, 2018",
    home: "https://challenge.isic-archive.com/data/#2018",
    access: Access::Automatic(&[
        archive(
            "ISIC2018_Task1-2_Training_Input.zip",
            &[
                "https://isic-challenge-data.s3.amazonaws.com/2018/ISIC2018_Task1-2_Training_Input.zip",
            ],
            11_165_358_566,
            "80f98572347a2d7a376227fa9eb2e4f7459d317cb619865b8b9910c81446675f",
        ),
        archive(
            "ISIC2018_Task1_Training_GroundTruth.zip",
            &[
                "https://isic-challenge-data.s3.amazonaws.com/2018/ISIC2018_Task1_Training_GroundTruth.zip",
            ],
            27_402_895,
            "99f8b2bb3c4d6af483362010715f7e7d5d122d9f6c02cac0e0d15bef77c7604c",
        ),
        archive(
            "ISIC2018_Task1-2_Validation_Input.zip",
            &[
                "https://isic-challenge-data.s3.amazonaws.com/2018/ISIC2018_Task1-2_Validation_Input.zip",
            ],
            239_231_159,
            "0ea920fcfe512d12a6e620b50b50233c059f67b10146e1479c82be58ff15a797",
        ),
        archive(
            "ISIC2018_Task1_Validation_GroundTruth.zip",
            &[
                "https://isic-challenge-data.s3.amazonaws.com/2018/ISIC2018_Task1_Validation_GroundTruth.zip",
            ],
            759_706,
            "f6911e9c0a64e6d687dd3ca466ca927dd5e82145cb2163b7a1e5b37d7a716285",
        ),
        archive(
            "ISIC2018_Task1-2_Test_Input.zip",
            &["https://isic-challenge-data.s3.amazonaws.com/2018/ISIC2018_Task1-2_Test_Input.zip"],
            2_370_457_338,
            "e59ae1f69f4ed16f09db2cb1d76c2a828487b63d28f6ab85997f5616869b127d",
        ),
        archive(
            "ISIC2018_Task1_Test_GroundTruth.zip",
            &[
                "https://isic-challenge-data.s3.amazonaws.com/2018/ISIC2018_Task1_Test_GroundTruth.zip",
            ],
            9_680_101,
            "2e8f6edce454a5bdee52485e39f92bd6eddf357e81f39018d05512175238ef82",
        ),
    ]),
    layout: "ISIC2018_Task1-2_{Training,Validation,Test}_Input/ISIC_N.jpg, ISIC2018_Task1_{Training,Validation,Test}_GroundTruth/ISIC_N_segmentation.png",
    grouping: None,
    official: Some("2594, 100 and 1000 for training, validation and test"),
    parts: &[PartCounts::new("pictures", [2594, 100, 1000])],
    paper: None,
    variants: &[],
    import,
};

const fn archive(
    file_name: &'static str,
    urls: &'static [&'static str],
    bytes: u64,
    sha256: &'static str,
) -> Archive {
    Archive {
        file_name,
        urls,
        bytes: Some(bytes),
        checksum: Some(Checksum::Sha256(sha256)),
    }
}

fn import(tree: &Tree, _: &Variant, _: &mut Advance<'_>) -> Result<Vec<FoundCase>, RegistryError> {
    let parts = [
        ("Training", Split::Train),
        ("Validation", Split::Val),
        ("Test", Split::Test),
    ];
    let mut cases = Vec::new();
    for (part, split) in parts {
        let images = tree.required(&format!("ISIC2018_Task1-2_{part}_Input"))?;
        let masks = tree.required(&format!("ISIC2018_Task1_{part}_GroundTruth"))?;
        let mask_stem = |image: &TreeFile| {
            // The folders hold a licence and an attribution as well.
            image.between("ISIC_", "")?;
            Some(format!("{}_segmentation", image.stem()))
        };
        for (image, mask) in tree.pairs(&images, &masks, mask_stem)? {
            let truth = binary(&mask.path, Cut::TwoValued);
            cases.push(FoundCase::new(image.stem(), &image.path, truth).in_split(split));
        }
    }
    Ok(cases)
}
