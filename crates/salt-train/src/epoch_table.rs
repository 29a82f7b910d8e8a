//! `metrics.csv`: one row per epoch, no times, so that equal runs give equal bytes.

use serde::{Deserialize, Serialize};

use crate::error::TrainError;

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
}

/// The rows as CSV with a header; undefined values are empty fields.
pub fn to_csv(rows: &[EpochRow]) -> Result<Vec<u8>, TrainError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if rows.is_empty() {
        writer.write_record([
            "epoch",
            "step",
            "lr",
            "train_loss",
            "grad_norm",
            "val_dice",
            "val_iou",
            "best",
        ])?;
    }
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
        }
    }

    #[test]
    fn undefined_values_are_empty_and_the_header_is_the_same_without_rows() {
        let text = String::from_utf8(to_csv(&[row(1, None), row(2, Some(0.25))]).unwrap()).unwrap();
        let empty = String::from_utf8(to_csv(&[]).unwrap()).unwrap();
        assert_eq!(text.lines().next(), empty.lines().next());
        assert_eq!(text.lines().nth(1), Some("1,4,0.0001,0.5,2.0,,,false"));
        assert_eq!(text.lines().nth(2), Some("2,8,0.0001,0.5,2.0,0.25,,true"));
    }
}
