//! MedSegBench's copies of some sets at 512 pixels, squeezed to squares: for whom the originals are out of reach.

use crate::dataset::Split;
use crate::download::Checksum;
use crate::encode::{write_image, write_mask};
use crate::npz::NpzFile;
use crate::registry::entry::{
    Access, Advance, Archive, DatasetEntry, Licence, PartCounts, Variant,
};
use crate::registry::error::RegistryError;
use crate::registry::found::FoundCase;
use crate::registry::tree::Tree;
use crate::registry::truth::{Cut, binary};

/// What all copies have in common.
const COPY: DatasetEntry = DatasetEntry {
    name: "",
    title: "",
    modality: "",
    classes: &["vessel"],
    cases: 0,
    size: "512 x 512",
    licence: Licence::CC_BY,
    citation: "Kus & Aydin, Scientific Data 11, 2024, doi:10.1038/s41597-024-04159-2, and the original's authors",
    home: "https://zenodo.org/records/13358372",
    access: Access::Automatic(&[]),
    layout: "{train,val,test}_images [N, 512, 512(, 3)], {train,val,test}_label [N, 512, 512] in one npz file",
    grouping: None,
    official: Some("MedSegBench's own, which is not that of the original"),
    parts: &[],
    paper: None,
    variants: &[],
    import,
};

pub(in crate::registry) const DRIVE: DatasetEntry = DatasetEntry {
    name: "medsegbench_drive",
    title: "MedSegBench's copy of DRIVE",
    modality: "retinal fundus photographs",
    cases: 40,
    parts: &[PartCounts::new("pictures", [18, 2, 20])],
    licence: Licence::RESEARCH,
    access: Access::Automatic(&[copy(
        "drive_512.npz",
        &["https://zenodo.org/records/13358372/files/drive_512.npz?download=1"],
        "9182813e1f337e6207ce421847fb0b0b",
    )]),
    ..COPY
};

pub(in crate::registry) const CHASE_DB1: DatasetEntry = DatasetEntry {
    name: "medsegbench_chase_db1",
    title: "MedSegBench's copy of CHASE_DB1",
    modality: "retinal fundus photographs",
    cases: 28,
    parts: &[PartCounts::new("pictures", [19, 2, 7])],
    access: Access::Automatic(&[copy(
        "chasedb1_512.npz",
        &["https://zenodo.org/records/13358372/files/chasedb1_512.npz?download=1"],
        "7c94b4d937474a52605cc5c46a092660",
    )]),
    ..COPY
};

pub(in crate::registry) const DCA1: DatasetEntry = DatasetEntry {
    name: "medsegbench_dca1",
    title: "MedSegBench's copy of DCA1",
    modality: "X-ray coronary angiograms",
    cases: 134,
    parts: &[PartCounts::new("pictures", [93, 13, 28])],
    licence: Licence::RESEARCH,
    access: Access::Automatic(&[copy(
        "dca1_512.npz",
        &["https://zenodo.org/records/13358372/files/dca1_512.npz?download=1"],
        "020059b0e1d0afb8b5d41d7c8e48cd78",
    )]),
    ..COPY
};

pub(in crate::registry) const KVASIR_SEG: DatasetEntry = DatasetEntry {
    name: "medsegbench_kvasir_seg",
    title: "MedSegBench's copy of Kvasir-SEG",
    modality: "endoscopic photographs",
    classes: &["polyp"],
    cases: 1000,
    parts: &[PartCounts::new("pictures", [700, 100, 200])],
    licence: Licence::RESEARCH,
    access: Access::Automatic(&[copy(
        "kvasir_512.npz",
        &["https://zenodo.org/records/13358372/files/kvasir_512.npz?download=1"],
        "f3ab71c25d07077c85b5d98cfe615f9d",
    )]),
    ..COPY
};

pub(in crate::registry) const ISIC2018: DatasetEntry = DatasetEntry {
    name: "medsegbench_isic2018",
    title: "MedSegBench's copy of ISIC 2018, task 1",
    modality: "dermoscopic photographs",
    classes: &["lesion"],
    cases: 3694,
    licence: Licence::CC_BY_NC,
    access: Access::Automatic(&[copy(
        "isic2018_512.npz",
        &["https://zenodo.org/records/13358372/files/isic2018_512.npz?download=1"],
        "000a76e688e6d48543b9563a8c406ae4",
    )]),
    ..COPY
};

pub(in crate::registry) const BUSI: DatasetEntry = DatasetEntry {
    name: "medsegbench_busi",
    title: "MedSegBench's copy of BUSI",
    modality: "ultrasound",
    classes: &["lesion"],
    cases: 647,
    parts: &[PartCounts::new("pictures", [452, 64, 131])],
    licence: Licence::CC0,
    access: Access::Automatic(&[copy(
        "busi_512.npz",
        &["https://zenodo.org/records/13358372/files/busi_512.npz?download=1"],
        "fab7550a6c5240e35da8ce5d31bc1c61",
    )]),
    ..COPY
};

const fn copy(
    file_name: &'static str,
    urls: &'static [&'static str],
    md5: &'static str,
) -> Archive {
    Archive {
        file_name,
        urls,
        bytes: None,
        checksum: Some(Checksum::Md5(md5)),
    }
}

fn import(
    tree: &Tree,
    _: &Variant,
    advance: &mut Advance<'_>,
) -> Result<Vec<FoundCase>, RegistryError> {
    let mut files = tree
        .files()
        .iter()
        .filter(|file| file.name.ends_with(".npz"));
    let Some(file) = files.next() else {
        return Err(tree.lacks("a file NAME_512.npz".to_owned()));
    };
    let npz = NpzFile::open(&file.path)?;
    let splits = Split::ALL.map(|split| npz.pairs(split.name()).map(|pairs| (split, pairs)));
    let splits = splits.into_iter().collect::<Result<Vec<_>, _>>()?;
    let of = splits.iter().map(|(_, pairs)| pairs.announced());
    let of = of.fold(0, u64::saturating_add) as usize;
    let mut cases = Vec::new();
    for (split, pairs) in splits {
        // The arrays are streams, so every picture is put down when it comes by.
        for (index, pair) in pairs.enumerate() {
            advance(cases.len(), of)?;
            let (image, labels) = pair?;
            let id = format!("{split}_{index:04}");
            let (picture, mask) = (
                tree.scratch().join(format!("{id}.png")),
                tree.scratch().join(format!("{id}_mask.png")),
            );
            write_image(&picture, &image)?;
            // As stored: what the values may be is judged when the case is written.
            write_mask(&mask, &labels, usize::from(u8::MAX))?;
            let truth = binary(mask, Cut::TwoValued);
            cases.push(FoundCase::new(id, picture, truth).in_split(split));
        }
    }
    Ok(cases)
}
