//! Which modules a configuration means.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use salt_peft::{AdapterConfig, plan};

use crate::errors::{check, device, salt, with};
use crate::nets::{Mlp, Net};

/// Blocks with something in them, and a neck with a number at its end.
#[derive(Module, Debug)]
struct Deep {
    blocks: Vec<Block>,
    neck: Vec<Linear>,
}

#[derive(Module, Debug)]
struct Block {
    fc: Linear,
}

impl Deep {
    fn new() -> Self {
        let linear = || LinearConfig::new(8, 8).init(&device());
        Self {
            blocks: (0..2).map(|_| Block { fc: linear() }).collect(),
            neck: vec![linear(), linear()],
        }
    }
}

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
    // A number at the end of a path is no layer, as in HF peft.
    check(
        &layer(&[1]),
        &["`layers_to_transform` is 1", "first number"],
    );
    let deep = |layers: &[usize]| plan(&Deep::new(), &layer(layers));
    let paths = |layers: &[usize]| {
        let report = deep(layers).expect("sound");
        let paths = report.layers.into_iter().map(|layer| layer.path);
        paths.collect::<Vec<String>>()
    };
    assert_eq!(paths(&[1]), ["blocks.1.fc"]);
    assert_eq!(paths(&[1, 0]), ["blocks.0.fc", "blocks.1.fc"]);
    let error = deep(&[0, 2]).expect_err("there are two").to_string();
    assert!(error.contains("`layers_to_transform` is 2"), "{error}");
    let norms = AdapterConfig::new("norms".parse().expect("registered"));
    check(
        &with(norms, |c| c.exclude = vec!["fc1".into()]),
        &["`exclude`", "`norms`"],
    );
}
