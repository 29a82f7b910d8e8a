//! One training step: forward, backward, optimiser.

use burn::module::Module as _;
use burn::optim::GradientsParams;
use salt_sam::upscale_masks;
use salt_train::loss::LossConfig;
use salt_train::optimizer::{Group, Groups, Optimizer, Rule, clip_scale, global_norm};

use crate::timing::{Medians, Timing};
use crate::{Args, Outcome, setup};

const RATE: f64 = 1e-4;
const DECAY: f64 = 1e-2;

/// The trainer's step over the same batch again and again.
pub(crate) fn measure(args: &Args, timing: &Timing) -> Outcome<Medians> {
    let plain = &timing.device;
    let mut model = setup::adapted(args, plain)?;
    let pixels = setup::pixels(args, plain);
    let loss = LossConfig::default();
    let size = [args.batch, args.size, args.size];
    let targets = loss.targets(&setup::labels(args), size, model.n_classes(), plain);
    let mut optimizer = Optimizer::new(
        Rule::AdamW,
        Groups {
            lr: RATE,
            weight_decay: DECAY,
            groups: vec![Group {
                name: "spectrum".into(),
                members: salt_peft::spectrum_group(),
                lr: None,
                weight_decay: Some(0.0),
                may_be_empty: true,
            }],
        },
    );
    timing.laps(|laps| {
        let leaves = model.valid().train();
        let embedding = leaves.encode_image(pixels.clone());
        let masks = leaves.segment_classes(embedding).low_res_masks;
        let logits = upscale_masks(masks, [args.size, args.size]);
        let mut value = loss.forward(logits, &targets);
        if let Some(penalty) = salt_peft::penalty(&leaves) {
            value = value + penalty;
        }
        let number = value.clone().inner().into_scalar::<f32>();
        if !number.is_finite() {
            return Err(format!("expected a finite loss, received {number}").into());
        }
        laps.end("forward")?;
        let gradients = GradientsParams::from_grads(value.backward(), &leaves);
        laps.end("backward")?;
        let norm = global_norm(&leaves, &gradients);
        let scale = clip_scale(norm, Some(1.0));
        model = optimizer.step(model.clone(), gradients, scale, 1.0);
        laps.end("optimizer")
    })
}
