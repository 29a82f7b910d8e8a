//! `salt lr-find`: a range test for the learning rate, before a run.
//!
//! A model is trained for a few steps on the batches a run would begin with, each step at a higher rate than the one
//! before, and thrown away. Where the loss falls fastest, and where it stops falling, say which rates are worth a run.
//! Source: Smith 2017 (Cyclical Learning Rates, section 3.3), with rates that grow exponentially.
//!
//! Everything of the recipe that a step depends on is as in the run: method, optimiser, clipping, loss, augmentation,
//! prompts. Rates of groups keep their ratio to `train.lr`. Not part of the test are what belongs to a run as a whole:
//! the schedule, the moving average, and exchanges of SALT's tails.

mod curve;
mod picture;

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;
use serde::Serialize;

use crate::durable::{folder_of, replace};
use crate::error::TrainError;
use crate::observer::{Event, Session};
use crate::prepare::{prepare, trainer_parts};
use crate::recipe::{Recipe, SPECTRUM_LR_FACTOR};
use crate::run_dir::RunDir;
use crate::step::{BatchPlace, step};
use crate::trainer::TrainerParts;
use curve::{Curve, rate, two_digits};

pub use curve::{Point, Suggestion};

/// Rates that a test may span.
const RATES: std::ops::RangeInclusive<f64> = 1e-12..=1e3;
/// Most steps of a test.
const MOST_STEPS: u64 = 1_000_000;

/// What is tested.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LrFindConfig {
    /// Rate of the first step.
    pub from: f64,
    /// Rate of the last step.
    pub to: f64,
    /// Steps.
    pub steps: u64,
    /// Share of the running mean of the loss that a step leaves, from 0 below 1.
    pub smoothing: f64,
}

impl Default for LrFindConfig {
    fn default() -> Self {
        Self {
            from: 1e-7,
            to: 1.0,
            steps: 100,
            smoothing: 0.9,
        }
    }
}

impl LrFindConfig {
    fn check(&self) -> Result<(), TrainError> {
        let refuse = |what, expected: String, received: String| {
            Err(TrainError::RangeTest {
                what,
                expected,
                received,
            })
        };
        let (low, high) = (RATES.start(), RATES.end());
        let spans = format!("two rates from {low:e} to {high:e}, the first one lower");
        if !(RATES.contains(&self.from) && RATES.contains(&self.to) && self.from < self.to) {
            let received = format!("from {:e} to {:e}", self.from, self.to);
            return refuse("rates", spans, received);
        }
        if !(2..=MOST_STEPS).contains(&self.steps) {
            let expected = format!("from 2 to {MOST_STEPS}");
            return refuse("steps", expected, self.steps.to_string());
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            let expected = "a share from 0, and below 1".to_owned();
            return refuse("smoothing", expected, self.smoothing.to_string());
        }
        Ok(())
    }
}

/// Why a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The last rate was reached.
    Completed,
    /// The smoothed loss was four times its best.
    Diverged,
    /// Loss or gradient was no number.
    NotFinite,
}

/// What a test has found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LrFind {
    /// What was asked for.
    #[serde(flatten)]
    pub config: LrFindConfig,
    /// Why it ended.
    pub stop: Stop,
    /// Every step.
    pub points: Vec<Point>,
    /// `None` where the loss never fell.
    pub suggestion: Option<Suggestion>,
    /// Lines of the recipe's `[train]` with the lower suggestion; empty without one.
    pub recipe_lines: Vec<String>,
    /// The table.
    pub csv: PathBuf,
    /// The picture.
    pub svg: PathBuf,
}

/// How a test ended.
#[derive(Clone, Debug)]
pub enum LrFindOutcome {
    /// The files are written.
    Finished(Box<LrFind>),
    /// Stopped on request after this step; nothing is written.
    Interrupted(u64),
}

/// Test a recipe, and write `lr_find.csv` and `lr_find.svg` into the folder `out`, which is made. On one device, equal
/// recipes give equal bytes.
///
/// # Errors
/// [`TrainError::RangeTest`] for a test that makes no sense; [`TrainError::RunExists`] and [`TrainError::NotVacant`] for
/// a folder that holds something; [`TrainError::NonFinite`] where the first step already is none; as
/// [`crate::run::train`].
pub fn lr_find(
    recipe: &Recipe,
    config: &LrFindConfig,
    out: &Path,
    device: &Device,
    session: &mut Session<'_>,
) -> Result<LrFindOutcome, TrainError> {
    config.check()?;
    if recipe.train.epochs == 0 {
        return Err(TrainError::RangeTest {
            what: "recipe",
            expected: "a method that is trained and train.epochs of at least 1".to_owned(),
            received: format!("{} with 0 epochs", recipe.adapter.method()),
        });
    }
    RunDir::check_vacant(out)?;
    let device = device.clone().autodiff();
    let (prepared, model) = prepare(recipe, &device, session)?;
    let parts = trainer_parts(recipe, &prepared, model, vec![device])?;
    std::fs::create_dir_all(out).map_err(|e| TrainError::io(out, e))?;
    session.event(Event::Stage("testing learning rates"));
    let (curve, stop) = match walk(parts, config, session)? {
        Walk::Ended(curve, stop) => (curve, stop),
        Walk::Interrupted(step) => return Ok(LrFindOutcome::Interrupted(step)),
    };
    prepared.watch.clone().check()?;
    let suggestion = curve.suggestion();
    let recipe_lines = suggestion.map_or_else(Vec::new, |s| lines(recipe, s.lr()));
    let (csv, svg) = (out.join("lr_find.csv"), out.join("lr_find.svg"));
    let picture = picture::render(
        curve.points(),
        [config.from, config.to],
        suggestion.as_ref(),
    );
    for (path, bytes) in [(&csv, table(curve.points())?), (&svg, picture.into_bytes())] {
        replace(&*session.files, path, &bytes).map_err(|e| TrainError::io(path, e))?;
    }
    // The folder above is not ours, and may be one that we cannot open.
    let _ = session.files.sync(folder_of(out));
    Ok(LrFindOutcome::Finished(Box::new(LrFind {
        config: *config,
        stop,
        points: curve.points().to_vec(),
        suggestion,
        recipe_lines,
        csv,
        svg,
    })))
}

enum Walk {
    Ended(Curve, Stop),
    Interrupted(u64),
}

/// The steps, on the batches of the first epochs.
fn walk(
    mut parts: TrainerParts,
    config: &LrFindConfig,
    session: &mut Session<'_>,
) -> Result<Walk, TrainError> {
    let mut curve = Curve::new(config.smoothing);
    let (loader, base) = (parts.loader.clone(), parts.config.lr);
    let batches = (0..).flat_map(|epoch| {
        let batches = loader.iter().flat_map(move |l| l.batches(epoch, 0));
        (0..)
            .zip(batches)
            .map(move |(batch, data)| (BatchPlace { epoch, batch }, data))
    });
    let mut done = Instant::now();
    for (index, (place, batch)) in (0..config.steps).zip(batches) {
        let batch = batch?;
        let started = Instant::now();
        let lr = rate(config.from, config.to, config.steps, index);
        let loss = match step(&mut parts, &batch, place, lr / base) {
            Ok(outcome) => outcome.loss,
            Err(failed) if index == 0 => {
                return Err(TrainError::NonFinite {
                    what: failed.what,
                    value: failed.value(),
                    epoch: 1,
                    batch: 1,
                    ids: batch.ids,
                    saved: None,
                });
            }
            Err(_) => return Ok(Walk::Ended(curve, Stop::NotFinite)),
        };
        let diverged = curve.push(lr, loss);
        session.event(Event::Step {
            epoch: 1,
            epochs: 1,
            step: index + 1,
            steps: config.steps,
            loss,
            lr,
            step_ms: started.elapsed().as_secs_f64() * 1e3,
            wait_ms: (started - done).as_secs_f64() * 1e3,
        });
        done = Instant::now();
        if session.interrupt.is_set() {
            return Ok(Walk::Interrupted(index + 1));
        }
        if diverged {
            return Ok(Walk::Ended(curve, Stop::Diverged));
        }
    }
    Ok(Walk::Ended(curve, Stop::Completed))
}

/// What to write into `[train]` for the rate `lr`: other rates that the recipe names keep their ratio.
fn lines(recipe: &Recipe, lr: f64) -> Vec<String> {
    let config = &recipe.train;
    let scaled = |rate: f64| two_digits(rate / config.lr * lr);
    let mut lines = vec![format!("lr = {lr:e}")];
    // Left out of a recipe, it follows the rate.
    if let Some(rate) = config
        .spectrum_lr
        .filter(|rate| *rate != SPECTRUM_LR_FACTOR * config.lr)
    {
        lines.push(format!("spectrum_lr = {:e}", scaled(rate)));
    }
    for group in &config.optimizer.groups {
        if let Some(rate) = group.lr {
            let (paths, rate) = (&group.paths, scaled(rate));
            lines.push(format!(
                "# optimizer.groups: lr = {rate:e} for paths = '{paths}'"
            ));
        }
    }
    lines
}

/// The table: no times, so that equal tests give equal bytes.
fn table(points: &[Point]) -> Result<Vec<u8>, TrainError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for point in points {
        writer.serialize(point)?;
    }
    writer
        .into_inner()
        .map_err(|e| TrainError::Csv(e.into_error().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: LrFindConfig, says: &str) {
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn tests_that_make_no_sense_are_refused() {
        let default = LrFindConfig::default();
        default.check().unwrap();
        for (from, to) in [
            (0.0, 1.0),
            (-1e-3, 1.0),
            (1e-3, 1e-3),
            (1e-2, 1e-3),
            (f64::NAN, 1.0),
            (1e-3, f64::INFINITY),
        ] {
            check(
                LrFindConfig {
                    from,
                    to,
                    ..default
                },
                "two rates from 1e-12 to 1e3",
            );
        }
        for steps in [0, 1, u64::MAX] {
            check(LrFindConfig { steps, ..default }, "from 2 to 1000000");
        }
        for smoothing in [-0.1, 1.0, f64::NAN] {
            check(
                LrFindConfig {
                    smoothing,
                    ..default
                },
                "below 1",
            );
        }
    }
}
