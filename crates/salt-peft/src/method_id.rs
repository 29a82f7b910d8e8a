//! A registered method, known by its name.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::adapter_file::SLICED;
use crate::error::PeftError;
use crate::method::Method;
use crate::methods::METHODS;
use crate::nearest::nearest;

/// All registered methods, in the order of the list.
pub fn methods() -> impl Iterator<Item = MethodId> {
    METHODS.iter().map(|method| MethodId(*method))
}

/// A registered method; written and parsed as its name.
#[derive(Clone, Copy)]
pub struct MethodId(&'static dyn Method);

impl MethodId {
    /// The method itself.
    pub fn get(self) -> &'static dyn Method {
        self.0
    }
}

impl FromStr for MethodId {
    type Err = PeftError;

    fn from_str(name: &str) -> Result<Self, PeftError> {
        methods()
            .find(|method| method.get().name() == name)
            .ok_or_else(|| unknown(name, methods().map(|method| method.get().name())))
    }
}

/// Refuses a `peft_type` that no method's files carry. Several methods may share one, as in HF peft.
///
/// # Errors
/// [`PeftError::UnknownMethod`].
pub(crate) fn check_peft_type(peft_type: &str) -> Result<(), PeftError> {
    let mut types: Vec<_> = methods().map(|method| method.get().peft_type()).collect();
    if types.contains(&peft_type.strip_prefix(SLICED).unwrap_or(peft_type)) {
        return Ok(());
    }
    types.sort_unstable();
    types.dedup();
    Err(unknown(peft_type, types.into_iter()))
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> PeftError {
    let known: Vec<&str> = known.collect();
    PeftError::UnknownMethod {
        name: name.into(),
        nearest: nearest(name, known.iter().copied(), 1),
        known: known.join(", "),
    }
}

impl PartialEq for MethodId {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl Eq for MethodId {}

impl fmt::Display for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl fmt::Debug for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Serialize for MethodId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MethodId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_parse_back() {
        let names: BTreeSet<&str> = methods().map(|method| method.get().name()).collect();
        assert_eq!(names.len(), METHODS.len());
        for method in methods() {
            assert_eq!(
                method.get().name().parse::<MethodId>().expect("registered"),
                method
            );
            check_peft_type(method.get().peft_type()).expect("registered");
        }
    }

    #[test]
    fn a_mistyped_name_gets_a_suggestion() {
        let error = "slat"
            .parse::<MethodId>()
            .expect_err("mistyped")
            .to_string();
        assert!(error.contains("Did you mean `salt`"), "{error}");
    }
}
