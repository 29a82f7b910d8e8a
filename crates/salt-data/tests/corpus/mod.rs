//! The corpora of the fuzz targets, replayed on the stable toolchain: every file of `tests/corpus/NAME`, and changes of
//! them that are the same on every machine.
//!
//! A target is a file here with a function of the bytes that panics when something is wrong and otherwise says whether
//! they were accepted, and a file of the same name in the repository's `fuzz/fuzz_targets` that calls it.

mod archive;
mod mask;
mod mutate;
mod nifti;
mod splits;

use std::path::Path;
use std::time::{Duration, Instant};

use mutate::Mutator;

/// Far more than an input of a few kilobytes takes on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `target` on the corpus `name` and on `changes` changed inputs; `repair` makes checksums right again, behind
/// which most changes would be refused at once. Some inputs must be accepted and some refused.
fn replay(name: &str, changes: usize, repair: fn(&mut [u8]), target: impl Fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("a corpus")
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    let seeds: Vec<_> = paths
        .iter()
        .map(|path| std::fs::read(path).expect("readable"))
        .collect();
    let mut accepted = [0; 2];
    let mut run = |what: &str, input: &[u8]| {
        let start = Instant::now();
        accepted[usize::from(target(input))] += 1;
        let took = start.elapsed();
        assert!(took < PATIENCE, "{what}: {took:?}");
    };
    for (path, seed) in paths.iter().zip(&seeds) {
        run(&path.display().to_string(), seed);
    }
    let mut mutator = Mutator::new(name);
    for index in 0..changes {
        let mut input = mutator.change(&seeds);
        if index % 2 == 0 {
            repair(&mut input);
        }
        run(&format!("change {index}"), &input);
    }
    assert!(accepted[0] > 0 && accepted[1] > 0, "{accepted:?}");
}

#[test]
fn archives() {
    replay("archive", 2000, archive::repair, archive::run);
}

#[test]
fn masks() {
    replay("mask", 2000, |_| {}, mask::run);
}

#[test]
fn tables() {
    replay("splits", 2000, |_| {}, splits::run);
}

#[test]
fn volumes() {
    replay("nifti", 2000, |_| {}, nifti::run);
}
