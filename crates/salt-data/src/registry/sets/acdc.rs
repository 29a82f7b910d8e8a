//! ACDC: the heart in magnetic resonance, two phases a patient, cut into its slices.

use std::path::{Path, PathBuf};

use crate::dataset::Split;
use crate::download::Checksum;
use crate::registry::entry::{Access, Archive, DatasetEntry, Licence, Variant};
use crate::registry::error::RegistryError;
use crate::registry::found::{FoundCase, Picture};
use crate::registry::tree::{Tree, TreeFile};
use crate::volume::{GreyWindow, read_nifti};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "acdc",
    title: "ACDC: Automated Cardiac Diagnosis Challenge",
    modality: "cardiac MR (cine), slices",
    classes: &["right ventricle", "myocardium", "left ventricle"],
    // Slices of the training part, in both phases; the whole set has more.
    cases: 1902,
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
    paper: None,
    variants: &[],
    import,
};

/// Slices lie across the third axis.
const SLICES: usize = 2;

fn import(tree: &Tree, _: &Variant) -> Result<Vec<FoundCase>, RegistryError> {
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
    for (image, mask) in pairs {
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
        let volume = read_nifti(&image.path)?;
        let [x_mm, y_mm, _] = volume.spacing_mm();
        for index in 0..volume.size()[SLICES] {
            cases.push(FoundCase {
                picture: Picture::Made(picture(&image.path, index)),
                spacing_mm: Some([x_mm, y_mm]),
                official: part,
                ..FoundCase::new(
                    format!("{}_z{index:02}", image.stem()),
                    &image.path,
                    truth(&mask.path, index),
                )
                .in_group(patient.clone())
            });
        }
    }
    Ok(cases)
}

fn picture(path: &Path, index: usize) -> crate::registry::found::Make<crate::pixels::ImageRgb> {
    let path: PathBuf = path.to_owned();
    Box::new(move || {
        let volume = read_nifti(&path)?;
        // Of the whole volume, so that its slices are of one brightness.
        let [low, high] = volume.grey_range(GreyWindow::MR)?;
        Ok(volume.slice(SLICES, index)?.window(low, high)?)
    })
}

fn truth(path: &Path, index: usize) -> crate::registry::found::Make<crate::pixels::LabelMap> {
    let path: PathBuf = path.to_owned();
    Box::new(move || Ok(read_nifti(&path)?.slice(SLICES, index)?.labels()?))
}
