//! A model of full size, from the picture to masks of its size, against two other programs.
//!
//! `oracle.py` beside this file writes weights, pictures, prompts and what Hugging Face's `SamModel` and the
//! original code answer into a folder, which `SALT_SAM_PARITY` names; `cargo xtask parity sam` runs both.

mod figures;
mod stored;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use salt_sam::preprocess::network_input;
use salt_sam::weights::{Checkpoint, StoredTensor};
use salt_sam::{EncodedImage, Prompts, RgbImage, Sam, SamConfig};

use figures::{Differences, Figures};
use stored::Stored;

/// The kinds of prompt of `oracle.py`.
const PROMPTS: [&str; 9] = [
    "point",
    "points",
    "box",
    "points_box",
    "point_mask",
    "mask",
    "boxes",
    "points_each",
    "boxes_masks",
];

/// Where the variable points to, when it is set.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("SALT_SAM_PARITY").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: `cargo xtask parity sam` sets SALT_SAM_PARITY and runs it");
    }
    folder
}

#[test]
fn equals_the_original_and_transformers() {
    let Some(folder) = folder() else { return };
    let device = Device::default();
    let expected = Stored::open(&folder.join("expected.safetensors"));
    let sam = model(&folder, &expected.model(), &device);
    let mut figures = Figures::default();
    for view in expected.views() {
        let at = view.rsplit('@').next().and_then(|at| at.parse().ok());
        let at: usize = at.unwrap_or_else(|| panic!("{view}: expected NAME@SIZE"));
        let sam = sam.clone().with_image_size(at).expect("a multiple of 16");
        let image = encode(&sam, &expected, &view, &mut figures, &device);
        for prompt in PROMPTS {
            decode(&sam, &image, &expected, [&view, prompt], &mut figures);
        }
    }
    std::fs::write(folder.join("figures.md"), figures.markdown()).expect("writes");
    figures.check();
}

/// The model; both files hold the same.
fn model(folder: &Path, name: &str, device: &Device) -> Sam {
    let config = SamConfig::by_name(&format!("sam_{name}")).expect("a registered model");
    let read = |file: &str| Checkpoint::read(&folder.join(file)).expect("readable");
    let (original, hf) = (read("original.pth"), read("hf/model.safetensors"));
    assert!(original.tensors.keys().eq(hf.tensors.keys()), "keys differ");
    for (key, tensor) in &original.tensors {
        let (a, b) = (tensor, &hf.tensors[key]);
        assert_eq!(a.shape, b.shape, "{key}");
        let read = |tensor: &StoredTensor| tensor.read(key).expect("finite");
        assert!(read(a) == read(b), "`{key}` differs between the files");
    }
    original.into_sam(&config, None, device).expect("fits")
}

/// The picture, encoded; its scaled pixels and its embedding are compared.
fn encode(
    sam: &Sam,
    expected: &Stored,
    view: &str,
    figures: &mut Figures,
    device: &Device,
) -> EncodedImage {
    let (shape, data) = expected.bytes(&format!("{view}.image"));
    let image = RgbImage {
        width: shape[1],
        height: shape[0],
        data,
    };
    let (pixels, [width, height]) = network_input(image, sam.image_size(), device).expect("sound");
    let oracle: Tensor<4> = expected.get::<3>(&format!("{view}.input")).unsqueeze();
    let pixels = pixels.slice([0..1, 0..3, 0..height, 0..width]);
    let of_pixels = Differences::largest(&pixels, &oracle);
    let encoded = sam.set_image(image).expect("sound");
    figures.image(
        view,
        of_pixels,
        Differences::largest(encoded.embedding(), &expected.get(&key(view, "embedding"))),
    );
    if let Some(exact) = expected.find::<4>(&key(view, "embedding_f64")) {
        let f32_oracle = expected.get(&key(view, "embedding"));
        figures.exact_embedding(
            Differences::largest(encoded.embedding(), &exact),
            Differences::largest(&f32_oracle, &exact),
        );
    }
    encoded
}

fn key(view: &str, rest: &str) -> String {
    format!("{view}.{rest}")
}

/// The prompts of one kind, in pixels of the image.
fn prompts(expected: &Stored, at: &str) -> Prompts {
    let mut prompts = Prompts::default();
    if let Some(points) = expected.find::<3>(&key(at, "points")) {
        let labels: Tensor<2, Int> = expected.get::<2>(&key(at, "labels")).int();
        prompts = prompts.with_points(points, labels);
    }
    if let Some(boxes) = expected.find::<2>(&key(at, "boxes")) {
        prompts = prompts.with_boxes(boxes);
    }
    if let Some(mask) = expected.find::<4>(&key(at, "mask_input")) {
        prompts = prompts.with_mask_input(mask);
    }
    prompts
}

/// One mask and three for the prompts of one kind.
fn decode(
    sam: &Sam,
    image: &EncodedImage,
    expected: &Stored,
    [view, prompt]: [&str; 2],
    figures: &mut Figures,
) {
    let at = key(view, prompt);
    let prompts = prompts(expected, &at);
    for (label, multimask) in [("single", false), ("multi", true)] {
        let answer = sam.decode_image(image, &prompts, multimask).expect("sound");
        let of = |what: &str| key(&at, &format!("{label}.{what}"));
        let (low_res, iou) = (answer.low_res_masks, answer.iou_predictions);
        let oracle: Tensor<4> = expected.get(&of("low_res_masks"));
        let mut found = Differences {
            low_res: Differences::largest(&low_res, &oracle),
            iou: Differences::largest(&iou, &expected.get::<2>(&of("iou_predictions"))),
            masks: None,
            overlap: Differences::overlap(&low_res, &oracle),
        };
        if let Some(exact) = expected.find::<4>(&of("low_res_masks_f64")) {
            let exact_iou: Tensor<2> = expected.get(&of("iou_predictions_f64"));
            figures.exact_masks(
                [
                    Differences::largest(&low_res, &exact),
                    Differences::largest(&iou, &exact_iou),
                ],
                [
                    Differences::largest(&oracle, &exact),
                    Differences::largest(&expected.get(&of("iou_predictions")), &exact_iou),
                ],
            );
        }
        if let Some(masks) = expected.find::<4>(&of("masks")) {
            let ours = image.upscale(low_res);
            found.masks = Some(Differences::largest(&ours, &masks));
            found.overlap = found.overlap.min(Differences::overlap(&ours, &masks));
        }
        figures.masks(view, prompt, found);
    }
}

/// A tensor's values as f32, in order.
fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    let data: TensorData = tensor.to_data();
    data.iter::<f32>().collect()
}
