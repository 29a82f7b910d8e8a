//! What salt-peft promises about an adapter, checked on the scores of a model, bit for bit.

use std::{env, fs, process};

use anyhow::ensure;
use burn::module::Module as _;
use burn::tensor::{Device, Tensor};
use salt_peft::AdapterConfig;

use crate::model::Vit;

/// Before training, an adapter changes nothing.
pub fn attached(base: &Vit, model: &Vit, pictures: &Tensor<4>) -> anyhow::Result<()> {
    same("the base with an untrained adapter", base, model, pictures)
}

/// After it, the adapter goes through a file onto a copy of the base, becomes plain weights, and
/// comes off again.
pub fn trained(
    base: &Vit,
    model: Vit,
    config: &AdapterConfig,
    pictures: &Tensor<4>,
    device: &Device,
) -> anyhow::Result<()> {
    let folder = env::temp_dir().join(format!("vit-digits-{}", process::id()));
    salt_peft::save_adapter(&model, config, &folder)?;
    // As a program that starts later would: a model of its own, with the weights of the base.
    let copy = Vit::new(device).try_load_record(base.clone().into_record())?;
    let loaded = salt_peft::load_adapter(copy, &folder);
    fs::remove_dir_all(&folder)?;
    let (loaded, report) = loaded?;
    same("the loaded adapter", &model, &loaded, pictures)?;

    let merged = salt_peft::merge(loaded)?;
    same("the merged model", &model, &merged, pictures)?;
    let (expected, found) = (base.num_params(), merged.num_params());
    ensure!(
        found == expected,
        "the merged model: expected the {expected} parameters of the base, got {found}; \
         the adapter's should be gone"
    );

    // What was trained whole has no other value to go back to.
    if report.adapter == report.trainable {
        let unloaded = salt_peft::unload(model);
        same("the base, unloaded", base, &unloaded, pictures)?;
    }
    Ok(())
}

/// Fails unless both models give the same scores.
fn same(what: &str, expected: &Vit, found: &Vit, pictures: &Tensor<4>) -> anyhow::Result<()> {
    let scores = |model: &Vit| model.valid().forward(pictures.clone());
    let (expected, found) = (scores(expected), scores(found));
    let difference: f32 = (expected.clone() - found.clone()).abs().max().into_scalar();
    ensure!(
        expected.to_data() == found.to_data(),
        "{what}: expected the same scores bit for bit, got some that differ by up to \
         {difference:e}; this is a defect of salt-peft, please report it"
    );
    Ok(())
}
