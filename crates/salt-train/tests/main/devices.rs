//! Other devices compute what the CPU computes.

use std::path::Path;

use burn::tensor::Device;
use salt_train::{Interrupt, Machine, Session, Silent};

use crate::support::{finished, recipe};

/// CUDA multiplies f32 matrices in TF32, with 10 bits of mantissa (1e-3); a network of two layers
/// stays within a few times that. The other backends differ in the order of sums alone.
const TOLERANCE: f64 = 5e-3;

/// Loss and gradient norm of two steps, in the order of `metrics.csv`.
fn two_steps(method: &str, device: Device, out: &Path) -> Vec<f64> {
    let recipe = recipe(method, &["train.samples_per_epoch=3"]).unwrap();
    let machine = Machine {
        device,
        name: "test".into(),
        commit: None,
    };
    let mut observer = Silent;
    let mut session = Session::new(&mut observer, Interrupt::new());
    finished(salt_train::train(&recipe, out, &machine, &mut session)).unwrap();
    let mut reader = csv::Reader::from_path(out.join("metrics.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let columns: Vec<usize> = ["train_loss", "grad_norm"]
        .iter()
        .map(|name| header.iter().position(|h| h == *name).unwrap())
        .collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2, "two epochs of one step");
    rows.iter()
        .flat_map(|row| columns.iter().map(|&c| row[c].parse::<f64>().unwrap()))
        .collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_training_step_agrees_with_flex() {
    let device = Device::default();
    if device == Device::flex() {
        eprintln!("skipped: the device under test is flex itself (BURN_DEVICE chooses another)");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    for method in ["salt", "lora", "full"] {
        let here = two_steps(method, device.clone(), &tmp.path().join(method));
        let there = two_steps(
            method,
            Device::flex(),
            &tmp.path().join(method).join("flex"),
        );
        for (a, b) in here.iter().zip(&there) {
            let error = (a - b).abs() / b.abs();
            assert!(error < TOLERANCE, "{method}: {here:?} {there:?}");
        }
    }
}
