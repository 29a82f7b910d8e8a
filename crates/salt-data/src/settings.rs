//! `dataset.toml`: what whoever made a data set states about it. The file may be missing, and so may
//! each of its tables; a key that does not exist is an error that names the nearest one.
//!
//! The one table so far is `[masks]`, the policy of the masks ([`crate::mask_policy`]).

use std::path::Path;

use serde::Deserialize;

use crate::error::DataError;
use crate::mask_policy::{KEYS, MaskPolicy, PolicyError};

/// Name of the file in the folder of a data set.
const FILE: &str = "dataset.toml";

/// Settings of a data set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) masks: MaskPolicy,
}

impl Settings {
    /// Reads the settings in a folder; the defaults where there are none.
    pub(crate) fn read(dir: &Path) -> Result<Self, DataError> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        let bytes = std::fs::read(&path).map_err(DataError::io("read", &path))?;
        let bad = |problem: String| PolicyError::BadSettings {
            path: path.clone(),
            // The parser shows the line on lines of its own.
            problem: problem.split_whitespace().collect::<Vec<_>>().join(" "),
        };
        let text = String::from_utf8(bytes).map_err(|error| bad(error.to_string()))?;
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| bad(error.to_string()))?;
        known_keys(&table, &["masks"], &path)?;
        let masks = match table.get("masks") {
            None => MaskPolicy::Auto,
            Some(masks) => {
                let keys = masks
                    .as_table()
                    .ok_or_else(|| bad("`masks` that is no table".to_owned()))?;
                known_keys(keys, &KEYS, &path)?;
                MaskPolicy::deserialize(masks.clone()).map_err(|error| bad(error.to_string()))?
            }
        };
        Ok(Self { masks })
    }
}

fn known_keys(table: &toml::Table, known: &[&'static str], path: &Path) -> Result<(), PolicyError> {
    let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) else {
        return Ok(());
    };
    let alike = |name: &&&'static str| (strsim::jaro_winkler(name, key) * 1e6) as u64;
    Err(PolicyError::UnknownKey {
        path: path.to_owned(),
        key: key.clone(),
        nearest: known.iter().max_by_key(alike).copied().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use crate::error::DataError;
    use crate::mask_policy::{MaskPolicy, PolicyError};

    fn read(text: &str) -> Result<MaskPolicy, DataError> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("dataset.toml"), text).expect("written");
        Settings::read(dir.path()).map(|settings| settings.masks)
    }

    #[test]
    fn what_is_not_there_has_its_default() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let masks = Settings::read(dir.path()).expect("no file").masks;
        assert_eq!(masks, MaskPolicy::Auto);
        assert_eq!(read("").expect("no table"), MaskPolicy::Auto);
        let stated = read("[masks]\npolicy = \"nonzero\"").expect("a policy");
        assert_eq!(stated, MaskPolicy::Nonzero { ignore: None });
    }

    #[test]
    fn unknown_keys_name_the_nearest_one() {
        let check = |text: &str, wrong: &str, right: &str| match read(text) {
            Err(DataError::Policy(PolicyError::UnknownKey { key, nearest, .. })) => {
                assert_eq!((key.as_str(), nearest), (wrong, right));
            }
            other => panic!("{text}: {other:?}"),
        };
        check("[mask]\npolicy = \"auto\"", "mask", "masks");
        check("[masks]\npolice = \"auto\"", "police", "policy");
        check("[masks]\nignored = 3", "ignored", "ignore");
        check("[masks]\ncolors = 3", "colors", "colours");
    }

    #[test]
    fn nonsense_is_an_error_of_one_line() {
        for text in [
            "masks = 3",
            "[masks",
            "[masks]\npolicy = \"some\"",
            "[masks]",
        ] {
            match read(text) {
                Err(error @ DataError::Policy(PolicyError::BadSettings { .. })) => {
                    assert!(!error.to_string().contains('\n'), "{error}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
