//! What a run shows while it trains: TensorBoard events, validation scores, overlays of validation cases.

use std::collections::BTreeMap;
use std::path::Path;

use crate::resume::{resume, stop};
use crate::support::{assert_same_files, on_cpu, recipe, stable_files, train};

/// Fields of a protocol buffer: numbers, and the bytes of what is not a varint.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            number |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let mut number = 0;
        let length = match key & 7 {
            0 => {
                number = varint(&mut bytes);
                0
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            wire => panic!("wire type {wire}"),
        };
        let (content, rest) = bytes.split_at(length);
        fields.push((key >> 3, number, content));
        bytes = rest;
    }
    fields
}

/// The points of every curve as TensorBoard takes them from a folder: file after file, and what is said
/// again after a session began at that step replaces what was said before.
fn curves(run: &Path) -> BTreeMap<String, Vec<(u64, f32)>> {
    let mut files: Vec<_> = run
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("tfevents"))
        .collect();
    files.sort();
    let mut curves: BTreeMap<String, Vec<(u64, f32)>> = BTreeMap::new();
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let event = fields(&rest[12..12 + length]);
            rest = &rest[16 + length..];
            let step = event.iter().find(|f| f.0 == 2).map_or(0, |f| f.1);
            for (field, _, content) in &event {
                match field {
                    7 => curves
                        .values_mut()
                        .for_each(|points| points.retain(|(at, _)| *at < step)),
                    5 => {
                        for (_, _, value) in fields(content) {
                            let value = fields(value);
                            let tag = String::from_utf8(value[0].2.to_vec()).unwrap();
                            let number = f32::from_le_bytes(value[1].2.try_into().unwrap());
                            curves.entry(tag).or_default().push((step, number));
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    curves
}

fn without_times(
    mut curves: BTreeMap<String, Vec<(u64, f32)>>,
) -> BTreeMap<String, Vec<(u64, f32)>> {
    for times in ["train/step_ms", "train/data_wait"] {
        let points = curves.remove(times).unwrap();
        assert_eq!(points.len(), curves["train/loss"].len());
        assert!(points.iter().all(|(_, value)| *value >= 0.0), "{points:?}");
    }
    curves
}

#[test]
fn the_curves_of_a_resumed_run_are_those_of_one_that_was_not_stopped() {
    let tmp = tempfile::tempdir().unwrap();
    let (straight, resumed) = (tmp.path().join("straight"), tmp.path().join("resumed"));
    train(&recipe("lora", &[]).unwrap(), &straight).unwrap();
    let expected = without_times(curves(&straight));
    let steps = |tag: &str| expected[tag].iter().map(|p| p.0).collect::<Vec<_>>();
    assert_eq!(steps("train/step_loss"), [1, 2, 3, 4]);
    for tag in [
        "train/loss",
        "train/lr",
        "train/grad_norm",
        "val/dice",
        "val/iou",
    ] {
        assert_eq!(steps(tag), [2, 4], "{tag}");
    }
    assert_eq!(expected.len(), 6);

    stop("lora", &[], 3, &resumed);
    let checkpoints = resumed.join("checkpoints");
    let entries = checkpoints
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let kept: Vec<_> = entries
        .map(|path| (std::fs::read(&path).unwrap(), path))
        .collect();
    assert!(!kept.is_empty());
    resume(&resumed).unwrap();
    assert_eq!(without_times(curves(&resumed)), expected);

    // Killed at the very end and gone on from an older state: the last step is said twice and counts once.
    std::fs::remove_file(resumed.join("result.json")).unwrap();
    std::fs::create_dir_all(&checkpoints).unwrap();
    for (bytes, path) in &kept {
        std::fs::write(path, bytes).unwrap();
    }
    resume(&resumed).unwrap();
    assert_eq!(without_times(curves(&resumed)), expected);
    assert_same_files(&straight, &resumed, "resumed twice");
}

#[test]
fn a_full_validation_adds_columns_and_changes_nothing_else() {
    let tmp = tempfile::tempdir().unwrap();
    let (quick, full) = (tmp.path().join("quick"), tmp.path().join("full"));
    let settings = ["train.epochs=3", "train.validate_every=2"];
    train(&recipe("lora", &settings).unwrap(), &quick).unwrap();
    let more = [&settings[..], &["train.validation=full"]].concat();
    train(&recipe("lora", &more).unwrap(), &full).unwrap();
    let (mut expected, mut files) = (stable_files(&quick), stable_files(&full));
    let [quick_table, full_table] = [&mut expected, &mut files].map(|files| {
        files.remove("recipe.toml");
        String::from_utf8(files.remove("metrics.csv").unwrap()).unwrap()
    });
    assert!(expected == files);
    let wide: Vec<&str> = full_table.lines().collect();
    for (line, wide) in quick_table.lines().zip(&wide) {
        assert!(wide.starts_with(&format!("{line},")), "{wide}");
    }
    assert!(wide[0].ends_with("val_cldice,val_hd95,val_assd,val_nsd,val_precision,val_recall"));
    assert!(wide[1].ends_with(",,,,,,"), "{}", wide[1]);
    let numbers = wide[2]
        .split(',')
        .skip(8)
        .map(|n| n.parse::<f64>().unwrap());
    assert_eq!(numbers.count(), 6);

    let curves = curves(&full);
    for tag in ["cldice", "hd95", "assd", "nsd", "precision", "recall"] {
        let steps: Vec<_> = curves[&format!("val/{tag}")].iter().map(|p| p.0).collect();
        assert_eq!(steps, [4, 6], "{tag}");
    }

    // Scored again from the directory, the last epoch validated has what its row says, if it was kept.
    let scores = std::fs::read_to_string(full.join("result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_str(&scores).unwrap();
    let row = wide[result["best_epoch"].as_u64().unwrap() as usize];
    let row: Vec<f64> = row.split(',').filter_map(|n| n.parse().ok()).collect();
    for (metric, column) in [
        ("dice", 5),
        ("iou", 6),
        ("cldice", 7),
        ("hd95", 8),
        ("nsd", 10),
    ] {
        let mean = result["val"][metric]["mean"].as_f64().unwrap();
        assert!(
            (mean - row[column]).abs() < 1e-12,
            "{metric}: {mean} {row:?}"
        );
    }
}

#[test]
fn the_epoch_is_chosen_by_the_score_that_is_asked_for() {
    if !on_cpu() {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    for (by, column) in [("dice", 5), ("iou", 6), ("cldice", 8), ("nsd", 11)] {
        let settings = [
            "train.epochs=4",
            "train.validation=full",
            &format!("train.select_by={by}"),
        ];
        let out = tmp.path().join(by);
        let result = train(&recipe("full", &settings).unwrap(), &out).unwrap();
        let scores: Vec<f64> = csv::Reader::from_path(out.join("metrics.csv"))
            .unwrap()
            .records()
            .map(|row| row.unwrap()[column].parse().unwrap())
            .collect();
        let best = scores.iter().copied().fold(0.0, f64::max);
        let first = scores.iter().position(|score| *score == best).unwrap() as u64 + 1;
        assert_eq!(result.best_epoch, first, "{by}: {scores:?}");
    }
}

#[test]
fn overlays_of_validation_cases_are_drawn_when_it_is_time() {
    let tmp = tempfile::tempdir().unwrap();
    let (straight, resumed) = (tmp.path().join("straight"), tmp.path().join("resumed"));
    // Validated after epochs 2 and 4, drawn at the second of them.
    let settings = [
        "train.epochs=4",
        "train.validate_every=2",
        "train.overlay_every=2",
        "train.samples_per_epoch=3",
    ];
    train(&recipe("lora", &settings).unwrap(), &straight).unwrap();
    stop("lora", &settings, 3, &resumed);
    resume(&resumed).unwrap();
    let overlays = |run: &Path| -> BTreeMap<String, Vec<u8>> {
        let folder = run.join("overlays/val");
        let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, std::fs::read(entry.path()).unwrap())
            })
            .collect()
    };
    let drawn = overlays(&straight);
    assert!(!drawn.is_empty() && drawn.len() <= 3);
    assert!(
        drawn
            .keys()
            .any(|name| name.starts_with("epoch-0004-best-"))
    );
    assert!(drawn.keys().all(|name| name.starts_with("epoch-0004-")));
    assert!(drawn == overlays(&resumed));
}
