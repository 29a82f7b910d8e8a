//! Encode, decode, predict.

use salt_sam::{Prompts, RgbImage};

use crate::timing::{Medians, Timing};
use crate::{Args, Outcome, setup};

/// Pixels on the device to an embedding.
pub(crate) fn encode(args: &Args, timing: &Timing) -> Outcome<Medians> {
    let model = setup::model(args, &timing.device)?;
    let pixels = setup::pixels(args, &timing.device);
    timing.laps(|laps| {
        let embedding = model.encode_image(pixels.clone());
        laps.end("encode")?;
        drop(embedding);
        Ok(())
    })
}

/// An embedding and a box for each image to three masks.
pub(crate) fn decode(args: &Args, timing: &Timing) -> Outcome<Medians> {
    let model = setup::model(args, &timing.device)?;
    let embedding = model.encode_image(setup::pixels(args, &timing.device));
    let prompts = Prompts {
        boxes: Some(setup::boxes(args, &timing.device)),
        ..Prompts::default()
    };
    timing.laps(|laps| {
        let answer = model.decode(embedding.clone(), &prompts, true)?;
        laps.end("decode")?;
        drop(answer);
        Ok(())
    })
}

/// An image of 640 x 480 bytes and a box to masks of that size, on the host.
pub(crate) fn predict(args: &Args, timing: &Timing) -> Outcome<Medians> {
    const SIDES: [usize; 2] = [640, 480];
    let model = setup::model(args, &timing.device)?;
    let [width, height] = SIDES;
    let bytes: Vec<u8> = (0..3 * width * height)
        .map(|at| (at * 7 % 251) as u8)
        .collect();
    let corners = [100.0, 100.0, 400.0, 300.0];
    let boxes = burn::tensor::Tensor::<2>::from_data([corners], &timing.device);
    let prompts = Prompts {
        boxes: Some(boxes),
        ..Prompts::default()
    };
    timing.laps(|laps| {
        let image = RgbImage {
            width,
            height,
            data: &bytes,
        };
        let seen = model.set_image(image)?;
        laps.end("set image")?;
        let answer = model.decode_image(&seen, &prompts, true)?;
        laps.end("decode")?;
        let masks = seen.upscale(answer.low_res_masks).greater_elem(0.0);
        let bytes = masks.into_data();
        laps.end("masks")?;
        drop(bytes);
        Ok(())
    })
}
