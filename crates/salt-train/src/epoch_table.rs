//! `metrics.csv`: one row per epoch, no times, so that equal runs give equal bytes.

use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::validate::FullScores;

/// One epoch of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// Epoch, from 1.
    pub epoch: u64,
    /// Optimiser steps so far.
    pub step: u64,
    /// Base learning rate of the last step.
    pub lr: f64,
    /// Mean loss over the batches, penalty included.
    pub train_loss: f64,
    /// Mean global gradient norm before clipping.
    pub grad_norm: f64,
    /// Mean Dice over the validation cases, `None` when this epoch was not validated or no case
    /// has a defined Dice.
    pub val_dice: Option<f64>,
    /// Mean IoU over the validation cases, likewise.
    pub val_iou: Option<f64>,
    /// Whether this epoch is the best so far.
    pub best: bool,
    /// The columns that `train.validation = "full"` adds: then in every row, else in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<FullScores>,
}

impl EpochRow {
    /// Every validation score under its TensorBoard tag.
    pub fn validation(&self) -> Vec<(&'static str, Option<f64>)> {
        let mut scores = vec![("val/dice", self.val_dice), ("val/iou", self.val_iou)];
        if let Some(full) = self.full {
            scores.extend([
                ("val/cldice", full.val_cldice),
                ("val/hd95", full.val_hd95),
                ("val/assd", full.val_assd),
                ("val/nsd", full.val_nsd),
                ("val/precision", full.val_precision),
                ("val/recall", full.val_recall),
            ]);
        }
        scores
    }
}

const COLUMNS: [&str; 8] = [
    "epoch",
    "step",
    "lr",
    "train_loss",
    "grad_norm",
    "val_dice",
    "val_iou",
    "best",
];

/// Those of [`FullScores`], which follow.
const FULL_COLUMNS: [&str; 6] = [
    "val_cldice",
    "val_hd95",
    "val_assd",
    "val_nsd",
    "val_precision",
    "val_recall",
];

/// The rows as CSV with a header; undefined values are empty fields.
pub fn to_csv(rows: &[EpochRow]) -> Result<Vec<u8>, TrainError> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    let mut header = COLUMNS.to_vec();
    if rows.iter().any(|row| row.full.is_some()) {
        header.extend(FULL_COLUMNS);
    }
    writer.write_record(header)?;
    for row in rows {
        writer.serialize(row)?;
    }
    writer
        .into_inner()
        .map_err(|e| TrainError::Csv(e.into_error().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: u64, val_dice: Option<f64>) -> EpochRow {
        EpochRow {
            epoch,
            step: 4 * epoch,
            lr: 1e-4,
            train_loss: 0.5,
            grad_norm: 2.0,
            val_dice,
            val_iou: None,
            best: val_dice.is_some(),
            full: None,
        }
    }

    fn check(rows: &[EpochRow], lines: &[&str]) {
        let text = String::from_utf8(to_csv(rows).unwrap()).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn undefined_values_are_empty_and_the_header_is_the_same_without_rows() {
        let header = "epoch,step,lr,train_loss,grad_norm,val_dice,val_iou,best";
        check(&[], &[header]);
        check(
            &[row(1, None), row(2, Some(0.25))],
            &[
                header,
                "1,4,0.0001,0.5,2.0,,,false",
                "2,8,0.0001,0.5,2.0,0.25,,true",
            ],
        );
    }

    #[test]
    fn full_scores_follow_under_their_names() {
        let full = FullScores {
            val_cldice: Some(0.1),
            val_hd95: Some(2.0),
            val_assd: Some(3.0),
            val_nsd: Some(0.4),
            val_precision: Some(0.5),
            val_recall: Some(0.6),
        };
        let with = |row, full| EpochRow {
            full: Some(full),
            ..row
        };
        let rows = [
            with(row(1, None), FullScores::default()),
            with(row(2, Some(0.25)), full),
        ];
        check(
            &rows,
            &[
                "epoch,step,lr,train_loss,grad_norm,val_dice,val_iou,best,\
                 val_cldice,val_hd95,val_assd,val_nsd,val_precision,val_recall",
                "1,4,0.0001,0.5,2.0,,,false,,,,,,",
                "2,8,0.0001,0.5,2.0,0.25,,true,0.1,2.0,3.0,0.4,0.5,0.6",
            ],
        );
    }
}
