//! The `[adapter]` section: salt-peft's settings, and `scratch`.
//!
//! `scratch` is not an adapter but a control: the same network trained whole from random
//! numbers. It is `full` over a base that was drawn anew, so everything else stays the same.

use salt_peft::AdapterConfig;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::{Table, Value};

/// Name of the control in recipes and result tables.
pub const SCRATCH: &str = "scratch";

/// What is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterSection {
    /// Settings of salt-peft; for `scratch` those of `full`.
    pub config: AdapterConfig,
    /// Whether the base is drawn at random first.
    pub scratch: bool,
    /// Whether the recipe names a seed of its own; else `train.seed` is used.
    pub own_seed: bool,
}

impl AdapterSection {
    /// The method's name in recipes, tables and run directories.
    pub fn method(&self) -> String {
        if self.scratch {
            SCRATCH.to_owned()
        } else {
            self.config.method.to_string()
        }
    }
}

impl Serialize for AdapterSection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = Table::try_from(&self.config).map_err(serde::ser::Error::custom)?;
        if self.scratch {
            table.insert("method".into(), Value::String(SCRATCH.into()));
        }
        if !self.own_seed {
            table.remove("seed");
        }
        table.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AdapterSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Table::deserialize(deserializer)?;
        let scratch = table.get("method").and_then(Value::as_str) == Some(SCRATCH);
        if scratch {
            table.insert("method".into(), Value::String("full".into()));
        }
        let own_seed = table.contains_key("seed");
        let config =
            AdapterConfig::deserialize(table).map_err(|e| D::Error::custom(e.message()))?;
        Ok(Self {
            config,
            scratch,
            own_seed,
        })
    }
}
