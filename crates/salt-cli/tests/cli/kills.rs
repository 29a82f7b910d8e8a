//! A run that is killed at random moments and resumed ends in the bytes of one that was not.

use std::fs::File;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::inputs::{Inputs, command, device, succeed};

/// Three epochs of eight steps, and a checkpoint every other step.
const SETTINGS: [&str; 4] = [
    "train.epochs=3",
    "train.samples_per_epoch=24",
    "train.checkpoint_every=2",
    "train.overlays=0",
];

/// Starts the run, or resumes it where it has begun. What it says goes to a file beside it.
fn start(inputs: &Inputs, run: &str) -> Child {
    let arguments = match inputs.file(run).join("recipe.toml").exists() {
        true => vec!["resume".to_owned(), inputs.path(run)],
        false => inputs.train(run, &SETTINGS),
    };
    let said = File::create(inputs.file("said")).unwrap();
    let mut command = command(&arguments);
    command.stdout(Stdio::null()).stderr(said).spawn().unwrap()
}

/// Kills the process unless it ends before that; whether it had to.
fn kill_after(child: &mut Child, delay: Duration, inputs: &Inputs) -> bool {
    let started = Instant::now();
    while started.elapsed() < delay {
        if let Some(status) = child.try_wait().unwrap() {
            let said = std::fs::read_to_string(inputs.file("said")).unwrap();
            assert!(status.success(), "{status}: {said}");
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // SIGKILL, where there are signals.
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

/// Runs are killed until that many kills are done, and then left to end.
fn check(mut kills: usize, seed: u64) {
    if device() != "flex" {
        return;
    }
    let inputs = Inputs::new();
    let started = Instant::now();
    succeed(&inputs.train("straight", &SETTINGS));
    let longest = started.elapsed();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for round in 0.. {
        let run = format!("killed{round}");
        loop {
            let delay = match kills {
                0 => Duration::MAX,
                _ => longest.mul_f64(f64::from(random.next_u32()) / f64::from(u32::MAX)),
            };
            match kill_after(&mut start(&inputs, &run), delay, &inputs) {
                true => kills -= 1,
                false => break,
            }
        }
        for name in [
            "adapter/adapter_model.safetensors",
            "adapter/adapter_config.json",
            "metrics.csv",
            "cases.csv",
            "curves.svg",
            "recipe.toml",
        ] {
            let same = inputs.read(&run, name) == inputs.read("straight", name);
            assert!(same, "{name} of {run}, {kills} kills before the end");
        }
        let left = inputs.file(&run).join("checkpoints").read_dir().unwrap();
        assert_eq!(left.count(), 0, "checkpoints of {run}");
        if kills == 0 {
            break;
        }
    }
}

#[test]
fn five_kills_change_no_byte() {
    check(5, 1);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_kills_change_no_byte() {
    check(100, 2);
}
