//! ACDC: the heart in magnetic resonance, two phases a patient, cut into its slices.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::dataset::Split;
use crate::download::Checksum;
use crate::encode::{write_image, write_mask};
use crate::registry::entry::{
    Access, Advance, Archive, DatasetEntry, Licence, PartCounts, Variant,
};
use crate::registry::error::RegistryError;
use crate::registry::found::FoundCase;
use crate::registry::tree::{Tree, TreeFile};
use crate::registry::truth::stored;
use crate::volume::{GreyWindow, read_nifti};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "acdc",
    title: "ACDC: Automated Cardiac Diagnosis Challenge",
    modality: "cardiac MR (cine), slices",
    classes: &["right ventricle", "myocardium", "left ventricle"],
    // Slices in both phases: 1902 of the training part and 1076 of the test.
    cases: 2978,
    size: "about 216 x 256",
    licence: Licence::RESEARCH,
    citation: "Bernard et al., IEEE TMI 37(11), 2018, doi:10.1109/TMI.2018.2837502",
    home: "https://www.creatis.insa-lyon.fr/Challenge/acdc/databases.html",
    access: Access::Automatic(&[Archive {
        file_name: "ACDC.zip",
        urls: &[
            "https://humanheart-project.creatis.insa-lyon.fr/database/api/v1/collection/637218c173e9f0047faa00fb/download",
        ],
        bytes: None,
        checksum: Some(Checksum::Sha256(
            "2787e08b0d3525cbac710fc3bdf69ee7c5fd7446472e49db8bc78548802f6b5e",
        )),
    }]),
    layout: "database/{training,testing}/patientNNN/{patientNNN_frameFF.nii.gz, patientNNN_frameFF_gt.nii.gz}",
    grouping: Some("by patient"),
    official: Some("100 patients for training, 50 for the test"),
    parts: &[PartCounts::new("patients", [100, 0, 50])],
    paper: None,
    variants: &[],
    import,
};

/// Slices lie across the third axis.
const SLICES: usize = 2;

fn import(
    tree: &Tree,
    _: &Variant,
    advance: &mut Advance<'_>,
) -> Result<Vec<FoundCase>, RegistryError> {
    let all: Vec<&TreeFile> = tree.files().iter().collect();
    // `patient001_frame01.nii.gz`; the frames of the whole cycle (`_4d`) and the masks themselves are passed over.
    let mask_stem = |image: &TreeFile| {
        let (patient, frame) = image.stem().split_once("_frame")?;
        let numbered = patient.starts_with("patient") && frame.bytes().all(|b| b.is_ascii_digit());
        numbered.then(|| format!("{}_gt", image.stem()))
    };
    let pairs = tree.pairs(&all, &all, mask_stem)?;
    if pairs.is_empty() {
        return Err(
            tree.lacks("volumes patientNNN_frameFF.nii.gz with masks _gt.nii.gz".to_owned())
        );
    }
    let mut cases = Vec::new();
    for (index, (image, mask)) in pairs.iter().enumerate() {
        advance(index, pairs.len())?;
        let patient = image
            .stem()
            .split('_')
            .next()
            .unwrap_or_default()
            .to_owned();
        let part = image.folder.split('/').find_map(|part| match part {
            "training" => Some(Split::Train),
            "testing" => Some(Split::Test),
            _ => None,
        });
        let (slices, spacing_mm) = pictures(tree, image)?;
        labels(&slices, &mask.path)?;
        cases.extend(slices.into_iter().map(|slice| FoundCase {
            spacing_mm: Some(spacing_mm),
            official: part,
            ..FoundCase::new(slice.id, slice.picture, stored(slice.mask)).in_group(patient.clone())
        }));
    }
    Ok(cases)
}

/// One slice of a volume and its files, which are put down when the volume is read: a volume is decoded once, and only
/// one is in memory.
struct Slice {
    id: String,
    picture: PathBuf,
    mask: PathBuf,
}

/// Puts down the pictures of a volume's slices. Also tells the size of their pixels.
fn pictures(tree: &Tree, image: &TreeFile) -> Result<(Vec<Slice>, [f64; 2]), RegistryError> {
    let volume = read_nifti(&image.path)?;
    // Of the whole volume, so that its slices are of one brightness.
    let [low, high] = volume.grey_range(GreyWindow::MR)?;
    let slices = (0..volume.size()[SLICES]).into_par_iter().map(|index| {
        let id = format!("{}_z{index:02}", image.stem());
        let picture = tree.scratch().join(format!("{id}.png"));
        write_image(&picture, &volume.slice(SLICES, index)?.window(low, high)?)?;
        let mask = tree.scratch().join(format!("{id}_mask.png"));
        Ok(Slice { id, picture, mask })
    });
    let slices = slices.collect::<Result<Vec<_>, RegistryError>>()?;
    let [x_mm, y_mm, _] = volume.spacing_mm();
    Ok((slices, [x_mm, y_mm]))
}

/// Puts down the masks of a volume's slices.
fn labels(slices: &[Slice], mask: &Path) -> Result<(), RegistryError> {
    let volume = read_nifti(mask)?;
    slices
        .par_iter()
        .enumerate()
        .try_for_each(|(index, slice)| {
            let labels = volume.slice(SLICES, index)?.labels()?;
            // As stored: the classes are those of the volume.
            Ok(write_mask(&slice.mask, &labels, usize::from(u8::MAX))?)
        })
}
