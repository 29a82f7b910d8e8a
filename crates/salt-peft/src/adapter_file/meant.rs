//! What the names in a configuration of HF peft mean in a model, by its rules.

use std::collections::BTreeSet;

use serde_json::Value;

use super::header::AdapterHeader;
use super::hf::FACTORS;
use super::names::Names;
use super::tensors::KEY_PREFIX;
use crate::error::PeftError;
use crate::inventory::FloatParam;
use crate::nearest::nearest;
use crate::select::{ALL_LINEAR, compile, covers};

/// The modules that the names of a configuration mean, in the file's names.
pub(super) struct Meant {
    pub(super) targets: Value,
    pub(super) excluded: Value,
    /// Numbers of layers, and the names that the modules around them may have.
    pub(super) layers: Value,
    pub(super) layers_pattern: Value,
    /// Modules that are saved whole.
    pub(super) saved: Value,
    /// Parameters, as the model calls them, that a file beside those of HF peft holds.
    pub(super) beside: BTreeSet<String>,
    /// Whose biases are saved: `none`, `all` or `lora_only`.
    pub(super) bias: String,
    pub(super) names: Names,
}

/// Whether a value switches nothing on.
pub(super) fn is_neutral(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

impl Meant {
    /// That the tensors have everything that the configuration means in this model, and nothing else.
    ///
    /// # Errors
    /// [`PeftError::MissingTensor`], [`PeftError::UnmeantTensor`], [`PeftError::InvalidPattern`].
    pub(super) fn check(
        &self,
        base: &[FloatParam],
        header: &AdapterHeader,
        source_name: &str,
    ) -> Result<(), PeftError> {
        let missing = |name: String| {
            let known = header
                .target_modules
                .iter()
                .chain(&header.trained_parameters);
            Err(PeftError::MissingTensor {
                nearest: nearest(&name, known.map(String::as_str), 1),
                name: format!("{KEY_PREFIX}{name}"),
                source_name: source_name.into(),
            })
        };
        let unmeant = |name: String| {
            Err(PeftError::UnmeantTensor {
                name: format!("{KEY_PREFIX}{name}"),
                source_name: source_name.into(),
            })
        };
        for param in base.iter().filter(|param| !param.is_running_statistic()) {
            let path = param.torch_path();
            let name = (self.names.to_file)(&path);
            let module = name.rsplit_once('.').map_or("", |(module, _)| module);
            let is_adapted = header
                .target_modules
                .iter()
                .any(|module| path.strip_suffix(".weight") == Some(module));
            let is_whole = header.trained_parameters.contains(&path);
            let is_saved = is_below(&self.saved, module);
            if is_saved && !is_whole {
                return missing(name);
            }
            let is_meant = param.is_adaptable()
                && !is_saved
                && path.ends_with(".weight")
                && self.targets(module, param)?
                && !means(&self.excluded, module)?
                && self.is_of_layer(module)?;
            if is_meant && !is_adapted {
                return missing(format!("{module}.{}", FACTORS[0].1));
            }
            if is_adapted && !is_meant {
                return unmeant(format!("{module}.{}", FACTORS[0].1));
            }
            let of_adapted = || {
                let bias = path.strip_suffix(".bias");
                bias.is_some_and(|bias| header.target_modules.iter().any(|m| m == bias))
            };
            let needs_bias = path.ends_with(".bias")
                && (self.bias == "all" || (self.bias == "lora_only" && of_adapted()));
            if needs_bias && !is_whole {
                return missing(name);
            }
            if is_whole && !is_saved && !needs_bias && !self.beside.contains(&path) {
                return unmeant(name);
            }
        }
        Ok(())
    }

    /// Whether `target_modules` names the module of a weight.
    fn targets(&self, module: &str, param: &FloatParam) -> Result<bool, PeftError> {
        match &self.targets {
            Value::String(all) if all == ALL_LINEAR => Ok(param.container == "Linear"),
            rule => means(rule, module),
        }
    }

    /// HF peft's rule for `layers_to_transform`: the number behind one of the names in `layers_pattern`,
    /// or else the first number that has a module on either side.
    fn is_of_layer(&self, module: &str) -> Result<bool, PeftError> {
        let numbers: Vec<&Value> = match &self.layers {
            value if is_neutral(value) => return Ok(true),
            Value::Array(numbers) => numbers.iter().collect(),
            number => vec![number],
        };
        let patterns = match &self.layers_pattern {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            Value::String(name) => vec![name.as_str()],
            _ => Vec::new(),
        };
        let expressions = match patterns.is_empty() {
            true => vec![r"\A.*?\.[^.]*\.(\d+)\..*".to_owned()],
            false => patterns
                .into_iter()
                .map(|name| format!(r"\A.*?\.{name}\.(\d+)\..*"))
                .collect(),
        };
        for expression in expressions {
            let regex = compile("layers_pattern", &expression)?;
            let found = regex.captures(module).ok().flatten();
            if let Some(layer) = found.and_then(|found| found.get(1)?.as_str().parse::<u64>().ok())
            {
                return Ok(numbers.iter().any(|number| number.as_u64() == Some(layer)));
            }
        }
        Ok(false)
    }
}

/// Whether a module is, or lies below, one that is saved whole: one whose path ends in a name.
fn is_below(saved: &Value, module: &str) -> bool {
    let names = saved.as_array().into_iter().flatten();
    names.filter_map(Value::as_str).any(|name| {
        let ends = module
            .match_indices(name)
            .map(|(at, _)| (at, at + name.len()));
        ends.into_iter().any(|(from, to)| {
            let opens = from == 0 || module.as_bytes()[from - 1] == b'.';
            let closes = to == module.len() || module.as_bytes()[to] == b'.';
            opens && closes
        })
    })
}

/// HF peft's rule: a name of a list is a path or the end of one, a string is an expression for all of a
/// path.
fn means(rule: &Value, path: &str) -> Result<bool, PeftError> {
    Ok(match rule {
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(|name| {
            let rest = path.strip_suffix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }),
        Value::String(pattern) => covers(&compile("targets", &format!(r"\A(?:{pattern})"))?, path),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_those_of_hf_peft() {
        let check = |layers: Value, pattern: Value, module: &str, expected: bool| {
            let meant = Meant {
                targets: Value::Null,
                excluded: Value::Null,
                layers,
                layers_pattern: pattern,
                saved: Value::Null,
                beside: BTreeSet::new(),
                bias: "none".into(),
                names: Names::SAME,
            };
            assert_eq!(
                meant.is_of_layer(module).expect("valid"),
                expected,
                "{module}"
            );
        };
        use serde_json::json;
        check(json!([1]), Value::Null, "m.blocks.1.fc", true);
        check(json!(1), Value::Null, "m.blocks.1.fc", true);
        check(json!([0, 2]), Value::Null, "m.blocks.1.fc", false);
        check(Value::Null, Value::Null, "m.blocks.1.fc", true);
        check(json!([1]), json!("blocks"), "m.blocks.1.fc", true);
        check(json!([1]), json!(["layers"]), "m.blocks.1.fc", false);
        // A number counts that has modules on either side.
        check(json!([1]), Value::Null, "blocks.1.fc", false);
        check(json!([1]), Value::Null, "m.blocks.1", false);
    }

    #[test]
    fn saved_modules_hold_what_lies_below() {
        let saved = serde_json::json!(["norm", "a.head"]);
        for (module, expected) in [
            ("norm", true),
            ("m.norm", true),
            ("m.norm.inner", true),
            ("m.norm1", false),
            ("prenorm", false),
            ("m.a.head", true),
            ("m.head", false),
        ] {
            assert_eq!(is_below(&saved, module), expected, "{module}");
        }
    }
}
