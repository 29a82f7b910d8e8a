//! Times one training step of sam_nano: `cargo run --release -p salt-sam --example step_time`.
#![expect(clippy::print_stdout, reason = "an example reports on stdout")]

use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use salt_sam::{SamConfig, upscale_masks};

fn main() -> Result<(), salt_sam::SamError> {
    let device = Device::default().autodiff();
    let sam = SamConfig::nano().with_prompt_tokens(3).init(&device)?;
    println!("{} parameters", sam.num_params());
    let batch = 8;
    let x = Tensor::<4>::random(
        [batch, 3, 128, 128],
        Distribution::Uniform(0.0, 255.0),
        &device,
    );
    for _ in 0..4 {
        let start = Instant::now();
        let embedding = sam.encode_image(x.clone());
        let encode = start.elapsed();
        let masks = sam.segment_classes(embedding);
        let up = upscale_masks(masks.low_res_masks, [128, 128]);
        let loss = up.powi_scalar(2).mean();
        let forward = start.elapsed();
        let grads = loss.backward();
        let grads = GradientsParams::from_grads(grads, &sam);
        println!(
            "batch {batch}: encode {encode:.0?}, forward {forward:.0?}, with backward {:.0?}, {} gradients",
            start.elapsed(),
            grads.len()
        );
    }
    Ok(())
}
