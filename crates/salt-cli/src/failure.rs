//! How a command ends when it does not end well, and with which exit code.
//!
//! The rule: what is wrong with something the user typed or pointed to (an option, a recipe, a
//! folder, weights of another model, a device that was not compiled in) is wrong use, code 2. What
//! goes wrong while working on sound input (a full disk, a loss that explodes), and a check that
//! finds something, is a failed job, code 1. Stopping on a signal is 128 and its number, as shells expect it.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::interrupt;
use crate::screen;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something the user typed or pointed to.
    Use,
    /// Something that happened while working.
    Job,
}

/// The end of a command that did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be told, with what to do about it.
    Told {
        /// Decides the exit code.
        kind: Kind,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A check that found something and has said what.
    Found,
    /// Stopped on request; the text says how to go on.
    Interrupted(Option<String>),
    /// Whoever read our output has left; there is nobody to tell.
    NobodyReads,
}

impl Failure {
    /// Wrong use.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Told {
            kind: Kind::Use,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// A failed job.
    pub(crate) fn job(message: impl Into<String>, hint: Option<String>) -> Self {
        Self::Told {
            kind: Kind::Job,
            message: message.into(),
            hint,
        }
    }

    /// A file or folder that could not be used.
    pub(crate) fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        Self::Told {
            kind: kind_of_io(error),
            message: format!("cannot {action} `{}`: {error}", path.display()),
            hint: Some(hint_of_io(error).to_owned()),
        }
    }

    /// The same with another hint, where the command knows better.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Told { kind, message, .. } => Self::Told {
                kind,
                message,
                hint: Some(hint.into()),
            },
            other => other,
        }
    }

    /// Tell it on standard error, and give the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Told {
                kind,
                message,
                hint,
            } => {
                screen::error(message, hint.as_deref());
                ExitCode::from(match kind {
                    Kind::Use => 2,
                    Kind::Job => 1,
                })
            }
            Self::Found => ExitCode::from(1),
            Self::Interrupted(how_to_go_on) => {
                if let Some(text) = how_to_go_on {
                    screen::note(text);
                }
                ExitCode::from(interrupt::exit_code())
            }
            Self::NobodyReads => ExitCode::SUCCESS,
        }
    }
}

/// A path that is not there, or is a file where a folder should be, or is taken, was typed wrong.
pub(crate) fn kind_of_io(error: &io::Error) -> Kind {
    use io::ErrorKind as E;
    match error.kind() {
        E::NotFound | E::NotADirectory | E::IsADirectory | E::AlreadyExists | E::InvalidData => {
            Kind::Use
        }
        _ => Kind::Job,
    }
}

pub(crate) fn hint_of_io(error: &io::Error) -> &'static str {
    use io::ErrorKind as E;
    match error.kind() {
        E::NotFound => "check the path; it is relative to the folder you are in",
        E::NotADirectory => "give a folder",
        E::IsADirectory => "give a file",
        E::AlreadyExists => "the name is taken by something else: choose another",
        E::PermissionDenied => "check the permissions of the file and its folder",
        E::InvalidData => "the file should be UTF-8 text",
        E::StorageFull => "free some space on this disk",
        _ => "check permissions and free space",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: io::ErrorKind, expected: Kind) {
        let failure = Failure::io("read", Path::new("a.toml"), &kind.into());
        let Failure::Told {
            kind,
            message,
            hint,
        } = failure
        else {
            panic!("{failure:?}");
        };
        assert_eq!(kind, expected);
        assert!(message.contains("`a.toml`"), "{message}");
        assert!(hint.is_some());
    }

    #[test]
    fn a_missing_file_is_wrong_use_and_a_full_disk_is_not() {
        check(io::ErrorKind::NotFound, Kind::Use);
        check(io::ErrorKind::StorageFull, Kind::Job);
        check(io::ErrorKind::PermissionDenied, Kind::Job);
    }
}
