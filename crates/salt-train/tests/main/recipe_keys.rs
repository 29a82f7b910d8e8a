//! docs/RECIPES.md, docs/LOSSES.md and docs/TRANSFORMS.md name every key that a recipe may have, and no other.

use std::collections::BTreeSet;

use salt_train::{Recipe, TrainError};

use crate::support::text;

/// Tables of keys; each is a key of the one before its last dot.
const TABLES: [&str; 11] = [
    "model",
    "adapter",
    "data",
    "data.cache",
    "train",
    "train.optimizer",
    "train.tails",
    "train.loss",
    "train.augment",
    "prompts",
    "inference",
];

/// The keys that a table would accept, by its own word.
fn known(table: &str) -> Vec<String> {
    let mut overrides = vec![format!("{table}.no_such_key=1")];
    if table == "train.tails" {
        overrides.push("train.tails.every=1".to_owned());
    }
    match Recipe::parse(&text("salt"), &overrides) {
        Err(TrainError::UnknownKey { known, .. }) => known.split(", ").map(str::to_owned).collect(),
        other => panic!("{table}: {other:?}"),
    }
}

fn document(name: &str) -> String {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Everything between single backticks.
fn code(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_key_is_documented() {
    let (recipes, losses) = (document("RECIPES.md"), document("LOSSES.md"));
    let transforms = document("TRANSFORMS.md");
    for table in TABLES {
        for key in known(table) {
            let path = format!("{table}.{key}");
            let (text, name) = match table {
                "train.loss" => (&losses, key.as_str()),
                "train.augment" => (&transforms, key.as_str()),
                _ => (&recipes, path.as_str()),
            };
            let rates = ["lr_floor", "power", "steps", "step_factor"];
            let (text, name) = match table {
                "train" if rates.contains(&key.as_str()) => (&losses, key.as_str()),
                _ => (text, name),
            };
            let is_table = TABLES.contains(&path.as_str());
            assert!(
                is_table || code(text).contains(name),
                "{path} is not documented"
            );
        }
    }
}

#[test]
fn no_documented_key_is_unknown() {
    let text = document("RECIPES.md");
    let keys = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut count = 0;
    for key in keys {
        count += 1;
        let (table, name) = key.rsplit_once('.').expect("a table and a key");
        assert!(
            known(table).iter().any(|known| known == name),
            "{key} is no key"
        );
    }
    assert!(count > 60, "{count} keys");
}
