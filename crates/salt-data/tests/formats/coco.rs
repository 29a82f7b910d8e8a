//! Outlines against pycocotools.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use salt_data::{CocoError, CocoFile, IGNORE_LABEL};
use sha2::{Digest, Sha256};

use crate::fixture::shared;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/coco")
}

fn json<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(folder().join(name)).expect("readable");
    serde_json::from_str(&text).expect("as generated")
}

#[test]
fn every_outline_equals_ann_to_mask() {
    let file = CocoFile::read(&folder().join("outlines.json")).expect("sound");
    let expected: BTreeMap<i64, Vec<usize>> = json("expected.json");
    assert_eq!(expected.len(), 18 * 16);
    let per_image = file.categories().count() as i64;
    assert_eq!(file.unannotated().count(), 0);
    for (annotation, runs) in expected {
        let (image, category) = (
            1 + (annotation - 1) / per_image,
            1 + (annotation - 1) % per_image,
        );
        let labels = file
            .rasterise(image, |c| (c.id == category).then_some(1))
            .expect("an image of the file");
        let values = runs.iter().enumerate();
        let mask: Vec<u8> = values
            .flat_map(|(i, &run)| std::iter::repeat_n((i % 2) as u8, run))
            .collect();
        assert_eq!(labels.classes, mask, "annotation {annotation}");
    }
}

#[test]
fn the_arcade_sample_equals_ann_to_mask() {
    let Some(sample) = shared("ARCADE_sample") else {
        return;
    };
    let file = CocoFile::read(&sample.join("annotations.json")).expect("sound");
    let expected: BTreeMap<i64, (String, usize)> = json("arcade_sample.json");
    assert_eq!(file.images().len(), expected.len());
    for image in file.images() {
        let labels = file.rasterise(image.id, |_| Some(1)).expect("annotated");
        let (sum, foreground) = &expected[&image.id];
        let received = labels.classes.iter().filter(|&&class| class == 1).count();
        assert_eq!(received, *foreground, "{}", image.file_name);
        let digest: String = Sha256::digest(&labels.classes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(digest, *sum, "{}", image.file_name);
    }
}

/// Two pictures of 6 x 4; the first has the given annotations.
fn parse(annotations: &str) -> Result<CocoFile, CocoError> {
    let text = format!(
        r#"{{"info": {{"year": 2023}}, "images": [
        {{"id": 7, "file_name": "7.png", "width": 6, "height": 4, "license": 0}},
        {{"id": 8, "file_name": "sub/8.png", "width": 6, "height": 4}}],
        "annotations": [{annotations}],
        "categories": [{{"id": 1, "name": "a"}}, {{"id": 26, "name": "b", "supercategory": ""}}]}}"#
    );
    CocoFile::parse(text.as_bytes(), Path::new("case.json"))
}

#[test]
fn all_polygons_are_drawn_and_the_later_annotation_is_on_top() {
    let file = parse(
        r#"{"id": 1, "image_id": 7, "category_id": 1, "segmentation": [[0,0, 2,0, 2,4, 0,4], [5,0, 6,0, 6,4, 5,4]]},
           {"id": 2, "image_id": 7, "category_id": 26, "segmentation": [[0,0, 6,0, 6,1, 0,1]]}"#,
    )
    .expect("sound");
    let labels = file
        .rasterise(7, |c| Some(if c.name == "a" { 1 } else { 2 }))
        .expect("drawn");
    let below = [1, 1, 0, 0, 0, 1];
    assert_eq!(labels.classes, [[2; 6], below, below, below].concat());
    let labels = file
        .rasterise(7, |c| (c.id == 26).then_some(9))
        .expect("drawn");
    assert_eq!(labels.classes[..6], [9; 6]);
    assert_eq!(labels.classes[6..], [0; 18]);
}

#[test]
fn a_crowd_is_no_label_except_where_something_else_lies() {
    let file = parse(
        r#"{"id": 1, "image_id": 7, "category_id": 1, "segmentation": [[0,0, 1,0, 1,4, 0,4]]},
           {"id": 2, "image_id": 7, "category_id": 1, "iscrowd": 1,
            "segmentation": {"size": [4, 6], "counts": [0, 8, 16]}}"#,
    )
    .expect("sound");
    let labels = file.rasterise(7, |_| Some(1)).expect("drawn");
    assert_eq!(labels.classes[..6], [1, IGNORE_LABEL, 0, 0, 0, 0]);
    let labels = file.rasterise(7, |_| None).expect("drawn");
    assert_eq!(labels.classes, [0; 24]);
}

#[test]
fn an_image_without_annotations_is_reported() {
    let triangle =
        r#"{"id": 1, "image_id": 7, "category_id": 1, "segmentation": [[0,0, 2,0, 2,4]]}"#;
    let file = parse(triangle).expect("sound");
    let names: Vec<_> = file
        .unannotated()
        .map(|image| image.file_name.as_str())
        .collect();
    assert_eq!(names, ["sub/8.png"]);
    let error = file.rasterise(8, |_| Some(1)).expect_err("no annotation");
    assert!(matches!(error, CocoError::Unannotated { id: 8, .. }));
    let bare = r#"{"images": [{"id": 1, "file_name": "a.png", "width": 2, "height": 2}]}"#;
    let file = CocoFile::parse(bare.as_bytes(), Path::new("case.json")).expect("images alone");
    assert_eq!(file.unannotated().count(), 1);
    assert!(matches!(
        file.rasterise(1, |_| Some(1)),
        Err(CocoError::Unannotated { .. })
    ));
}

/// A file with this annotation's segmentation, or whole annotation, is refused.
#[track_caller]
fn refused(name: &str, annotations: &str, expected: impl Fn(&CocoError) -> bool) {
    let error = parse(annotations).expect_err(name);
    assert!(expected(&error), "{name}: {error:?}");
    assert_eq!(error.path(), Path::new("case.json"), "{name}");
    let error = salt_data::DataError::from(error);
    assert!(
        error.problem().starts_with("expected ") && !error.remedy().is_empty(),
        "{name}"
    );
    assert_eq!(error.path(), Some(Path::new("case.json")), "{name}");
}

macro_rules! is {
    ($variant:ident $($field:tt)*) => {
        |error: &CocoError| matches!(error, CocoError::$variant $($field)*)
    };
}

#[test]
fn segmentations_that_are_none_are_refused() {
    let shape = |segmentation: &str| {
        format!(r#"{{"id": 1, "image_id": 7, "category_id": 1, "segmentation": {segmentation}}}"#)
    };
    refused(
        "no polygon",
        &shape("[]"),
        is!(NoSegmentation { annotation: 1, .. }),
    );
    refused(
        "empty polygon",
        &shape("[[]]"),
        is!(PolygonLength { received: 0, .. }),
    );
    refused(
        "two points",
        &shape("[[0,0,2,2]]"),
        is!(PolygonLength { received: 4, .. }),
    );
    refused(
        "odd",
        &shape("[[0,0,2,0,2,2,1]]"),
        is!(PolygonLength { received: 7, .. }),
    );
    refused(
        "second polygon odd",
        &shape("[[0,0,2,0,2,2],[1]]"),
        is!(PolygonLength { received: 1, .. }),
    );
    refused(
        "far outside",
        &shape("[[0,0,2,0,2,900]]"),
        is!(FarOutside {
            point: [2.0, 900.0],
            ..
        }),
    );
    refused(
        "far left",
        &shape("[[-7,0,2,0,2,2]]"),
        is!(FarOutside { .. }),
    );
    refused(
        "nan",
        &shape("[[0,0,NaN,0,2,2]]"),
        is!(NotFinite { line: 4, .. }),
    );
    refused(
        "infinity",
        &shape("[[0,0,2,0,2,Infinity]]"),
        is!(NotFinite { .. }),
    );
    refused(
        "minus infinity",
        &shape("[[-Infinity,0,2,0,2,2]]"),
        is!(NotFinite { .. }),
    );
    refused(
        "beyond f64",
        &shape("[[0,0,2,0,2,1e999]]"),
        is!(NotFinite { .. }),
    );
    refused("words", &shape(r#"[["a",0,2,0,2,2]]"#), is!(Json { .. }));
    refused("a number", &shape("5"), is!(Json { .. }));
    refused(
        "runs without size",
        &shape(r#"{"counts": [24]}"#),
        is!(Json { .. }),
    );
    refused(
        "runs without counts",
        &shape(r#"{"size": [4, 6]}"#),
        is!(Json { .. }),
    );
    refused(
        "negative run",
        &shape(r#"{"size": [4, 6], "counts": [-1, 25]}"#),
        is!(Json { .. }),
    );
    refused(
        "runs turned",
        &shape(r#"{"size": [6, 4], "counts": [24]}"#),
        is!(RunsSize { .. }),
    );
    refused(
        "short runs",
        &shape(r#"{"size": [4, 6], "counts": [3, 4]}"#),
        is!(Runs { .. }),
    );
    refused(
        "long runs",
        &shape(r#"{"size": [4, 6], "counts": [3, 40]}"#),
        is!(Runs { .. }),
    );
    refused(
        "broken text",
        &shape(r#"{"size": [4, 6], "counts": "o"}"#),
        is!(Runs { .. }),
    );
    let no_outline = r#"{"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 2, 2]}"#;
    refused("only a box", no_outline, is!(NoSegmentation { .. }));
}

#[test]
fn entries_that_contradict_each_other_are_refused() {
    let annotation = |id: i64, image: i64, category: i64| {
        format!(
            r#"{{"id": {id}, "image_id": {image}, "category_id": {category}, "segmentation": [[0,0,2,0,2,2]]}}"#
        )
    };
    refused(
        "unknown image",
        &annotation(1, 9, 1),
        is!(OrphanAnnotation { id: 9, .. }),
    );
    refused(
        "unknown category",
        &annotation(1, 7, 2),
        is!(UnknownCategory { id: 2, .. }),
    );
    let twice = [annotation(1, 7, 1), annotation(1, 8, 1)].join(",");
    refused(
        "annotation twice",
        &twice,
        is!(DuplicateId {
            list: "annotations",
            id: 1,
            ..
        }),
    );
    refused("no json", "[", is!(Json { .. }));
    let file = parse(&annotation(1, 7, 1)).expect("sound");
    assert!(file.check_size(7, [6, 4]).is_ok());
    let turned = file.check_size(7, [4, 6]);
    assert!(matches!(
        turned,
        Err(CocoError::SizeMismatch {
            received: [4, 6],
            ..
        })
    ));
    assert!(matches!(
        file.rasterise(9, |_| Some(1)),
        Err(CocoError::UnknownImage { id: 9, .. })
    ));
}

#[test]
fn images_that_cannot_be_are_refused() {
    #[track_caller]
    fn check(images: &str, expected: impl Fn(&CocoError) -> bool) {
        let text = format!(r#"{{"images": [{images}], "annotations": [], "categories": []}}"#);
        let error = CocoFile::parse(text.as_bytes(), Path::new("case.json")).expect_err(images);
        assert!(expected(&error), "{error:?}");
    }
    let image = |name: &str, width: &str| {
        format!(r#"{{"id": 1, "file_name": "{name}", "width": {width}, "height": 4}}"#)
    };
    check(&image("a.png", "0"), is!(ImageSize { .. }));
    check(
        &image("a.png", "18446744073709551615"),
        is!(ImageSize { .. }),
    );
    check(&image("a.png", "-4"), is!(Json { .. }));
    for name in [
        "../a.png",
        "/a.png",
        "a/../../b.png",
        "..\\\\a.png",
        "C:a.png",
        "",
        "..",
    ] {
        check(&image(name, "4"), is!(EscapingName { .. }));
    }
    let twice = [image("a.png", "4"), image("b.png", "4")].join(",");
    check(&twice, is!(DuplicateId { list: "images", .. }));
    let nowhere = CocoFile::read(Path::new("no/such/file.json"));
    assert!(matches!(nowhere, Err(CocoError::Io { .. })));
}

#[test]
fn outlines_that_would_take_minutes_are_refused() {
    let zigzag: Vec<String> = (0..40_000)
        .map(|i| format!("{},{}", (i % 2) * 8000, i % 7))
        .collect();
    let polygon = zigzag.join(",");
    let text = format!(
        r#"{{"images": [{{"id": 1, "file_name": "a.png", "width": 8000, "height": 500}}],
        "annotations": [{{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[{polygon}]]}}],
        "categories": [{{"id": 1}}]}}"#
    );
    let file = CocoFile::parse(text.as_bytes(), Path::new("case.json")).expect("sound");
    let error = file.rasterise(1, |_| Some(1)).expect_err("too much");
    assert!(matches!(error, CocoError::TooComplex { id: 1, .. }));
}
