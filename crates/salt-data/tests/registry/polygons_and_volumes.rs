//! Sets whose masks are polygons, volumes or arrays.

use std::ops::ControlFlow;

use salt_data::download::FetchOptions;
use salt_data::registry::{FetchRequest, Narration, RegistryError, Stage, by_name, fetch_dataset};
use salt_data::{GreyWindow, read_nifti};
use serde_json::json;

use super::encodings::{gz, png};
use super::made::{Ask, Entry, Made, PART, counts, foreground, load, zip};

/// A square of 4 x 3 pixels at the upper left, one of 2 x 2 beside it in another category, and a stenosis.
fn annotations(names: &[u32]) -> Vec<u8> {
    let images: Vec<_> = names
        .iter()
        .map(|n| json!({"id": n, "width": 12, "height": 10, "file_name": format!("{n}.png")}))
        .collect();
    let square = |x: u32, y: u32, w: u32, h: u32| json!([x, y, x + w, y, x + w, y + h, x, y + h]);
    let mut annotations = Vec::new();
    for n in names {
        for (category, polygons) in [
            (1, json!([square(0, 0, 4, 3)])),
            // Two polygons of one annotation: both count.
            (25, json!([square(6, 0, 2, 2), square(6, 6, 2, 2)])),
            (26, json!([square(1, 1, 1, 1)])),
        ] {
            annotations.push(json!({
                "id": annotations.len() + 1, "image_id": n, "category_id": category, "iscrowd": 0,
                "area": 1, "bbox": [0, 0, 1, 1], "segmentation": polygons,
            }));
        }
    }
    let categories: Vec<_> = (1..=26)
        .map(|id| json!({"id": id, "name": format!("c{id}")}))
        .collect();
    let file = json!({"images": images, "annotations": annotations, "categories": categories});
    file.to_string().into_bytes()
}

fn arcade(train: u32) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (k, task) in ["syntax", "stenosis"].into_iter().enumerate() {
        for (part, numbers, offset) in [
            ("train", 1..=train, 0),
            ("val", 1..=3, 5000),
            ("test", 1..=4, 6000),
        ] {
            let top = format!("arcade/{task}/{part}");
            let names: Vec<u32> = numbers.collect();
            entries.push((
                format!("{top}/annotations/{part}.json"),
                annotations(&names),
            ));
            for n in names {
                entries.push((
                    format!("{top}/images/{n}.png"),
                    png(n + offset + 10_000 * k as u32),
                ));
            }
        }
    }
    entries
}

#[test]
fn arcade_has_vessels_segments_and_stenoses() {
    let made = Made::new(vec![("arcade.zip", zip(arcade(6)))]);
    let (_, set) = made.prepared("arcade", PART);
    assert_eq!(counts(&set), [6, 3, 4]);
    let case = load(&set, "train_2");
    assert_eq!((set.n_classes, foreground(&case)), (1, 12 + 4 + 4));
    std::fs::remove_dir_all(made.out()).expect("removed");

    let ask = |variant| Ask {
        variant: Some(variant),
        ..PART
    };
    let (record, set) = made.prepared("arcade", ask("segments"));
    assert_eq!(
        (record.classes.len(), record.classes[24].as_str()),
        (25, "14b")
    );
    assert_eq!(set.n_classes, 25);
    let case = load(&set, "val_1");
    let count = |class| case.labels.classes.iter().filter(|&&c| c == class).count();
    assert_eq!((count(1), count(25), foreground(&case)), (12, 8, 20));
    std::fs::remove_dir_all(made.out()).expect("removed");

    let (_, set) = made.prepared("arcade", ask("stenosis"));
    assert_eq!(foreground(&load(&set, "test_4")), 1);
}

#[test]
fn arcade_has_the_papers_numbers() {
    let made = Made::new(vec![("arcade.zip", zip(arcade(1000)))]);
    let paper = Ask {
        split: Some("paper"),
        ..PART
    };
    let (record, set) = made.prepared("arcade", paper);
    assert_eq!((counts(&set), record.left_out), ([700, 0, 300], 7));
}

/// A NIfTI-1 file of 16-bit integers (nifti1.h): size 6 x 5 x `slices`, voxels of 1.5 x 1.25 x 10 mm.
fn nifti(slices: u16, value: impl Fn(usize, usize, usize) -> i16) -> Vec<u8> {
    let mut header = vec![0_u8; 352];
    header[..4].copy_from_slice(&348_i32.to_le_bytes());
    for (k, dim) in [3, 6, 5, slices, 1, 1, 1, 1].into_iter().enumerate() {
        header[40 + 2 * k..][..2].copy_from_slice(&dim.to_le_bytes());
    }
    // int16, 16 bits
    header[70..72].copy_from_slice(&4_i16.to_le_bytes());
    header[72..74].copy_from_slice(&16_i16.to_le_bytes());
    for (k, size) in [1.0_f32, 1.5, 1.25, 10.0].into_iter().enumerate() {
        header[76 + 4 * k..][..4].copy_from_slice(&size.to_le_bytes());
    }
    header[108..112].copy_from_slice(&352_f32.to_le_bytes());
    // millimetres
    header[123] = 2;
    header[344..348].copy_from_slice(b"n+1\0");
    for z in 0..usize::from(slices) {
        for y in 0..5 {
            for x in 0..6 {
                header.extend(value(x, y, z).to_le_bytes());
            }
        }
    }
    header
}

/// Intensities of a volume of ACDC.
fn noise(patient: u32, frame: u32, [x, y, z]: [usize; 3]) -> i16 {
    let seed = (x + 6 * y + 30 * z) as u32 + 1000 * patient + 7919 * frame;
    (seed.wrapping_mul(2_654_435_761) >> 20) as i16
}

/// Classes of a volume of ACDC.
fn label(x: usize, y: usize, z: usize) -> i16 {
    match (x, y, z) {
        (0, _, 1) => 1,
        (1, 2, 1) => 2,
        (3, 2, _) => 3,
        _ => 0,
    }
}

#[test]
fn acdc_is_cut_into_slices_that_stay_with_their_patient() {
    let mut entries = Vec::new();
    for (part, patients) in [("training", 1..=4_u32), ("testing", 101..=102)] {
        for patient in patients {
            for frame in [1, 12] {
                let stem = format!("database/{part}/patient{patient:03}/patient{patient:03}");
                entries.push((
                    format!("{stem}_frame{frame:02}.nii.gz"),
                    gz(&nifti(3, |x, y, z| noise(patient, frame, [x, y, z]))),
                ));
                entries.push((
                    format!("{stem}_frame{frame:02}_gt.nii.gz"),
                    gz(&nifti(3, label)),
                ));
            }
            let top = format!("database/{part}/patient{patient:03}");
            entries.push((
                format!("{top}/patient{patient:03}_4d.nii.gz"),
                gz(&nifti(3, |_, _, _| 1)),
            ));
            entries.push((format!("{top}/Info.cfg"), b"ED: 1\nES: 12\n".to_vec()));
        }
    }
    let made = Made::new(vec![("ACDC.zip", zip(entries))]);
    let (record, set) = made.prepared("acdc", PART);
    assert_eq!((counts(&set), set.n_classes), ([24, 0, 12], 3));
    assert_eq!(record.classes[2], "left ventricle");
    let case = load(&set, "patient001_frame12_z01");
    assert_eq!((case.image.width, case.image.height), (6, 5));
    // Row 2 of the slice in the middle.
    assert_eq!(case.labels.classes[12..18], [1, 2, 0, 3, 0, 0]);
    // A volume is read once for all its slices: each must be what reading it alone gives.
    let alone = made.path().join("alone.nii.gz");
    for (patient, frame) in [(3, 1), (102, 12)] {
        let bytes = gz(&nifti(3, |x, y, z| noise(patient, frame, [x, y, z])));
        std::fs::write(&alone, bytes).expect("written");
        for z in 0..3 {
            let volume = read_nifti(&alone).expect("a volume");
            let [low, high] = volume.grey_range(GreyWindow::MR).expect("a range");
            let slice = volume.slice(2, z).expect("a slice");
            let case = load(
                &set,
                &format!("patient{patient:03}_frame{frame:02}_z{z:02}"),
            );
            assert_eq!(case.image, slice.window(low, high).expect("a window"));
            let class = |x| label(x, 2, z) as u8;
            let row: Vec<u8> = (0..6).map(class).collect();
            assert_eq!(case.labels.classes[12..18], row);
        }
    }
    let table = std::fs::read_to_string(made.out().join("pairs.csv")).expect("a table");
    assert!(
        table.starts_with("image,mask,split,group,spacing_mm\n"),
        "{table}"
    );
    assert!(table.contains("train,patient003,1.5x1.25\n"), "{table}");
}

/// A version 1.0 npy file of bytes (numpy.lib.format).
fn npy(shape: &[usize], data: &[u8]) -> Vec<u8> {
    let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
    let mut header = format!(
        "{{'descr': '|u1', 'fortran_order': False, 'shape': ({}), }}",
        shape.join(", ")
    );
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.into_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn npz(counts: [usize; 3]) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut state = 1_u32;
    for (split, count) in ["train", "val", "test"].into_iter().zip(counts) {
        let images: Vec<u8> = (0..count * 8 * 8 * 3)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let labels: Vec<u8> = (0..count * 64).map(|i| u8::from(i % 64 < 5)).collect();
        entries.push((
            format!("{split}_images.npy"),
            npy(&[count, 8, 8, 3], &images),
        ));
        entries.push((format!("{split}_label.npy"), npy(&[count, 8, 8], &labels)));
    }
    zip(entries)
}

#[test]
fn a_copy_of_medsegbench_is_complete_and_keeps_its_split() {
    let made = Made::new(vec![("chasedb1_512.npz", npz([19, 2, 7]))]);
    let (record, set) = made.prepared("medsegbench_chase_db1", Ask::default());
    assert_eq!(counts(&set), [19, 2, 7]);
    assert_eq!(foreground(&load(&set, "val_0001")), 5);
    // The file was read where it lies and is still there.
    assert!(made.path().join("chasedb1_512.npz").is_file());
    assert_eq!(record.sources[0].file, "chasedb1_512.npz");
}

#[test]
fn arrays_and_volumes_tell_how_far_they_are_and_can_be_stopped() {
    let volume = |part: &str, patient: u32, of: &str| {
        let value = |x, y, z| {
            if of.is_empty() {
                noise(patient, 1, [x, y, z])
            } else {
                1
            }
        };
        let path = format!("{part}/patient{patient:03}/patient{patient:03}_frame01{of}.nii.gz");
        (path, gz(&nifti(2, value)))
    };
    let acdc = zip(vec![
        volume("training", 1, ""),
        volume("training", 1, "_gt"),
        volume("testing", 101, ""),
        volume("testing", 101, "_gt"),
    ]);
    for (name, file, bytes, of) in [
        (
            "medsegbench_chase_db1",
            "chasedb1_512.npz",
            npz([3, 1, 2]),
            6,
        ),
        ("acdc", "ACDC.zip", acdc, 2),
    ] {
        let made = Made::new(vec![(file, bytes)]);
        let request = FetchRequest {
            entry: by_name(name).expect("a set"),
            variant: None,
            split: None,
            archives: &[made.path().join(file)],
            raw: made.path(),
            out: &made.out(),
            accept_terms: false,
            partial: true,
            options: FetchOptions::default(),
        };
        for stop in [true, false] {
            let (mut heard, mut narration, mut lines) = (Vec::new(), Narration::new(), Vec::new());
            let outcome = fetch_dataset(&request, &mut |stage| {
                lines.extend(narration.line(&stage));
                match stage {
                    Stage::Import { done, of } => {
                        heard.push([done, of]);
                        if stop {
                            ControlFlow::Break(())
                        } else {
                            ControlFlow::Continue(())
                        }
                    }
                    _ => ControlFlow::Continue(()),
                }
            });
            assert!(
                lines.contains(&"reading pictures: 0 %".to_owned()),
                "{lines:?}"
            );
            if stop {
                assert!(
                    matches!(outcome, Err(RegistryError::Stopped)),
                    "{outcome:?}"
                );
                assert_eq!((heard, made.out().exists()), (vec![[0, of]], false));
            } else {
                assert!(outcome.is_ok(), "{outcome:?}");
                assert_eq!(heard, (0..of).map(|done| [done, of]).collect::<Vec<_>>());
            }
        }
    }
}
