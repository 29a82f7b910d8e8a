//! From trained parameters to a complete run directory.

use std::time::Instant;

use burn::module::Module as _;
use salt_data::{Dataset, Split};
use serde_json::json;

use crate::case_table;
use crate::curves;
use crate::epoch_table;
use crate::error::TrainError;
use crate::evaluate::{EvaluateConfig, evaluate};
use crate::machine::Machine;
use crate::memory::peak_rss_mb;
use crate::observer::{Event, Session};
use crate::overlay;
use crate::predict;
use crate::prepare::Prepared;
use crate::recipe::{EvaluationPrompts, Recipe};
use crate::result::{Memory, Params, RunResult, Time, median};
use crate::run::{BURN_VERSION, unix_seconds};
use crate::run_dir::RunDir;
use crate::segment::Segmenter;
use crate::trainer::Trained;

/// Write the adapter, score validation and test with it, write tables, pictures and the result.
/// `None` when the session was interrupted before the test split was read to its end.
pub(crate) fn finish(
    recipe: &Recipe,
    prepared: &Prepared,
    trained: Trained,
    run: &RunDir,
    machine: &Machine,
    session: &mut Session<'_>,
) -> Result<Option<RunResult>, TrainError> {
    let started = Instant::now();
    let Trained {
        model,
        progress,
        step_ms,
        mut watch,
        embeddings,
        ..
    } = trained;
    run.write(&run.metrics(), &epoch_table::to_csv(&progress.rows)?)?;
    run.write(&run.curves(), curves::render(&progress.rows).as_bytes())?;
    salt_peft::save_adapter(&model, &recipe.adapter_config(), &run.adapter())?;
    // A schedule of ranks may leave fewer than were attached: what the model lacks of them was trained.
    let report = &prepared.report;
    let total = model.num_params();
    let trainable = report.trainable + total - report.total;

    session.event(Event::Stage(evaluation_stage(recipe)));
    let merged = salt_peft::merge(model.valid())?;
    drop(model);
    let segmenter = Segmenter::new(
        merged,
        recipe.view(),
        recipe.train.eval_batch,
        &machine.device,
    )
    .with_inference(recipe.inference)
    .with_embeddings(embeddings.clone());
    let config = evaluate_config(recipe, &prepared.dataset);
    let has_val = !prepared.dataset.split(Split::Val).is_empty();
    let val = has_val
        .then(|| {
            evaluate(
                &segmenter,
                &prepared.dataset,
                Split::Val,
                config,
                session,
                |_, _, _| Ok(()),
            )
        })
        .transpose()?;
    // Test images are seen once.
    let segmenter = segmenter.with_embeddings(None);
    let test = evaluate(
        &segmenter,
        &prepared.dataset,
        Split::Test,
        config,
        session,
        |i, case, prediction| {
            if i < recipe.train.overlays {
                let picture = overlay::draw(&case.image, prediction, Some(&case.labels));
                predict::write_rgb(
                    &run.overlays()
                        .join(format!("{}.png", predict::file_stem(&case.id))),
                    &picture,
                )?;
            }
            Ok(())
        },
    )?;
    if session.interrupt.is_set() {
        return Ok(None);
    }
    watch.check()?;
    let rows: Vec<_> = val
        .iter()
        .flat_map(|v| v.rows.clone())
        .chain(test.rows)
        .collect();
    run.write(&run.cases(), &case_table::to_csv(&rows)?)?;

    let adapter_file = run.adapter().join("adapter_model.safetensors");
    let adapter_bytes = std::fs::metadata(&adapter_file)
        .map_err(|e| TrainError::io(&adapter_file, e))?
        .len();
    let result = RunResult {
        status: "finished".into(),
        method: recipe.adapter.method(),
        model: recipe.model.name.clone(),
        dataset: prepared.dataset.name.clone(),
        split: recipe.data.split.clone(),
        seed: recipe.train.seed,
        device: machine.name.clone(),
        commit: machine.commit.clone(),
        burn: BURN_VERSION.into(),
        metric_impl: salt_metrics::METRIC_IMPL.into(),
        recipe_sha256: progress.origin.recipe_sha256,
        weights_sha256: progress.origin.weights_sha256,
        data_sha256: progress.origin.data_sha256,
        params: Params {
            trainable,
            total,
            percent: 100.0 * trainable as f64 / total.max(1) as f64,
            adapter_bytes,
        },
        time: Time {
            train_s: progress.train_s,
            data_wait_s: progress.data_wait_s,
            step_ms_median: median(&step_ms),
            eval_s: started.elapsed().as_secs_f64(),
        },
        memory: Memory {
            peak_rss_mb: peak_rss_mb(),
        },
        embeddings: embeddings.map(|cache| cache.counts()),
        best_epoch: progress.best_epoch,
        val: val.map(|v| v.summary),
        evaluation_prompts: recipe.evaluation_prompts(),
        test: test.summary,
        test_classes: test.classes,
    };
    run.append_log(&json!({"event": "finish", "unix_s": unix_seconds(), "time": result.time, "memory": result.memory}))?;
    // The result comes last: where it is, everything else is, on the disk too.
    for name in ["adapter_model.safetensors", "adapter_config.json", ""] {
        run.sync(&run.adapter().join(name))?;
    }
    run.write(&run.result(), result.to_json()?.as_bytes())?;
    if let Err(e) = run.checkpoint_folder().clear() {
        run.warn(
            session,
            &format!("{e}: the checkpoints of the finished run can go"),
        );
    }
    Ok(Some(result))
}

/// Says so where the evaluation is given more than the image.
pub(crate) fn evaluation_stage(recipe: &Recipe) -> &'static str {
    match recipe.evaluation_prompts() {
        EvaluationPrompts::None => "evaluating",
        EvaluationPrompts::Box => "evaluating, given the boxes of the reference masks",
    }
}

/// What the evaluations of a recipe need.
pub(crate) fn evaluate_config(recipe: &Recipe, dataset: &Dataset) -> EvaluateConfig {
    EvaluateConfig {
        n_classes: dataset.n_classes,
        nsd_tolerance_px: recipe.data.nsd_tolerance_px,
        seed: recipe.train.seed,
        prompts: recipe.evaluation_prompts(),
    }
}
