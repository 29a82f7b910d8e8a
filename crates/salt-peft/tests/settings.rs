//! What is saved is what was attached, under names that mean one module.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::Device;
use salt_peft::{
    AdapterConfig, PeftError, Rank, Relu, attach, load_adapter, save_adapter, trainable_state,
};

use crate::errors::{device, salt, with};
use crate::nets::{Mlp, Net, config, parameters};

#[test]
fn another_configuration_is_not_saved() {
    let lora = config::<Mlp>("lora".parse().expect("registered"));
    let check = |attached: &AdapterConfig, given: &AdapterConfig, setting: &str| {
        let (model, _) = attach(Mlp::new(1, &device()), attached).expect("sound");
        let dir = tempfile::tempdir().expect("tmp");
        match save_adapter(&model, given, dir.path()) {
            Err(PeftError::OtherSettings { setting: found, .. }) => assert_eq!(found, setting),
            other => panic!("{setting}: {other:?}"),
        }
        assert!(
            std::fs::read_dir(dir.path())
                .expect("there")
                .next()
                .is_none()
        );
    };
    check(&lora, &with(lora.clone(), |c| c.alpha = Some(1.0)), "alpha");
    check(
        &lora,
        &with(lora.clone(), |c| c.rank = Some(Rank::Absolute(2))),
        "rank",
    );
    check(&lora, &with(lora.clone(), |c| c.seed = 9), "seed");
    check(
        &salt(),
        &with(salt(), |c| c.relu = Some(Relu::Full)),
        "relu",
    );
}

#[derive(Module, Debug)]
struct Normed {
    fc: Linear,
    bn: BatchNorm,
}

/// Running statistics are values of a batch norm that no gradient trains.
#[test]
fn running_statistics_are_not_trained() {
    let net = || Normed {
        fc: LinearConfig::new(4, 4).init(&device()),
        bn: BatchNormConfig::new(4).init(&device()),
    };
    let base = net();
    let norms = AdapterConfig::new("norms".parse().expect("registered"));
    let (model, report) = attach(base.clone(), &norms).expect("sound");
    assert_eq!(report.trainable, 8, "gamma and beta");
    let trained = parameters(&model);
    let trained: Vec<_> = trained
        .iter()
        .filter(|(_, seen)| seen.requires_grad)
        .collect();
    assert_eq!(trained.len(), 2, "{trained:?}");
    assert_eq!(trainable_state(&model).expect("readable").len(), 2);
    let dir = tempfile::tempdir().expect("tmp");
    save_adapter(&model, &norms, dir.path()).expect("saves");
    load_adapter(base, dir.path()).expect("loads");
}

#[derive(Module, Debug)]
struct Inner {
    fc: Linear,
}

#[derive(Module, Debug)]
struct Alike {
    fc: Linear,
    mlp: Inner,
}

/// HF peft takes names for ends of paths: `fc` alone would mean `mlp.fc` too.
#[test]
fn names_in_files_mean_one_module() {
    let device = Device::default();
    let model = Alike {
        fc: LinearConfig::new(6, 6).init(&device),
        mlp: Inner {
            fc: LinearConfig::new(6, 6).init(&device),
        },
    };
    let fields = |config: &AdapterConfig| -> serde_json::Value {
        let (model, _) = attach(model.clone(), config).expect("sound");
        let dir = tempfile::tempdir().expect("tmp");
        save_adapter(&model, config, dir.path()).expect("saves");
        let text = std::fs::read_to_string(dir.path().join("adapter_config.json"));
        serde_json::from_str(&text.expect("written")).expect("JSON")
    };
    let mut lora = AdapterConfig::new("lora".parse().expect("registered"));
    lora.targets = vec!["fc".into()];
    lora.rank_pattern = [(r"\Afc".to_owned(), Rank::Absolute(2))].into();
    lora.alpha_pattern = [(r"\Afc".to_owned(), 16.0)].into();
    let both = fields(&lora);
    assert_eq!(both["rank_pattern"], serde_json::json!({"^fc": 2}));
    assert_eq!(both["alpha_pattern"], serde_json::json!({"^fc": 16.0}));
    assert!(both["exclude_modules"].is_null());
    lora.targets = vec![r"\Afc".into()];
    let one = fields(&lora);
    assert_eq!(one["target_modules"], serde_json::json!(["fc"]));
    assert_eq!(one["exclude_modules"], serde_json::json!(["mlp.fc"]));
}
