//! Errors of the library crates as failures of a command: whose fault, what is wrong, what to do.
//!
//! The libraries write problem and remedy into one message. Here they become two lines, and the
//! rule of [`crate::failure`] decides the exit code: listed are the errors of working, everything
//! else is about the input.

use salt_data::DataError;
use salt_data::download::DownloadError;
use salt_data::registry::RegistryError;
use salt_peft::PeftError;
use salt_sam::SamError;
use salt_train::TrainError;

use crate::failure::{Failure, Kind, hint_of_io, kind_of_io};
use crate::screen;

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        let kind = match &error {
            DataError::Io { source, .. } => kind_of_io(source),
            DataError::Length { .. } => Kind::Job,
            _ => Kind::Use,
        };
        Self::Told {
            kind,
            message: error.problem(),
            hint: Some(error.remedy()),
        }
    }
}

/// A folder that cannot be one was typed wrong, a stop was asked for, everything else happened on the way.
impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        let kind = match &error {
            DownloadError::Stopped { partial, bytes } => {
                let said = match bytes {
                    0 => "stopped before the first byte came".to_owned(),
                    bytes => format!(
                        "stopped with {} bytes in {}; the same command goes on from there",
                        screen::count(*bytes),
                        partial.display()
                    ),
                };
                return Self::Interrupted(Some(said));
            }
            DownloadError::Io { source, .. } => kind_of_io(source),
            _ => Kind::Job,
        };
        Self::Told {
            kind,
            message: error.problem(),
            hint: Some(error.remedy()),
        }
    }
}

/// What was asked for or brought is wrong use; what happens on the way is a failed job.
impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let kind = match error {
            RegistryError::Download(error) => return error.into(),
            RegistryError::Data(error) => return error.into(),
            RegistryError::Stopped => return Self::Interrupted(Some(error.remedy())),
            // The archive came, and a hand has to unpack it.
            RegistryError::Unpack { .. } | RegistryError::Busy { .. } => Kind::Job,
            _ => Kind::Use,
        };
        Self::Told {
            kind,
            message: error.problem(),
            hint: Some(error.remedy()),
        }
    }
}

impl From<SamError> for Failure {
    fn from(error: SamError) -> Self {
        let hint = match &error {
            SamError::Io { source, .. } => {
                return Self::Told {
                    kind: kind_of_io(source),
                    message: error.to_string(),
                    hint: Some(hint_of_io(source).to_owned()),
                };
            }
            SamError::Stopped => return Self::Interrupted(None),
            SamError::Answer => return told(Kind::Job, &error.to_string(), "; "),
            SamError::Config(message) if !message.contains("; ") => "change [model] of the recipe",
            SamError::Format { .. } => "give a whole checkpoint file: .pth or .safetensors",
            SamError::Keys(_) => {
                "choose the model that this checkpoint was made for (--model, or model.name of the \
                 recipe)"
            }
            SamError::Prompt(message) if !message.contains("; ") => {
                "give --point X,Y or --box X0,Y0,X1,Y1"
            }
            _ => return told(Kind::Use, &error.to_string(), "; "),
        };
        Self::usage(error.to_string(), hint)
    }
}

impl From<PeftError> for Failure {
    fn from(error: PeftError) -> Self {
        let kind = match &error {
            PeftError::Io { source, .. } => kind_of_io(source),
            PeftError::NoConvergence { .. }
            | PeftError::NonFinite { .. }
            | PeftError::Unreadable { .. } => Kind::Job,
            _ => Kind::Use,
        };
        // salt-peft ends its messages with the remedy as a sentence of its own.
        told(kind, &error.to_string(), ". ")
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let kind = match &error {
            TrainError::Sam(_) | TrainError::Peft(_) | TrainError::Data(_) => {
                return from_inner(error);
            }
            TrainError::Io { source, .. } => {
                return Self::Told {
                    kind: kind_of_io(source),
                    message: error.to_string(),
                    hint: Some(hint_of_io(source).to_owned()),
                };
            }
            TrainError::RecipeSyntax { .. } => {
                return Self::usage(
                    error.to_string(),
                    "correct the recipe; docs/recipes has some that work",
                );
            }
            TrainError::RecipeValue { key, .. } => {
                return Self::usage(
                    error.to_string(),
                    format!("change it in the recipe, or give --set {key}=VALUE"),
                );
            }
            TrainError::Override { .. } => {
                return Self::usage(error.to_string(), "keys are those of the recipe");
            }
            TrainError::NonFinite { .. }
            | TrainError::Locked { .. }
            | TrainError::Checkpoint { .. }
            | TrainError::NoGoodCheckpoint { .. }
            | TrainError::NotSaved { .. }
            | TrainError::Encode { .. }
            | TrainError::Tensors { .. }
            | TrainError::Csv(_)
            | TrainError::Json(_)
            | TrainError::Metric(_) => Kind::Job,
            _ => Kind::Use,
        };
        told(kind, &error.to_string(), "; ")
    }
}

fn from_inner(error: TrainError) -> Failure {
    match error {
        TrainError::Sam(error) => error.into(),
        TrainError::Peft(error) => error.into(),
        TrainError::Data(error) => error.into(),
        other => Failure::job(other.to_string(), None),
    }
}

/// A message whose remedy follows the last separator.
fn told(kind: Kind, text: &str, separator: &str) -> Failure {
    let (message, hint) = match text.rsplit_once(separator) {
        Some((message, hint)) => (message, Some(hint.to_owned())),
        None => (text, None),
    };
    Failure::Told {
        kind,
        message: message.to_owned(),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(failure: Failure, expected_kind: Kind, problem: &str, remedy: &str) {
        let Failure::Told {
            kind,
            message,
            hint,
        } = failure
        else {
            panic!("{failure:?}");
        };
        assert_eq!(kind, expected_kind, "{message}");
        assert!(message.contains(problem), "{message}");
        assert!(!message.contains(remedy), "{message}");
        let hint = hint.unwrap_or_default();
        assert!(hint.contains(remedy), "{hint}");
    }

    #[test]
    fn the_remedy_of_every_library_becomes_the_hint() {
        let data = DataError::MissingFolder {
            path: "nowhere".into(),
        };
        check(data.into(), Kind::Use, "nowhere", "check the path");
        let train = TrainError::NotARun {
            path: "folder".into(),
        };
        check(train.into(), Kind::Use, "`folder`", "salt train");
        let peft = PeftError::WrongBase {
            expected: "aa".into(),
            found: "bb".into(),
        };
        check(
            TrainError::Peft(peft).into(),
            Kind::Use,
            "sha256 aa",
            "Load the base",
        );
        let sam = SamError::UnknownModel {
            name: "sam_vit_x".into(),
            known: "sam_nano".into(),
        };
        check(sam.into(), Kind::Use, "sam_vit_x", "sam_nano");
        check(SamError::Answer.into(), Kind::Job, "NaN", "another device");
    }

    #[test]
    fn work_that_was_stopped_is_no_error() {
        let failure = Failure::from(SamError::Stopped);
        assert!(matches!(failure, Failure::Interrupted(None)), "{failure:?}");
    }

    #[test]
    fn a_download_that_was_stopped_says_how_to_go_on() {
        let error = DownloadError::Stopped {
            partial: "weights/a.pth.partial".into(),
            bytes: 1_234_567,
        };
        let Failure::Interrupted(Some(text)) = Failure::from(error) else {
            panic!("not an interruption");
        };
        assert!(
            text.contains("1,234,567") && text.contains("same command"),
            "{text}"
        );
    }

    #[test]
    fn trouble_on_the_way_to_a_server_is_a_failed_job() {
        let error = DownloadError::Status {
            url: "https://example.org/a.pth".to_owned(),
            status: 404,
            retry_after: None,
        };
        check(error.into(), Kind::Job, "404", "moved");
    }

    #[test]
    fn what_goes_wrong_while_working_is_a_failed_job() {
        let error = TrainError::NonFinite {
            what: "loss",
            value: f64::NAN,
            epoch: 1,
            batch: 2,
            ids: vec!["a".into()],
            saved: Some("run/non_finite/step-2".into()),
        };
        check(
            error.into(),
            Kind::Job,
            "is NaN (cases: a); what the network was given is in `run/non_finite/step-2`",
            "lower train.lr",
        );
        let full = TrainError::Io {
            path: "run".into(),
            source: std::io::ErrorKind::StorageFull.into(),
        };
        check(full.into(), Kind::Job, "`run`", "free some space");
    }
}
