//! `non_finite/step-N/`: what is kept of a batch whose loss or gradient is not a number.
//!
//! | file | what |
//! |---|---|
//! | `batch.safetensors` | `images [n, 3, h, w]` f32, RGB in 0 to 255, and `labels [n, h, w]` u8, 255 where there is no truth: the bytes the network was given |
//! | `II-CASE-image.png`, `II-CASE-mask.png` | the same, sample by sample, to look at: classes in their colours, grey where there is no truth |
//! | `report.json` | where in the run, loss, rate, cases with their random streams, prompts, parameters with values or gradients that are no numbers |
//!
//! `report.json` is written last: a folder that has it is complete. A folder that is complete is never written to
//! again; the same failure met once more (a resumed run meets it) is found there, another one at that step goes
//! to `step-N-2`.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use image::ExtendedColorType;
use safetensors::tensor::TensorView;
use salt_data::{Batch, IGNORE_LABEL, ImageRgb, LabelMap, sample_stream};
use salt_sam::ClassPrompt;
use serde_json::{Value, json};

use crate::error::TrainError;
use crate::observer::Session;
use crate::overlay;
use crate::predict::{file_stem, png};
use crate::run_dir::RunDir;
use crate::step::{BatchPlace, FailedStep, batch_prompts};
use crate::trainer::TrainerParts;

const REPORT: &str = "report.json";
const TENSORS: &str = "batch.safetensors";
/// Most characters of a case's name in a file name: systems allow 255 bytes.
const LONGEST_STEM: usize = 40;
/// Grey of pixels without truth.
const NO_TRUTH: u8 = 96;

/// A batch that a step failed on.
pub(crate) struct FailedBatch<'a> {
    pub parts: &'a TrainerParts,
    pub batch: &'a Batch,
    pub place: BatchPlace,
    pub failed: &'a FailedStep,
    /// The step that was not taken, from 1.
    pub step: u64,
    pub lr: f64,
}

impl FailedBatch<'_> {
    /// Keep the batch, and give the error that ends the run. Where it cannot be kept, that is said and the error
    /// names no folder.
    pub(crate) fn keep(&self, run: &RunDir, session: &mut Session<'_>) -> TrainError {
        let saved = match self.write(run) {
            Ok(folder) => Some(folder),
            Err(error) => {
                run.warn(session, &format!("the failed batch is not kept: {error}"));
                None
            }
        };
        TrainError::NonFinite {
            what: self.failed.what,
            value: self.failed.value(),
            epoch: self.place.epoch + 1,
            batch: self.place.batch as usize + 1,
            ids: self.batch.ids.clone(),
            saved,
        }
    }

    fn write(&self, run: &RunDir) -> Result<PathBuf, TrainError> {
        let (tensors, report) = (tensors(self.batch)?, self.report()?);
        let folder = self.vacant(run, &tensors, &report);
        if folder.join(REPORT).exists() {
            return Ok(folder);
        }
        fs::create_dir_all(&folder).map_err(|e| TrainError::io(&folder, e))?;
        run.write(&folder.join(TENSORS), &tensors)?;
        for (name, picture) in pictures(self.batch) {
            let path = folder.join(name);
            let size = [picture.width, picture.height];
            let bytes = png(&path, &picture.data, size, ExtendedColorType::Rgb8)?;
            run.write(&path, &bytes)?;
        }
        run.write(&folder.join(REPORT), &report)?;
        for names in [run.non_finite(), run.root().to_owned()] {
            run.sync(&names)?;
        }
        Ok(folder)
    }

    /// The first folder that is not complete, or holds this very failure.
    fn vacant(&self, run: &RunDir, tensors: &[u8], report: &[u8]) -> PathBuf {
        let holds = |path: PathBuf, bytes: &[u8]| fs::read(path).is_ok_and(|held| held == bytes);
        let mut folder = run.non_finite().join(format!("step-{}", self.step));
        let mut again = 1u64;
        while folder.join(REPORT).exists()
            && !(holds(folder.join(REPORT), report) && holds(folder.join(TENSORS), tensors))
        {
            again += 1;
            folder = folder.with_file_name(format!("step-{}-{again}", self.step));
        }
        folder
    }

    fn report(&self) -> Result<Vec<u8>, TrainError> {
        let Self {
            parts,
            batch,
            place,
            failed,
            ..
        } = self;
        let config = &parts.config;
        let first = place.batch as usize * config.batch_size * config.accumulate;
        let area = 3 * batch.height * batch.width;
        let samples: Vec<Value> = batch
            .ids
            .iter()
            .zip(batch.pixels_bchw.chunks_exact(area))
            .enumerate()
            .map(|(i, (id, pixels))| {
                json!({
                    "case": id,
                    "sample": first + i,
                    "stream": sample_stream(place.epoch, first + i),
                    "non_finite_pixels": pixels.iter().filter(|x| !x.is_finite()).count(),
                })
            })
            .collect();
        let prompts = batch_prompts(parts, batch, *place);
        let part_losses: Vec<Value> = failed.part_losses.iter().copied().map(number).collect();
        let document = json!({
            "what": failed.what,
            "step": self.step,
            "epoch": place.epoch + 1,
            "batch": place.batch + 1,
            "loss": number(failed.loss),
            "part_losses": part_losses,
            "grad_norm": number(failed.grad_norm),
            "lr": number(self.lr),
            "seed": config.seed,
            "samples": samples,
            "prompts": prompts.map(|prompts| prompts_of(&prompts, parts.model.n_classes())),
            "parameters": failed.parameters,
        });
        Ok(format!("{}\n", serde_json::to_string_pretty(&document)?).into_bytes())
    }
}

/// JSON has no number for these: they are text.
fn number(value: f64) -> Value {
    match value.is_finite() {
        true => json!(value),
        false => json!(value.to_string()),
    }
}

fn prompts_of(prompts: &[ClassPrompt], n_classes: usize) -> Vec<Value> {
    let one = |(i, prompt): (usize, &ClassPrompt)| {
        json!({
            "index": i / n_classes,
            "class": i % n_classes + 1,
            "points": prompt.points,
            "box": prompt.bounding_box,
        })
    };
    prompts.iter().enumerate().map(one).collect()
}

fn tensors(batch: &Batch) -> Result<Vec<u8>, TrainError> {
    let Batch {
        size,
        height,
        width,
        ..
    } = *batch;
    let pixels: Vec<u8> = batch
        .pixels_bchw
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let write = || {
        let images = TensorView::new(
            safetensors::Dtype::F32,
            vec![size, 3, height, width],
            &pixels,
        )?;
        let labels = TensorView::new(
            safetensors::Dtype::U8,
            vec![size, height, width],
            &batch.labels_bhw,
        )?;
        let views = [("images", images), ("labels", labels)];
        safetensors::serialize(views, None::<HashMap<String, String>>)
    };
    write().map_err(|e| TrainError::Tensors {
        reason: e.to_string(),
    })
}

/// Image and mask of every sample, with their file names.
fn pictures(batch: &Batch) -> impl Iterator<Item = (String, ImageRgb)> {
    let (width, height) = (batch.width, batch.height);
    let area = width * height;
    (0..batch.size).flat_map(move |i| {
        let planes = &batch.pixels_bchw[3 * area * i..3 * area * (i + 1)];
        let labels = &batch.labels_bhw[area * i..area * (i + 1)];
        // A pixel that is no number becomes black.
        let value = |k: usize, plane: usize| planes[plane * area + k].round() as u8;
        let image = (0..area).flat_map(|k| [value(k, 0), value(k, 1), value(k, 2)]);
        let ground = labels.iter().flat_map(|label| match *label {
            IGNORE_LABEL => [NO_TRUTH; 3],
            _ => [0; 3],
        });
        let rgb = |data: Vec<u8>| ImageRgb {
            width,
            height,
            data,
        };
        let classes = LabelMap {
            width,
            height,
            classes: labels.to_vec(),
        };
        let mask = overlay::draw(&rgb(ground.collect()), &classes, Some(&classes));
        let stem: String = file_stem(&batch.ids[i])
            .chars()
            .take(LONGEST_STEM)
            .collect();
        [
            (format!("{i:02}-{stem}-image.png"), rgb(image.collect())),
            (format!("{i:02}-{stem}-mask.png"), mask),
        ]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_a_number_in_json_are_text() {
        for (value, expected) in [
            (1.5, json!(1.5)),
            (f64::NAN, json!("NaN")),
            (f64::NEG_INFINITY, json!("-inf")),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn pictures_show_each_sample_as_it_was_given() {
        let batch = Batch {
            size: 2,
            height: 1,
            width: 2,
            pixels_bchw: vec![
                0.4,
                f32::NAN,
                1.6,
                300.0,
                9.0,
                9.0,
                10.0,
                20.0,
                30.0,
                40.0,
                50.0,
                60.0,
            ],
            labels_bhw: vec![0, IGNORE_LABEL, 1, 0],
            ids: vec!["a/b".to_owned(), "c".repeat(300)],
        };
        let pictures: Vec<_> = pictures(&batch).collect();
        let names: Vec<&str> = pictures.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names[..2], ["00-a_b-image.png", "00-a_b-mask.png"]);
        assert!(pictures.iter().all(|(name, _)| name.len() < 64));
        assert_eq!(pictures[0].1.data, [0, 2, 9, 0, 255, 9]);
        assert_eq!(pictures[1].1.data, [0, 0, 0, 96, 96, 96]);
        assert_eq!(pictures[2].1.data, [10, 30, 50, 20, 40, 60]);
        assert!(pictures[3].1.data[..3] != [0; 3] && pictures[3].1.data[3..] == [0; 3]);
    }
}
