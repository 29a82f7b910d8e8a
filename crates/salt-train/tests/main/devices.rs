//! Other devices compute what the CPU computes, and several what one computes.

use std::path::Path;

use burn::tensor::Device;
use salt_train::{Interrupt, Machine, Outcome, RunResult, Session, Silent, TrainError};

use crate::encoder::SAME_INPUTS;
use crate::prompts::OFTEN;
use crate::support::{StopAfter, Told, assert_same_files, finished, machine, on_cpu, recipe};

/// CUDA multiplies f32 matrices in TF32, with 10 bits of mantissa (1e-3); a network of two layers
/// stays within a few times that. The other backends differ in the order of sums alone.
const TOLERANCE: f64 = 5e-3;

/// Loss and gradient norm of two steps, in the order of `metrics.csv`.
fn two_steps(method: &str, devices: &[Device], out: &Path) -> Vec<f64> {
    let recipe = recipe(method, &["train.samples_per_epoch=3", "train.shards=2"]).unwrap();
    let machine = Machine {
        device: devices[0].clone(),
        others: devices[1..].to_vec(),
        ..machine()
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
fn a_training_step_agrees_with_flex_alone_and_shared_with_flex() {
    let device = Device::default();
    if device == Device::flex() {
        eprintln!("skipped: the device under test is flex itself (BURN_DEVICE chooses another)");
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let (device, flex) = (std::slice::from_ref(&device), [Device::flex()]);
    let both = [&device[0], &flex[0]].map(Clone::clone);
    for method in ["salt", "lora", "full"] {
        let out = tmp.path().join(method);
        let there = two_steps(method, &flex, &out.join("flex"));
        for (name, devices) in [("here", device), ("both", &both)] {
            let here = two_steps(method, devices, &out.join(name));
            for (a, b) in here.iter().zip(&there) {
                let error = (a - b).abs() / b.abs();
                assert!(error < TOLERANCE, "{method}, {name}: {here:?} {there:?}");
            }
        }
    }
}

/// So many devices, all of them the one under test.
fn times(devices: usize) -> Machine {
    let machine = machine();
    Machine {
        others: vec![machine.device.clone(); devices - 1],
        name: vec!["test"; devices].join(","),
        ..machine
    }
}

fn train(method: &str, overrides: &[&str], devices: usize, out: &Path) -> (RunResult, Told) {
    let recipe = recipe(method, overrides).unwrap();
    let mut told = Told::default();
    let mut session = Session::new(&mut told, Interrupt::new());
    let outcome = salt_train::train(&recipe, out, &times(devices), &mut session);
    (finished(outcome).unwrap(), told)
}

/// Two devices against two parts of a batch on one.
fn check(method: &str, overrides: &[&str]) {
    let tmp = tempfile::tempdir().unwrap();
    let (one, two) = (tmp.path().join("one"), tmp.path().join("two"));
    let shards = &["train.shards=2"][..];
    train(method, &[overrides, shards].concat(), 1, &one);
    let (result, told) = train(method, overrides, 2, &two);
    assert_same_files(&one, &two, method);
    assert_eq!(result.device, "test,test");
    let said = told.0.iter().any(|what| what.contains("train.shards = 1"));
    assert!(said, "{told:?}");
}

#[test]
fn two_devices_write_the_bytes_of_two_parts_on_one() {
    check("salt", &["adapter.lambda=0.1"]);
    if !on_cpu() {
        return;
    }
    check("full", &["train.accumulate=2", "train.batch_size=2"]);
    check("lora", &["train.recompute=blocks", "train.ema=0.5"]);
    check("decoder", &SAME_INPUTS);
    check("full", &OFTEN);
}

#[test]
fn copies_follow_tails_that_change_their_ranks() {
    if !on_cpu() {
        return;
    }
    let tails = [
        "train.epochs=4",
        "train.tails.every=1",
        "train.tails.share=0.6",
        "train.tails.until=1.0",
    ];
    check("salt", &tails);
}

#[test]
fn the_number_of_devices_changes_nothing_where_the_recipe_has_enough_parts() {
    let tmp = tempfile::tempdir().unwrap();
    let run = |devices: usize| {
        let out = tmp.path().join(devices.to_string());
        let (_, told) = train("lora", &["train.shards=3"], devices, &out);
        assert!(told.0.is_empty(), "{told:?}");
        out
    };
    let one = run(1);
    for devices in [2, 3] {
        let what = format!("{devices} devices");
        assert_same_files(&one, &run(devices), &what);
    }
}

fn resume(out: &Path, devices: usize) -> Result<RunResult, TrainError> {
    let mut silent = Silent;
    let mut session = Session::new(&mut silent, Interrupt::new());
    finished(salt_train::resume(out, &times(devices), &mut session))
}

#[test]
fn a_run_goes_on_on_as_many_devices_or_fewer_to_the_same_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let straight = tmp.path().join("straight");
    train("salt", &[], 2, &straight);
    // Where a GPU is simulated, on fewer alone.
    let again = if on_cpu() { &[2, 1][..] } else { &[1] };
    for &devices in again {
        let out = tmp.path().join(format!("on {devices}"));
        let interrupt = Interrupt::new();
        let mut observer = StopAfter {
            step: 3,
            interrupt: interrupt.clone(),
        };
        let mut session = Session::new(&mut observer, interrupt);
        let recipe = recipe("salt", &[]).unwrap();
        let outcome = salt_train::train(&recipe, &out, &times(2), &mut session).unwrap();
        assert!(matches!(outcome, Outcome::Interrupted { step: 3, .. }));
        assert!(matches!(
            resume(&out, 3),
            Err(TrainError::MoreDevicesThanShards {
                devices: 3,
                shards: 2
            })
        ));
        resume(&out, devices).unwrap();
        assert_same_files(&straight, &out, &format!("resumed on {devices}"));
    }
}

#[test]
fn more_devices_than_samples_are_refused_and_leave_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("run");
    let recipe = recipe("lora", &[]).unwrap();
    let mut silent = Silent;
    let mut session = Session::new(&mut silent, Interrupt::new());
    let error = salt_train::train(&recipe, &out, &times(4), &mut session).unwrap_err();
    assert!(matches!(
        error,
        TrainError::MoreDevicesThanSamples {
            devices: 4,
            batch_size: 3
        }
    ));
    assert!(!out.exists());
}
