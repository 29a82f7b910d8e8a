//! Sets beside the paper's, each with its names and encodings.

use super::encodings::{
    FOREGROUND, jpeg, jpeg_16, mask_jpeg, mask_png, mask_png_1_bit, mask_png_rgb, mask_ppm_gz,
    mask_tiff, png, ppm_gz,
};
use salt_data::Split;

use super::made::{Ask, Entry, Made, PART, counts, foreground, load, tar, zip};

fn chase() -> Vec<Entry> {
    let eyes = (1..=14_u32).flat_map(|child| [(child, 'L'), (child, 'R')]);
    let files = eyes.flat_map(|(child, eye)| {
        let name = format!("Image_{child:02}{eye}");
        let number = 2 * child + u32::from(eye == 'R');
        [
            (format!("{name}.jpg"), jpeg(number)),
            (format!("{name}_1stHO.png"), mask_png_1_bit()),
            (format!("{name}_2ndHO.png"), mask_png_1_bit()),
        ]
    });
    files.collect()
}

#[test]
fn chase_db1_keeps_the_eyes_of_a_child_together() {
    let made = Made::new(vec![("CHASEDB1.zip", zip(chase()))]);
    let (record, set) = made.prepared("chase_db1", Ask::default());
    assert_eq!(
        (counts(&set), record.split.as_str()),
        ([20, 0, 8], "official")
    );
    assert_eq!(foreground(&load(&set, "Image_01L")), FOREGROUND);
    let table = std::fs::read_to_string(made.out().join("pairs.csv")).expect("a table");
    assert!(table.starts_with("image,mask,split,group\n"), "{table}");
    assert!(
        table.contains("images/Image_11R.jpg,masks/Image_11R.png,test,child 11\n"),
        "{table}"
    );
    for seed in ["seed:1", "seed:2", "fold:0/5", "fold:3/5:7"] {
        std::fs::remove_dir_all(made.out()).expect("removed");
        let ask = Ask {
            split: Some(seed),
            ..Ask::default()
        };
        let (_, set) = made.prepared("chase_db1", ask);
        for child in 1..=14 {
            let name = format!("Image_{child:02}");
            let mut splits: Vec<_> = set
                .cases
                .iter()
                .filter(|case| case.id.starts_with(&name))
                .map(|case| case.split)
                .collect();
            splits.dedup();
            assert_eq!(splits.len(), 1, "{seed}: child {child} is divided");
        }
    }
}

#[test]
fn stare_comes_in_tars_of_gz_files() {
    let numbers = || (1..=20_u32).map(|n| format!("im{n:04}"));
    let images = numbers()
        .zip(1..)
        .map(|(name, n)| (format!("{name}.ppm.gz"), ppm_gz(n)));
    let labels = |who: &'static str| {
        numbers().map(move |name| (format!("{name}.{who}.ppm.gz"), mask_ppm_gz()))
    };
    let made = Made::new(vec![
        ("stare-images.tar", tar(images.collect())),
        ("labels-ah.tar", tar(labels("ah").collect())),
        ("labels-vk.tar", tar(labels("vk").collect())),
    ]);
    let (record, set) = made.prepared("stare", Ask::default());
    // No official split: drawn by seed.
    assert_eq!(
        (counts(&set), record.split.as_str()),
        ([14, 2, 4], "seed:0")
    );
    assert_eq!(foreground(&load(&set, "im0001")), FOREGROUND);
}

#[test]
fn hrf_trains_on_the_first_five_of_each_kind() {
    let mut entries = Vec::new();
    for (k, kind) in ["h", "g", "dr"].into_iter().enumerate() {
        for n in 1..=15_u32 {
            let extension = if kind == "dr" { "JPG" } else { "jpg" };
            let number = 100 * k as u32 + n;
            entries.push((format!("images/{n:02}_{kind}.{extension}"), jpeg(number)));
            entries.push((format!("manual1/{n:02}_{kind}.tif"), mask_tiff()));
            entries.push((format!("mask/{n:02}_{kind}_mask.tif"), mask_tiff()));
        }
    }
    let made = Made::new(vec![("all.zip", zip(entries))]);
    let (_, set) = made.prepared("hrf", Ask::default());
    assert_eq!(counts(&set), [15, 0, 30]);
    assert_eq!(foreground(&load(&set, "15_dr")), FOREGROUND);
}

#[test]
fn fives_is_read_from_the_folder_that_was_unpacked() {
    let mut entries = Vec::new();
    let top = "FIVES A Fundus Image Dataset for AI-based Vessel Segmentation";
    for (part, offset) in [("train", 0), ("test", 50)] {
        for (n, kind) in [(1, "A"), (2, "D"), (3, "G"), (4, "N")] {
            entries.push((
                format!("{top}/{part}/Original/{n}_{kind}.png"),
                png(offset + n),
            ));
            entries.push((
                format!("{top}/{part}/Ground truth/{n}_{kind}.png"),
                mask_png_rgb(),
            ));
        }
        entries.push((
            format!("{top}/{part}/Original/Thumbs.db"),
            b"thumbs".to_vec(),
        ));
    }
    let made = Made::folder(entries);
    let (record, set) = made.prepared("fives", PART);
    assert_eq!(counts(&set), [4, 0, 4]);
    // The grey pixel at the edge is below the middle.
    assert_eq!(foreground(&load(&set, "test_3_G")), FOREGROUND);
    assert!(record.partial && record.sources[0].sha256.is_none());
}

#[test]
fn kvasir_seg_masks_are_jpeg() {
    let entries = (0..10).flat_map(|n| {
        let name = format!("cju{n}.jpg");
        [
            (format!("Kvasir-SEG/images/{name}"), jpeg_16(n)),
            (format!("Kvasir-SEG/masks/{name}"), mask_jpeg()),
        ]
    });
    let whole = zip(entries.collect());
    let made = Made::new(vec![("kvasir-seg.zip", whole.clone())]);
    let (_, set) = made.prepared("kvasir_seg", PART);
    assert_eq!(counts(&set), [7, 1, 2]);
    assert_eq!(foreground(&load(&set, "cju3")), 128);
    // The authors' lists may be brought as well.
    let lists = [
        (
            "x/train.txt",
            "cju0.jpg cju0.jpg\nimages/cju1.jpg,masks/cju1.jpg\r\n\n",
        ),
        ("x/val.txt", "cju2\ncju9.jpg"),
    ];
    let lists = lists.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let made = Made::new(vec![
        ("kvasir-seg.zip", whole),
        ("lists.zip", zip(lists.to_vec())),
    ]);
    let (record, set) = made.prepared("kvasir_seg", PART);
    assert_eq!((record.split.as_str(), record.left_out), ("official", 6));
    let of = |split| {
        set.split(split)
            .iter()
            .map(|case| case.id.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (of(Split::Train), of(Split::Test)),
        (vec!["cju0", "cju1"], vec!["cju2", "cju9"])
    );
}

#[test]
fn isic2018_has_six_archives() {
    let mut archives = Vec::new();
    for (k, part) in ["Training", "Validation", "Test"].into_iter().enumerate() {
        let (images, masks) = (
            format!("ISIC2018_Task1-2_{part}_Input"),
            format!("ISIC2018_Task1_{part}_GroundTruth"),
        );
        let numbers = (0..3).map(|n| 10 * k as u32 + n);
        let mut pictures: Vec<Entry> = numbers
            .clone()
            .map(|n| (format!("{images}/ISIC_{n:07}.jpg"), jpeg(n)))
            .collect();
        pictures.push((format!("{images}/LICENSE.txt"), b"terms".to_vec()));
        let truths: Vec<Entry> = numbers
            .map(|n| {
                (
                    format!("{masks}/ISIC_{n:07}_segmentation.png"),
                    mask_png(255),
                )
            })
            .collect();
        archives.push((format!("{images}.zip"), zip(pictures)));
        archives.push((format!("{masks}.zip"), zip(truths)));
    }
    let archives = archives
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.clone()));
    let made = Made::new(archives.collect());
    let (_, set) = made.prepared("isic2018", PART);
    assert_eq!(counts(&set), [3, 3, 3]);
    assert_eq!(foreground(&load(&set, "ISIC_0000011")), FOREGROUND);
}

#[test]
fn busi_joins_the_masks_of_one_picture() {
    let mut second = vec![0; 120];
    second[119] = 255;
    let mut entries = Vec::new();
    for (k, kind) in ["benign", "malignant", "normal"].into_iter().enumerate() {
        for n in 1..=4_u32 {
            let stem = format!("Dataset_BUSI_with_GT/{kind}/{kind} ({n})");
            entries.push((format!("{stem}.png"), png(10 * k as u32 + n)));
            let value = if kind == "normal" { 0 } else { 255 };
            entries.push((format!("{stem}_mask.png"), mask_png(value)));
        }
    }
    let more = "Dataset_BUSI_with_GT/benign/benign (2)_mask_1.png";
    entries.push((more.to_owned(), super::encodings::mask_png_of(&second)));
    let made = Made::new(vec![("Dataset_BUSI.zip", zip(entries))]);
    let (_, set) = made.prepared("busi", PART);
    assert_eq!(set.cases.len(), 8);
    assert_eq!(foreground(&load(&set, "benign_1")), FOREGROUND);
    assert_eq!(foreground(&load(&set, "benign_2")), FOREGROUND + 1);
    std::fs::remove_dir_all(made.out()).expect("removed");
    let all = Ask {
        variant: Some("all"),
        ..PART
    };
    let (_, set) = made.prepared("busi", all);
    assert_eq!(foreground(&load(&set, "normal_4")), 0);
}

#[test]
fn rossa_numbers_tell_the_split() {
    let mut entries = Vec::new();
    for (part, numbers) in [
        ("train_manual", [1, 100]),
        ("val", [101, 200]),
        ("test", [201, 300]),
        ("train_sam", [301, 918]),
    ] {
        for n in numbers {
            let top = format!("OCTA-FRNet-main/dataset/ROSSA/{part}");
            entries.push((format!("{top}/image/{n}.png"), png(n)));
            entries.push((format!("{top}/label/{n}.png"), mask_png(255)));
        }
    }
    let made = Made::new(vec![("OCTA-FRNet-main.zip", zip(entries))]);
    let (_, set) = made.prepared("rossa", PART);
    assert_eq!(counts(&set), [2, 2, 2]);
    std::fs::remove_dir_all(made.out()).expect("removed");
    let all = Ask {
        variant: Some("all"),
        ..PART
    };
    let (_, set) = made.prepared("rossa", all);
    assert_eq!(counts(&set), [4, 2, 2]);
}
