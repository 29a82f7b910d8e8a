//! The five sets of SALT's paper, with as many cases as they have.

use salt_data::registry::RegistryError;

use super::encodings::{
    FOREGROUND, HEIGHT, WIDTH, mask_gif, mask_gif_palette, mask_pgm, mask_png, pgm, png, tiff_lzw,
};
use super::made::{Ask, Entry, Made, counts, foreground, load, zip};

fn drive_part(part: &str, numbers: std::ops::RangeInclusive<u32>, labels: bool) -> Vec<Entry> {
    let mut entries = Vec::new();
    for n in numbers {
        entries.push((format!("{part}/images/{n:02}_{part}.tif"), tiff_lzw(n)));
        entries.push((format!("{part}/mask/{n:02}_{part}_mask.gif"), mask_gif()));
        if labels {
            // Both encodings that are about.
            let mask = if n % 2 == 0 {
                mask_gif()
            } else {
                mask_gif_palette()
            };
            entries.push((format!("{part}/1st_manual/{n:02}_manual1.gif"), mask));
        }
    }
    entries
}

fn split(split: &str) -> Ask<'_> {
    Ask {
        split: Some(split),
        ..Ask::default()
    }
}

#[test]
fn drive_without_labels_of_its_test_has_the_papers_split() {
    let made = Made::new(vec![
        ("training.zip", zip(drive_part("training", 21..=40, true))),
        ("test.zip", zip(drive_part("test", 1..=20, false))),
    ]);
    let (record, set) = made.prepared("drive", split("paper"));
    assert_eq!(counts(&set), [14, 0, 6]);
    assert_eq!((record.split.as_str(), record.left_out), ("paper:0", 0));
    assert!(
        record
            .sources
            .iter()
            .all(|source| !source.as_published && source.sha256.is_some())
    );
    let case = load(&set, "21_training");
    assert_eq!(
        (case.image.width, case.image.height),
        (WIDTH as usize, HEIGHT as usize)
    );
    assert_eq!(foreground(&case), FOREGROUND);
    assert_eq!(foreground(&load(&set, "22_training")), FOREGROUND);
}

#[test]
fn drive_with_all_labels_has_the_official_split_and_may_be_wrapped() {
    let inner = [
        (
            "training.zip".to_owned(),
            zip(drive_part("training", 21..=40, true)),
        ),
        ("test.zip".to_owned(), zip(drive_part("test", 1..=20, true))),
    ];
    let made = Made::new(vec![("datasets.zip", zip(inner.to_vec()))]);
    let (record, set) = made.prepared("drive", Ask::default());
    assert_eq!(
        (counts(&set), record.split.as_str()),
        ([20, 0, 20], "official")
    );
}

#[test]
fn rose_has_a_variant_for_each_projection() {
    let mut entries = Vec::new();
    for (part, numbers) in [("train", 1..=30), ("test", 31..=39)] {
        for n in numbers {
            let top = format!("ROSE/ROSE-1/SVC/{part}");
            entries.push((format!("{top}/img/{n:02}.tif"), tiff_lzw(n)));
            entries.push((
                format!("{top}/gt/{n:02}.tif"),
                super::encodings::mask_tiff(),
            ));
            entries.push((format!("{top}/thick_gt/{n:02}.png"), mask_png(255)));
        }
    }
    let made = Made::new(vec![("ROSE.zip", zip(entries))]);
    let (_, set) = made.prepared("rose", split("paper"));
    assert_eq!(counts(&set), [22, 0, 8]);
    assert_eq!(foreground(&load(&set, "train_01")), FOREGROUND);
    std::fs::remove_dir_all(made.out()).expect("removed");
    let thick = Ask {
        variant: Some("svc_thick"),
        ..Ask::default()
    };
    let (_, set) = made.prepared("rose", thick);
    assert_eq!(counts(&set), [30, 0, 9]);
}

fn dias() -> Vec<Entry> {
    let mut entries = Vec::new();
    let parts = [
        ("training", 0..30),
        ("validation", 30..40),
        ("test", 40..60),
    ];
    for (part, sequences) in parts {
        for s in sequences {
            for i in 0..3 {
                let name = format!("DIAS/{part}/images/image_s{s}_i{i}.png");
                entries.push((name, png(10 * s + i)));
            }
            entries.push((format!("DIAS/{part}/labels/label_s{s}.png"), mask_png(255)));
            // Another kind of labels, which is not read.
            entries.push((format!("DIAS/{part}/scribbles/label_s{s}.png"), mask_png(7)));
        }
    }
    entries
}

#[test]
fn dias_is_the_minimum_over_frames_and_is_divided_by_sequence() {
    let made = Made::new(vec![("DIAS.zip", zip(dias()))]);
    let (_, set) = made.prepared("dias", Ask::default());
    assert_eq!(counts(&set), [30, 10, 20]);
    let case = load(&set, "s3");
    let frame = |i: u32| {
        image::load_from_memory(&png(30 + i))
            .expect("decoded")
            .into_rgb8()
    };
    let frames = [frame(0), frame(1), frame(2)];
    for (k, &value) in case.image.data.iter().enumerate() {
        let least = frames.iter().map(|frame| frame.as_raw()[k]).min();
        assert_eq!(Some(value), least);
    }
    std::fs::remove_dir_all(made.out()).expect("removed");
    let frames = Ask {
        variant: Some("frames"),
        split: Some("paper:3"),
        partial: true,
    };
    // Three frames a sequence are fewer than the set has, though every sequence has some.
    let whole = made.fetch(
        "dias",
        Ask {
            partial: false,
            ..frames
        },
    );
    assert!(
        matches!(whole, Err(RegistryError::Incomplete { received: 180, .. })),
        "{whole:?}"
    );
    let (record, set) = made.prepared("dias", frames);
    // Twenty and ten sequences of three frames; the official validation and test are left out.
    assert_eq!((counts(&set), record.left_out), ([60, 0, 30], 90));
    let mut splits = std::collections::BTreeMap::new();
    for case in &set.cases {
        let sequence = case.id.split('_').next().expect("a sequence");
        let split = splits.entry(sequence.to_owned()).or_insert(case.split);
        assert_eq!(*split, case.split, "{sequence} is divided");
    }
}

#[test]
fn dca1_has_the_papers_numbers() {
    let entries = (1..=134).flat_map(|n| {
        [
            (format!("Database_134_Angiograms/{n}.pgm"), pgm(n)),
            (format!("Database_134_Angiograms/{n}_gt.pgm"), mask_pgm()),
        ]
    });
    let made = Made::new(vec![("DB_Angiograms_134.zip", zip(entries.collect()))]);
    let (_, set) = made.prepared("dca1", split("paper"));
    assert_eq!(counts(&set), [93, 0, 41]);
    assert_eq!(foreground(&load(&set, "7")), FOREGROUND);
}
