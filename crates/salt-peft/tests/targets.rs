//! Which modules a configuration means.

use salt_peft::{AdapterConfig, plan};

use crate::errors::{check, device, salt, with};
use crate::nets::{Mlp, Net};

/// The adapted modules of the MLP.
fn targeted(config: &AdapterConfig) -> Vec<String> {
    let report = plan(&Mlp::new(1, &device()), config).expect("sound");
    let adapted = report.layers.into_iter();
    let adapted = adapted.filter(|layer| layer.method != "whole");
    adapted.map(|layer| layer.path).collect()
}

#[test]
fn targets_are_narrowed() {
    let all = with(salt(), |c| c.targets = vec!["all-linear".into()]);
    assert_eq!(
        targeted(&all),
        ["fc1", "blocks.0", "blocks.1", "decoder"],
        "every linear layer, and no embedding"
    );
    let without = |names: &[&str]| {
        let names = names.iter().map(|name| name.to_string()).collect();
        with(all.clone(), |c| c.exclude = names)
    };
    assert_eq!(
        targeted(&without(&["decoder"])),
        ["fc1", "blocks.0", "blocks.1"]
    );
    assert_eq!(
        targeted(&without(&[r"blocks\.\d", "fc1"])),
        ["decoder"],
        "what two expressions name"
    );
    check(&without(&["fc3"]), &["`fc3`", "`exclude`", "`fc1`"]);
    check(
        &without(&["fc1", r"blocks\.\d", "decoder"]),
        &["`all-linear`", "`targets`"],
    );
    let layer = |layers: &[usize]| {
        let layers = layers.to_vec();
        with(all.clone(), |c| c.layers_to_transform = layers)
    };
    assert_eq!(targeted(&layer(&[1])), ["blocks.1"]);
    assert_eq!(targeted(&layer(&[1, 0])), ["blocks.0", "blocks.1"]);
    check(
        &layer(&[0, 2]),
        &["`layers_to_transform` is 2", "first number"],
    );
    let norms = AdapterConfig::new("norms".parse().expect("registered"));
    check(
        &with(norms, |c| c.exclude = vec!["fc1".into()]),
        &["`exclude`", "`norms`"],
    );
}
