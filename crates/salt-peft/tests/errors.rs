//! Bad input: each has its own error, which names the culprit and the way out.

use burn::module::{Lora, Module};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use salt_peft::{
    AdapterConfig, Init, PeftError, Rank, attach, load_adapter, load_trainable_state, merge, plan,
    save_adapter, trainable_state,
};

use crate::nets::{ConvNet, Mlp, Net, config};

pub(crate) fn device() -> Device {
    Device::default().autodiff()
}

pub(crate) fn salt() -> AdapterConfig {
    config::<Mlp>("salt".parse().expect("registered"))
}

fn lora() -> AdapterConfig {
    config::<Mlp>("lora".parse().expect("registered"))
}

/// The error of attaching to the MLP; its message must hold all the parts. The plan agrees.
pub(crate) fn check(config: &AdapterConfig, parts: &[&str]) {
    let attached = attach(Mlp::new(1, &device()), config)
        .expect_err("refused")
        .to_string();
    for part in parts {
        assert!(attached.contains(part), "`{part}` is not in: {attached}");
    }
    let planned = plan(&Mlp::new(1, &device()), config)
        .expect_err("refused")
        .to_string();
    assert_eq!(planned, attached);
}

pub(crate) fn with(
    mut config: AdapterConfig,
    change: impl FnOnce(&mut AdapterConfig),
) -> AdapterConfig {
    change(&mut config);
    config
}

#[test]
fn a_target_that_matches_nothing_names_the_nearest() {
    check(
        &with(salt(), |c| c.targets = vec!["fc2".into()]),
        &["`fc2`", "`targets`", "`fc1`"],
    );
    check(
        &with(salt(), |c| {
            c.targets = vec!["fc1".into(), r"block\.\d".into()]
        }),
        &[r"`block\.\d`", "`blocks.0`"],
    );
    check(
        &with(salt(), |c| c.targets.clear()),
        &["targets", "at least one"],
    );
    check(
        &with(salt(), |c| c.targets = vec!["fc(1".into()]),
        &["`fc(1`", "regular expression"],
    );
    check(
        &with(salt(), |c| c.modules_to_save = vec!["nrom".into()]),
        &["`nrom`", "`norm."],
    );
    check(
        &with(salt(), |c| c.modules_to_save = vec!["prompt_token".into()]),
        &["`prompt_token`"],
    );
    check(
        &with(salt(), |c| {
            c.rank_pattern = [("fc9".into(), Rank::Absolute(1))].into()
        }),
        &["`fc9`", "`rank_pattern`", "`fc1`"],
    );
    check(
        &with(lora(), |c| c.alpha_pattern = [("fc9".into(), 2.0)].into()),
        &["`fc9`", "`alpha_pattern`", "`fc1`"],
    );
}

#[test]
fn a_rank_above_the_limit_names_the_layer() {
    let too_high = with(salt(), |c| c.head_rank = Some(Rank::Absolute(10)));
    check(&too_high, &["`head_rank` is 10", "`fc1`", "at most 9"]);
    check(
        &with(salt(), |c| c.tail_rank = Some(7)),
        &["`tail_rank` is 7", "`blocks.1`", "6"],
    );
    check(
        &with(lora(), |c| c.rank = Some(Rank::Absolute(7))),
        &["`rank` is 7", "`blocks.1`", "6"],
    );
    let svft = config::<Mlp>("svft".parse().expect("registered"));
    check(
        &with(svft, |c| c.band = Some(8)),
        &["`band` is 8", "`blocks.1`", "room for 5"],
    );
    let pattern = with(lora(), |c| {
        c.rank_pattern = [("fc1".into(), Rank::Absolute(30))].into()
    });
    check(&pattern, &["`rank_pattern` is 30", "`fc1`", "9"]);
}

#[test]
fn settings_out_of_range_are_refused() {
    check(
        &with(salt(), |c| c.head_rank = Some(Rank::Ratio(1.5))),
        &["`head_rank` is 1.5"],
    );
    check(
        &with(salt(), |c| c.head_rank = Some(Rank::Energy(0.0))),
        &["energy:0"],
    );
    check(
        &with(salt(), |c| c.lambda = Some(f64::NAN)),
        &["`lambda` is NaN"],
    );
    check(&with(lora(), |c| c.alpha = Some(0.0)), &["`alpha` is 0"]);
    check(
        &with(lora(), |c| c.alpha_pattern = [("fc1".into(), -1.0)].into()),
        &["`alpha_pattern` is -1"],
    );
    check(
        &with(lora(), |c| c.init = Some(Init::Reference)),
        &["`init` is reference", "gaussian"],
    );
    check(
        &with(salt(), |c| c.init = Some(Init::Gaussian)),
        &["`init` is gaussian", "reference"],
    );
    check(
        &with(lora(), |c| c.rank = Some(Rank::Absolute(0))),
        &["`rank` is 0"],
    );
    let nothing = |c: &mut AdapterConfig| {
        c.head_rank = Some(Rank::Absolute(0));
        c.tail_rank = Some(0);
    };
    check(&with(salt(), nothing), &["a head, a tail, or both"]);
    let nothing_here = |c: &mut AdapterConfig| {
        c.tail_rank = Some(0);
        c.rank_pattern = [("fc1".into(), Rank::Absolute(0))].into();
    };
    check(
        &with(salt(), nothing_here),
        &["rank_pattern", "a head, a tail, or both"],
    );
    check(
        &with(lora(), |c| c.head_rank = Some(Rank::Ratio(0.1))),
        &["`head_rank`", "`lora`"],
    );
}

#[test]
fn attaching_twice_is_refused() {
    let (model, _) = attach(Mlp::new(1, &device()), &salt()).expect("sound");
    for config in [
        salt(),
        lora(),
        AdapterConfig::new("full".parse().expect("registered")),
    ] {
        let error = attach(model.clone(), &config).expect_err("refused");
        assert!(
            matches!(&error, PeftError::AlreadyAttached { path } if path == "fc1.weight"),
            "{error}"
        );
    }
    // Burn's own adapters count too.
    let foreign = Mlp::new(1, &device()).apply_lora(Lora::new(2, 4.0));
    assert!(matches!(
        attach(foreign, &salt()),
        Err(PeftError::AlreadyAttached { .. })
    ));
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut base = Mlp::new(1, &device());
        base.blocks[0].weight = base.blocks[0].weight.clone().map(|w| {
            let mut values = crate::nets::floats(w.clone());
            values[5] = bad;
            Tensor::from_data(TensorData::new(values, w.dims()), &w.device())
        });
        for config in [salt(), lora()] {
            let error = attach(base.clone(), &config)
                .expect_err("refused")
                .to_string();
            assert!(error.contains("`blocks.0.weight`"), "{error}");
        }
    }
}

#[test]
fn a_layer_of_another_kind_is_refused() {
    #[derive(Module, Debug)]
    struct Mixed {
        table: Embedding,
        fc: Linear,
    }
    let mixed = Mixed {
        table: EmbeddingConfig::new(5, 3).init(&device()),
        fc: LinearConfig::new(3, 3).init(&device()),
    };
    let config = with(salt(), |c| c.targets = vec!["table|fc".into()]);
    let error = attach(mixed, &config).expect_err("refused").to_string();
    assert!(
        error.contains("`table.weight`") && error.contains("Embedding"),
        "{error}"
    );
}

#[test]
fn an_adapter_of_another_model_is_refused() {
    let dir = tempfile::tempdir().expect("tmp");
    let config = with(salt(), |c| c.targets = vec![".*".into()]);
    let linear: Linear = LinearConfig::new(9, 14).init(&device());
    let (model, _) = attach(vec![linear], &config).expect("sound");
    save_adapter(&model, &config, dir.path()).expect("saves");
    let wider = vec![
        LinearConfig::new(9, 14).init(&device()),
        LinearConfig::new(2, 2).init(&device()),
    ];
    let error = load_adapter(wider, dir.path())
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("`1`") && error.contains("only in this model"),
        "{error}"
    );
}

#[test]
fn a_state_of_another_method_is_refused() {
    let (salted, _) = attach(Mlp::new(1, &device()), &salt()).expect("sound");
    let (lorad, _) = attach(Mlp::new(1, &device()), &lora()).expect("sound");
    let state = trainable_state(&lorad).expect("readable");
    let error = load_trainable_state(salted.clone(), state).expect_err("refused");
    assert!(matches!(error, PeftError::MissingTensor { .. }), "{error}");
    let mut state = trainable_state(&salted).expect("readable");
    state.insert("extra".into(), TensorData::new(vec![0.0_f32], [1]));
    let error = load_trainable_state(salted.clone(), state).expect_err("refused");
    assert!(matches!(error, PeftError::UnusedTensor { .. }), "{error}");
    let mut state = trainable_state(&salted).expect("readable");
    state.insert(
        "fc1.weight.adapter.shift".into(),
        TensorData::new(vec![0.0_f32], [1]),
    );
    let error = load_trainable_state(salted.clone(), state).expect_err("refused");
    assert!(matches!(error, PeftError::Misshapen { .. }), "{error}");
    // Saving under another configuration than the one attached.
    let dir = tempfile::tempdir().expect("tmp");
    let error = save_adapter(&salted, &lora(), dir.path()).expect_err("refused");
    assert!(matches!(error, PeftError::OtherMethod { .. }), "{error}");
    let other = with(salt(), |c| c.modules_to_save = vec!["norms".into()]);
    let error = save_adapter(&salted, &other, dir.path()).expect_err("refused");
    assert!(matches!(error, PeftError::OtherSettings { .. }), "{error}");
}

#[test]
fn diverged_factors_are_refused() {
    let (model, _) = attach(
        ConvNet::new(1, &device()),
        &config::<ConvNet>("salt".parse().expect("registered")),
    )
    .expect("sound");
    let mut state = trainable_state(&model).expect("readable");
    let first = state.values_mut().next().expect("trained");
    *first = TensorData::new(vec![f32::NAN; first.num_elements()], first.shape().clone());
    let error = load_trainable_state(model.clone(), state).expect_err("refused");
    assert!(matches!(error, PeftError::NonFinite { .. }), "{error}");
    // Overflow that only shows in the product: 1e30 * 1e30.
    let huge = trainable_state(&model)
        .expect("readable")
        .into_iter()
        .map(|(path, data)| {
            let value = if path.ends_with(".scale") {
                1e38
            } else {
                1e30_f32
            };
            let data = TensorData::new(vec![value; data.num_elements()], data.shape().clone());
            (path, data)
        });
    let model = load_trainable_state(model, huge.collect()).expect("finite so far");
    assert!(matches!(merge(model), Err(PeftError::NonFinite { .. })));
}
