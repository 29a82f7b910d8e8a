//! `salt pretrain`: the small base model, from generated images alone.

use std::path::{Path, PathBuf};

use salt_train::pretrain::{BaseCard, PretrainConfig, PretrainOutcome, pretrain, state_path};
use salt_train::{Session, TrainError};

use crate::device::DeviceOption;
use crate::duration_words::{from_seconds, in_words};
use crate::failure::Failure;
use crate::interrupt;
use crate::output_file;
use crate::progress::Progress;
use crate::screen;

/// Options of `salt pretrain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt pretrain --out base/sam_nano.safetensors --seed 0

Ctrl-C saves and stops, and the same command goes on from there. Beside the weights it writes their
card, base/sam_nano.json, with the scores on held-out generated images.")]
pub(crate) struct Args {
    /// Weights file to write, in half precision
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Optimiser steps
    #[arg(long, value_name = "N", default_value_t = PretrainConfig::default().steps)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Seed of network and images
    #[arg(long, value_name = "S", default_value_t = PretrainConfig::default().seed)]
    seed: u64,
    /// Images a step
    #[arg(long, value_name = "N", default_value_t = PretrainConfig::default().batch_size as u64)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=4096))]
    batch_size: u64,
    /// Peak learning rate
    #[arg(long, value_name = "RATE", default_value_t = PretrainConfig::default().lr)]
    lr: f64,
    /// Share of the images over which the scenes grow from easiest to full difficulty
    #[arg(long, value_name = "SHARE", default_value_t = PretrainConfig::default().curriculum)]
    curriculum: f64,
    /// Steps between two writes of the state that an interrupted run goes on from
    #[arg(long, value_name = "N", default_value_t = PretrainConfig::default().save_every)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    save_every: u64,
    #[command(flatten)]
    device: DeviceOption,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = config(args);
    output_file::prepare(&args.out, Some("safetensors"), &[])?;
    let device = args.device.device.open()?;
    let mut progress = Progress::new();
    let mut session = Session::new(&mut progress, interrupt::listen()?);
    let outcome = pretrain(&config, &args.out, &device, &mut session);
    drop(progress);
    match outcome {
        Ok(PretrainOutcome::Finished) => show(&args.out),
        Ok(PretrainOutcome::Interrupted(step)) => Err(Failure::Interrupted(Some(format!(
            "stopped after step {step} of {}; the same command goes on from there",
            config.steps
        )))),
        Err(error @ TrainError::Changed { .. }) => {
            let state = state_path(&args.out);
            Err(Failure::from(error).with_hint(format!(
                "give the same options as before, or remove {} to begin anew",
                state.display()
            )))
        }
        Err(error @ TrainError::NotSaved { saved, .. }) => {
            let from = saved.map_or("the beginning".to_owned(), |step| format!("step {step}"));
            let hint = format!("see to the disk; the same command goes on from {from}");
            Err(Failure::from(error).with_hint(hint))
        }
        Err(error) => Err(error.into()),
    }
}

fn config(args: &Args) -> PretrainConfig {
    let default = PretrainConfig::default();
    let batch_size = args.batch_size as usize;
    PretrainConfig {
        steps: args.steps,
        seed: args.seed,
        batch_size,
        lr: args.lr,
        curriculum: args.curriculum,
        save_every: args.save_every,
        shards: default.shards.min(batch_size),
        ..default
    }
}

/// The card that was written beside the weights.
fn show(out: &Path) -> Result<(), Failure> {
    let path = out.with_extension("json");
    let text = std::fs::read_to_string(&path).map_err(|e| Failure::io("read", &path, &e))?;
    let card: BaseCard = serde_json::from_str(&text)
        .map_err(|e| Failure::job(format!("`{}` is no card: {e}", path.display()), None))?;
    let scores = &card.held_out;
    let mut rows = vec![
        [
            "IoU from one point".to_owned(),
            screen::score(Some(scores.point_iou), 4),
        ],
        [
            "IoU from one point, best of three".to_owned(),
            screen::score(Some(scores.point_best_iou), 4),
        ],
        [
            "IoU from a box".to_owned(),
            screen::score(Some(scores.box_iou), 4),
        ],
    ];
    for (class, dice) in &scores.dense_dice {
        rows.push([format!("Dice of `{class}`"), screen::score(Some(*dice), 4)]);
    }
    let title = format!("{} held-out scenes", scores.scenes);
    screen::result(screen::table([title.as_str(), "#mean"], rows))?;
    screen::result(format_args!(
        "{} steps, {} images, {}: {}",
        screen::count(card.recipe.steps),
        screen::count(card.images),
        in_words(from_seconds(card.train_s)),
        out.display()
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn config_of(words: &str) -> PretrainConfig {
        let words = format!("pretrain --out o {words}");
        config(&Line::parse_from(words.split_whitespace()).args)
    }

    #[test]
    fn what_is_not_given_stays_as_the_library_has_it() {
        assert_eq!(config_of(""), PretrainConfig::default());
        let one = config_of("--steps 3 --batch-size 1 --seed 9 --save-every 2");
        assert_eq!(
            (one.steps, one.batch_size, one.shards, one.seed),
            (3, 1, 1, 9)
        );
        assert_eq!(one.save_every, 2);
    }
}
