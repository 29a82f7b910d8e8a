//! The framing of a TFRecord file: length, its checksum, bytes, their checksum, all little-endian.

use super::crc32c::masked;

/// One record (`tensorflow/core/lib/io/record_writer.h`).
pub(super) fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(bytes.len() + 16);
    record.extend(length);
    record.extend(masked(&length).to_le_bytes());
    record.extend(bytes);
    record.extend(masked(bytes).to_le_bytes());
    record
}

#[cfg(test)]
mod tests {
    use super::super::event::{Event, What};
    use super::*;

    /// Written by TensorBoard's own writer: tests/parity/events.py.
    const THEIRS: &[u8] = include_bytes!("../../tests/parity/events.tfevents");

    #[test]
    fn a_file_is_the_one_that_tensorboard_writes() {
        let event = |wall_time, step, what| Event {
            wall_time,
            step,
            what,
        };
        let events = [
            event(1.75e9, 0, What::Version("brain.Event:2")),
            event(1.75e9 + 0.5, 301, What::SessionStart),
            event(
                1.75e9 + 1.25,
                301,
                What::Scalars(&[("train/loss", 0.3), ("val/dice", 0.0)]),
            ),
            event(
                1.75e9 + 2.0,
                1 << 40,
                What::Scalars(&[(
                    "a tag of more than a hundred and twenty-seven bytes, so that its length and those of the messages around it take two bytes each",
                    -1e-3,
                )]),
            ),
            event(1.75e9 + 3.0, 302, What::Scalars(&[])),
        ];
        let ours: Vec<u8> = events
            .iter()
            .flat_map(|event| frame(&event.encode()))
            .collect();
        assert_eq!(ours, THEIRS);
    }
}
