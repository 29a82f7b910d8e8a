//! One optimiser step: the gradient of a batch, whether it is a number, the update.

use salt_data::Batch;
use salt_sam::ClassPrompt;

use crate::batch_loss::BatchLoss;
use crate::batch_parts::rounds_of_shards;
use crate::optimizer::{NotFinite, clip_scale, global_norm, not_finite};
use crate::prompts::Place;
use crate::sharded::sharded_gradients;
use crate::trainer::TrainerParts;

/// A step that was taken.
pub(crate) struct StepOutcome {
    pub loss: f64,
    /// Before clipping.
    pub grad_norm: f64,
    pub lr: f64,
}

/// Where in a run a batch stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchPlace {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Batch of the epoch, from 0.
    pub batch: u64,
}

/// A step that was not taken, because its loss or gradient is not a number. The model is as it was.
#[derive(Debug)]
pub(crate) struct FailedStep {
    /// loss or gradient norm.
    pub what: &'static str,
    pub loss: f64,
    /// The loss of every part of the batch that went through the network at once, times its share of the samples.
    pub part_losses: Vec<f64>,
    pub grad_norm: f64,
    /// Every trained parameter that is not finite, or whose gradient is not.
    pub parameters: Vec<NotFinite>,
}

impl FailedStep {
    /// The value that is not a number.
    pub(crate) fn value(&self) -> f64 {
        match self.loss.is_finite() {
            true => self.grad_norm,
            false => self.loss,
        }
    }
}

/// What the samples of a batch are asked, sample by sample and class by class; `None` without prompts.
pub(crate) fn batch_prompts(
    parts: &TrainerParts,
    batch: &Batch,
    place: BatchPlace,
) -> Option<Vec<ClassPrompt>> {
    let prompts = parts.prompts?;
    let place = first_sample(parts, place);
    Some(prompts.draw(place, batch, parts.model.n_classes()))
}

fn first_sample(parts: &TrainerParts, place: BatchPlace) -> Place {
    let config = &parts.config;
    Place {
        seed: config.seed,
        epoch: place.epoch,
        sample: place.batch as usize * config.batch_size * config.accumulate,
    }
}

/// Take one step on `batch`, with every rate multiplied by `factor`.
///
/// # Errors
/// [`FailedStep`]: a loss or gradient that is not a number.
pub(crate) fn step(
    parts: &mut TrainerParts,
    batch: &Batch,
    place: BatchPlace,
    factor: f64,
) -> Result<StepOutcome, Box<FailedStep>> {
    parts.replicas.follow(&parts.model);
    let mut place = first_sample(parts, place);
    let TrainerParts {
        model,
        config,
        prompts,
        device,
        replicas,
        embeddings,
        inputs_repeat,
        ..
    } = &*parts;
    let losses = BatchLoss {
        config: &config.loss,
        recompute: config.recompute,
        embeddings: embeddings.as_deref().filter(|_| *inputs_repeat),
        device,
    };
    let size = batch.size as f64;
    let with_prompts = |shard: Batch| {
        let drawn = prompts.map(|prompts| prompts.draw(place, &shard, model.n_classes()));
        place.sample += shard.size;
        (shard, drawn)
    };
    let rounds = rounds_of_shards(batch, config.batch_size, config.shards, with_prompts);
    let models = replicas.models(model);
    let sharded = sharded_gradients(&models, device, rounds, |at, model, (shard, prompts)| {
        let device = &replicas.devices()[at];
        let share = shard.size as f64 / size;
        BatchLoss { device, ..losses }.gradients(model, shard, prompts.as_deref(), share)
    });
    let loss: f64 = sharded.losses.iter().sum();
    let gradients = sharded.gradients;
    let grad_norm = global_norm(model, &gradients);
    if !(loss.is_finite() && grad_norm.is_finite()) {
        return Err(Box::new(FailedStep {
            what: if loss.is_finite() {
                "gradient norm"
            } else {
                "loss"
            },
            loss,
            part_losses: sharded.losses,
            grad_norm,
            parameters: not_finite(model, &gradients),
        }));
    }
    let limit = (config.grad_clip > 0.0).then_some(config.grad_clip);
    let lr = factor * config.lr;
    let model = parts.model.clone();
    parts.model = parts
        .optimizer
        .step(model, gradients, clip_scale(grad_norm, limit), factor);
    Ok(StepOutcome {
        loss,
        grad_norm,
        lr,
    })
}
