//! A training loop with Burn's optimiser, the same with and without an adapter.

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::Module as _;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamWConfig, GradientsParams};

use crate::digits::Digits;
use crate::model::Vit;

/// Trains on the batch of every step. What is frozen gets no gradient and stays as it is.
pub fn fit(
    mut model: Vit,
    steps: u64,
    rates: impl Into<ModuleLrScheduler>,
    batch: impl Fn(u64) -> Digits,
) -> Vit {
    // No decay of scales and shifts: a scale that shrinks towards 0 would erase the base weight.
    let adamw = AdamWConfig::new();
    let spectrum = adamw.clone().with_weight_decay(0.0).build();
    let optimizer = adamw.with_weight_decay(0.01).init();
    let mut optimizer = optimizer.with_group(salt_peft::spectrum_group(), spectrum, None);
    let mut rates = rates.into();
    for step in 0..steps {
        let Digits { pictures, labels } = batch(step);
        let loss = CrossEntropyLossConfig::new().init(&pictures.device());
        let loss = loss.forward(model.forward(pictures), labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(rates.step(), model, gradients);
    }
    model
}

/// The share of pictures whose digit has the highest score.
pub fn accuracy(model: &Vit, digits: &Digits) -> f64 {
    let best = model.valid().forward(digits.pictures.clone()).argmax(1);
    let right = best.squeeze_dim(1).equal(digits.labels.clone());
    let right: i64 = right.int().sum().into_scalar();
    right as f64 / digits.labels.dims()[0] as f64
}
