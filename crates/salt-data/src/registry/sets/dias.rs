//! DIAS: sequences of intracranial arteries in digital subtraction angiography, one mask a sequence.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::dataset::Split;
use crate::decode_image::read_image;
use crate::download::Checksum;
use crate::pixels::ImageRgb;
use crate::registry::entry::{
    Access, Advance, Archive, DatasetEntry, Licence, PaperSizes, PartCounts, Variant,
};
use crate::registry::error::RegistryError;
use crate::registry::found::{FoundCase, Picture};
use crate::registry::tree::{Tree, TreeFile};
use crate::registry::truth::{Cut, binary, same_size};

pub(in crate::registry) const ENTRY: DatasetEntry = DatasetEntry {
    name: "dias",
    title: "DIAS: intracranial arteries in DSA sequences",
    modality: "digital subtraction angiography",
    classes: &["artery"],
    cases: 60,
    size: "800 x 800",
    licence: Licence::CC_BY,
    citation: "Liu et al., Medical Image Analysis, 2024, doi:10.1016/j.media.2024.103247",
    home: "https://zenodo.org/records/11637181",
    access: Access::Automatic(&[Archive {
        file_name: "DIAS.zip",
        urls: &["https://zenodo.org/api/records/11637181/files/DIAS.zip/content"],
        bytes: Some(292_444_663),
        checksum: Some(Checksum::Md5("780f32df6fb2a5de5d476f385cf2e83b")),
    }]),
    layout: "DIAS/{training,validation,test}/{images/image_sS_iI.png, labels/label_sS.png}",
    grouping: Some("by sequence"),
    official: Some("30, 10 and 20 sequences for training, validation and test"),
    parts: &[PartCounts::new("sequences", [30, 10, 20])],
    paper: Some(PaperSizes {
        train: 20,
        test: 10,
        of_training_part: true,
    }),
    variants: &[
        Variant {
            name: "minimum",
            title: "one picture a sequence: the minimum over its frames, as its authors use it",
            classes: None,
            cases: 60,
        },
        Variant {
            name: "frames",
            title: "every frame with the mask of its sequence",
            classes: None,
            // At least: 334 frames are known of the 30 sequences for training, and each of the others has two or more.
            cases: 394,
        },
    ],
    import,
};

fn import(
    tree: &Tree,
    variant: &Variant,
    _: &mut Advance<'_>,
) -> Result<Vec<FoundCase>, RegistryError> {
    let parts = [
        ("training", Split::Train),
        ("validation", Split::Val),
        ("test", Split::Test),
    ];
    let mut cases = Vec::new();
    for (part, split) in parts {
        let labels = tree.required(&format!("{part}/labels"))?;
        let images = tree.required(&format!("{part}/images"))?;
        let mask_stem = |image: &TreeFile| {
            let (sequence, _frame) = image.between("image_s", "")?.split_once("_i")?;
            Some(format!("label_s{sequence}"))
        };
        let mut sequences: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
        for (image, label) in tree.pairs(&images, &labels, mask_stem)? {
            let group = label.stem().replacen("label_", "", 1);
            if variant.name == "frames" {
                let truth = binary(&label.path, Cut::TwoValued);
                let id = image.stem().replacen("image_", "", 1);
                cases.push(
                    FoundCase::new(id, &image.path, truth)
                        .in_group(group)
                        .in_split(split),
                );
            } else {
                let frames = sequences.entry(label.path.clone()).or_default();
                frames.push(image.path.clone());
            }
        }
        for label in labels {
            let Some(frames) = sequences.remove(&label.path) else {
                continue;
            };
            let id = label.stem().replacen("label_", "", 1);
            let truth = binary(&label.path, Cut::TwoValued);
            cases.push(FoundCase {
                picture: Picture::Made(Box::new(move || minimum(&frames))),
                ..FoundCase::new(id.clone(), "", truth)
                    .in_group(id)
                    .in_split(split)
            });
        }
    }
    Ok(cases)
}

/// The darkest value of every pixel: contrast agent is dark, and no frame shows all of it.
fn minimum(frames: &[PathBuf]) -> Result<ImageRgb, RegistryError> {
    let mut least: Option<ImageRgb> = None;
    for path in frames {
        let frame = read_image(path)?;
        least = Some(match least {
            None => frame,
            Some(mut least) => {
                same_size(
                    path,
                    [least.width, least.height],
                    [frame.width, frame.height],
                )?;
                for (low, value) in least.data.iter_mut().zip(frame.data) {
                    *low = value.min(*low);
                }
                least
            }
        });
    }
    // A sequence is here because of a frame.
    least.ok_or(RegistryError::Incomplete {
        set: ENTRY.name,
        expected: 1,
        received: 0,
    })
}
