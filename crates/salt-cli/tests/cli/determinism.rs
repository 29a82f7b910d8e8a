//! A run is a function of recipe, cases, weights and seed.

use super::inputs::{Inputs, succeed};

/// Files that hold no times and no machine facts.
const STABLE: [&str; 4] = [
    "adapter/adapter_model.safetensors",
    "adapter/adapter_config.json",
    "metrics.csv",
    "cases.csv",
];

#[test]
fn the_same_recipe_and_seed_give_the_same_bytes() {
    let inputs = Inputs::new();
    succeed(&inputs.train("a", &[]));
    succeed(&inputs.train("b", &["train.workers=3"]));
    succeed(&inputs.train("c", &["train.seed=6"]));
    for name in STABLE {
        assert_eq!(inputs.read("a", name), inputs.read("b", name), "{name}");
    }
    let weights = STABLE[0];
    assert_ne!(inputs.read("a", weights), inputs.read("c", weights));
}
