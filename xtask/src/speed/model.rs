//! The model against transformers' `SamModel` in PyTorch: training steps, encoding, decoding, decompositions.
//! Encoding also against candle-transformers' `Sam`, built with candle's default features (no MKL).
//!
//! Rows are `WORK_SIZE_bBATCH`, steps `step_METHOD_SIZE_bBATCH`; every repeat is a process of its own that
//! warms up once and takes the median of [`INNER`] runs. Both sides have random weights: no operation
//! of either depends on them.

use super::row::{Measured, Row, Subject, alone, interleaved};
use super::{Bench, Compared};

/// Runs of a process that count.
const INNER: &str = "3";
/// Methods that the PyTorch program has too.
const PEERS: [&str; 5] = ["paper-salt-256", "lora", "dora", "pissa", "full"];

/// Training steps of every method that was asked for.
pub(super) fn steps(bench: &Bench) -> anyhow::Result<Compared> {
    let mut rows = Compared::default();
    for (size, batch) in bench.shapes() {
        for method in &bench.methods {
            let name = format!("step_{method}_{size}_b{batch}");
            let words = ["--work", "step", "--method", method];
            let peer = PEERS.contains(&method.as_str());
            rows.add(measure(bench, name, &words, (size, batch), peer)?);
        }
    }
    Ok(rows)
}

/// Pixels to embedding.
pub(super) fn encode(bench: &Bench) -> anyhow::Result<Compared> {
    plain(bench, "encode", true)
}

/// An embedding and a box to masks.
pub(super) fn decode(bench: &Bench) -> anyhow::Result<Compared> {
    plain(bench, "decode", true)
}

/// The bytes of an image and a box to masks at its size.
pub(super) fn predict(bench: &Bench) -> anyhow::Result<Compared> {
    plain(bench, "predict", false)
}

/// The decompositions of a first start, against PyTorch's; then of one that finds them on disk.
pub(super) fn attach(bench: &Bench) -> anyhow::Result<Compared> {
    let mut rows = plain(bench, "attach", true)?;
    let cached = plain(bench, "attach-cached", false)?;
    rows.rows.extend(cached.rows);
    Ok(rows)
}

/// Every operation of a SALT step on its own.
pub(super) fn operations(bench: &Bench) -> anyhow::Result<Compared> {
    plain(bench, "operations", false)
}

fn plain(bench: &Bench, work: &str, peer: bool) -> anyhow::Result<Compared> {
    let mut rows = Compared::default();
    for (size, batch) in bench.shapes() {
        let name = format!("{work}_{size}_b{batch}");
        let words = ["--work", work];
        rows.add(measure(bench, name, &words, (size, batch), peer)?);
    }
    Ok(rows)
}

/// Measures ours and, where it has such work, the peer.
fn measure(
    bench: &Bench,
    work: String,
    words: &[&str],
    (size, batch): (usize, usize),
    with_peer: bool,
) -> anyhow::Result<(Row, Option<String>)> {
    let (size, batch) = (size.to_string(), batch.to_string());
    let shape = ["--size", &size, "--batch", &batch, "--repeats", INNER];
    let arguments = [words, &shape].concat();
    let ours = || Measured::by(bench.programs.ours(bench.device)?.args(&arguments));
    let subject = Subject {
        work,
        backend: bench.device.name(),
        peer: bench.peer.name(),
    };
    // What has to be built is built before anything is measured.
    bench.programs.ours(bench.device)?;
    if !with_peer {
        return Ok((alone(subject, bench.repeats, ours)?, None));
    }
    bench.programs.peer(bench, &arguments)?;
    let peer = || Measured::by(&mut bench.programs.peer(bench, &arguments)?);
    let (row, program) = interleaved(subject, bench.repeats, ours, peer)?;
    Ok((row, Some(program)))
}
