//! The protocol buffers of an event file, as far as a run needs them.
//!
//! | message | field | number | type |
//! |---|---|---|---|
//! | `Event` | `wall_time` | 1 | double |
//! | | `step` | 2 | int64 |
//! | | `file_version` | 3 | string |
//! | | `summary` | 5 | `Summary` |
//! | | `session_log` | 7 | `SessionLog` |
//! | `Summary` | `value` | 1 | repeated `Value` |
//! | `Value` | `tag` | 1 | string |
//! | | `simple_value` | 2 | float |
//! | `SessionLog` | `status` | 1 | enum, START = 1 |
//!
//! Source: `tensorboard/compat/proto/{event,summary}.proto`. As in proto3, a step of 0 is left out; members of a
//! `oneof` (`simple_value`) are always written.

/// How the bytes of a field are laid out: the low three bits of its key.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// `SessionLog.SessionStatus.START`.
const START: u64 = 1;

/// One event.
pub(super) struct Event<'a> {
    /// Seconds since 1970.
    pub wall_time: f64,
    /// Optimiser steps.
    pub step: u64,
    /// What is said about the step.
    pub what: What<'a>,
}

/// What an event says.
pub(super) enum What<'a> {
    /// Version of the file; its first event.
    Version(&'a str),
    /// A session begins here.
    SessionStart,
    /// Values by tag, in single precision.
    Scalars(&'a [(&'a str, f64)]),
}

impl Event<'_> {
    /// The message.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut event = Vec::new();
        key(&mut event, 1, Wire::Fixed64);
        event.extend(self.wall_time.to_le_bytes());
        if self.step > 0 {
            key(&mut event, 2, Wire::Varint);
            varint(&mut event, self.step);
        }
        match &self.what {
            What::Version(version) => bytes(&mut event, 3, version.as_bytes()),
            What::SessionStart => {
                let mut session_log = Vec::new();
                key(&mut session_log, 1, Wire::Varint);
                varint(&mut session_log, START);
                bytes(&mut event, 7, &session_log);
            }
            What::Scalars(values) => {
                let mut summary = Vec::new();
                for (tag, scalar) in *values {
                    let mut value = Vec::new();
                    bytes(&mut value, 1, tag.as_bytes());
                    key(&mut value, 2, Wire::Fixed32);
                    value.extend((*scalar as f32).to_le_bytes());
                    bytes(&mut summary, 1, &value);
                }
                bytes(&mut event, 5, &summary);
            }
        }
        event
    }
}

fn key(message: &mut Vec<u8>, field: u64, wire: Wire) {
    varint(message, field << 3 | wire as u64);
}

fn bytes(message: &mut Vec<u8>, field: u64, content: &[u8]) {
    key(message, field, Wire::Bytes);
    varint(message, content.len() as u64);
    message.extend(content);
}

/// Seven bits a byte, lowest first; the eighth says that more follow.
fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}
