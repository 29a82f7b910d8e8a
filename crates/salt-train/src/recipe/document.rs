//! The recipe as a TOML document: overrides before it is read, names of unknown keys after.

use toml::{Table, Value};

use crate::error::TrainError;

/// Least similarity (Jaro-Winkler, 0 to 1) at which a known key is offered for an unknown one.
const SIMILAR: f64 = 0.7;

/// Parse a document and apply `section.key=value` overrides in order.
///
/// A value is read as TOML where it can be (`3`, `1e-4`, `[1, 2]`, `true`), else it is a string.
pub(super) fn parse(text: &str, overrides: &[String]) -> Result<Table, TrainError> {
    let mut table: Table = text
        .parse()
        .map_err(|e: toml::de::Error| TrainError::RecipeSyntax {
            message: e.to_string(),
        })?;
    for argument in overrides {
        let bad = || TrainError::Override {
            argument: argument.clone(),
        };
        let (key, value) = argument.split_once('=').ok_or_else(bad)?;
        let path: Vec<&str> = key.split('.').map(str::trim).collect();
        let (last, sections) = path.split_last().ok_or_else(bad)?;
        if sections.is_empty() || path.iter().any(|part| part.is_empty()) {
            return Err(bad());
        }
        let mut place = &mut table;
        for section in sections {
            place = place
                .entry(*section)
                .or_insert_with(|| Value::Table(Table::new()))
                .as_table_mut()
                .ok_or_else(bad)?;
        }
        place.insert((*last).to_owned(), read_value(value.trim()));
    }
    Ok(table)
}

fn read_value(text: &str) -> Value {
    let document = format!("v = {text}").parse::<Table>();
    let value = document
        .ok()
        .filter(|t| t.len() == 1)
        .and_then(|mut t| t.remove("v"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Turn a deserialisation error into ours: an unknown key gets its section and the nearest
/// known key.
pub(super) fn explain(error: &toml::de::Error) -> TrainError {
    // serde's wording for deny_unknown_fields: unknown field `x`, expected one of `a`, `b`
    let message = error.to_string();
    let mut quoted = message.split('`').skip(1).step_by(2);
    if !error.message().starts_with("unknown field") {
        return TrainError::RecipeSyntax {
            message: message.trim_end().replace('\n', " "),
        };
    }
    let key = quoted.next().unwrap_or_default();
    let section = message
        .lines()
        .find_map(|line| line.strip_prefix("in `")?.strip_suffix('`'));
    let known: Vec<&str> = error
        .message()
        .split('`')
        .skip(1)
        .step_by(2)
        .skip(1)
        .collect();
    // Of equally similar keys the first is offered.
    let nearest = known
        .iter()
        .rev()
        .map(|name| (similarity(key, name), *name))
        .filter(|(score, _)| *score >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.to_owned());
    TrainError::UnknownKey {
        key: section.map_or_else(|| key.to_owned(), |s| format!("{s}.{key}")),
        nearest,
        known: known.join(", "),
    }
}

/// Jaro-Winkler, which favours equal beginnings; a key that is a part of the other (`gamma` of
/// `focal_gamma`) is similar too.
fn similarity(key: &str, name: &str) -> f64 {
    let part = key.len() >= 3 && (name.contains(key) || key.contains(name));
    strsim::jaro_winkler(key, name).max(if part { SIMILAR } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_override(argument: &str, section: &str, key: &str, expected: Value) {
        let table = parse("[train]\nepochs = 50\n", &[argument.to_owned()]).unwrap();
        assert_eq!(table[section].as_table().unwrap()[key], expected);
    }

    #[test]
    fn overrides_replace_or_add_and_read_their_type() {
        check_override("train.epochs=3", "train", "epochs", Value::Integer(3));
        check_override("train.lr = 1e-4", "train", "lr", Value::Float(1e-4));
        check_override(
            "model.name=sam_nano",
            "model",
            "name",
            Value::String("sam_nano".into()),
        );
        check_override(
            "model.name=\"sam_nano\"",
            "model",
            "name",
            Value::String("sam_nano".into()),
        );
        check_override("data.path=a=b", "data", "path", Value::String("a=b".into()));
        check_override(
            "adapter.targets=['qkv']",
            "adapter",
            "targets",
            Value::Array(vec![Value::String("qkv".into())]),
        );
        // Nothing can be smuggled in behind a line break.
        check_override(
            "data.path=1\nw = 2",
            "data",
            "path",
            Value::String("1\nw = 2".into()),
        );
    }

    #[test]
    fn overrides_that_are_none_are_refused() {
        for argument in [
            "train.epochs",
            "epochs=3",
            "train.=3",
            ".epochs=3",
            "train.epochs.x=3",
            "=3",
        ] {
            let error = parse("[train]\nepochs = 50\n", &[argument.to_owned()]).unwrap_err();
            assert!(
                matches!(error, TrainError::Override { .. }),
                "{argument}: {error}"
            );
        }
    }
}
