//! Several adapters on one model.

use burn::module::Module;
use burn::tensor::TensorData;
use salt_peft::{
    AdapterConfig, PeftError, activate, add_adapter, attach, carried_adapters, load_adapter,
    load_named, load_trainable_state, merge, remove_adapter, save_adapter, save_named,
    trainable_state, unload,
};

use crate::errors::device;
use crate::nets::{ConvNet, Mlp, Net, assert_close, bits, config, floats, parameters};

/// Weighted sums of effective weights in f32: a handful of roundings of values up to twice as large.
const TOLERANCE: f32 = 4e-6;

fn of<N: Net>(method: &str) -> AdapterConfig {
    let mut config = config::<N>(method.parse().expect("registered"));
    if N::N_TARGETS == Mlp::N_TARGETS {
        config.modules_to_save = vec!["norms".into(), "pos_embed".into()];
    }
    config
}

/// One adapter trains a weight whole, the next adapts rows of it.
#[test]
fn rows_of_a_weight_that_another_adapter_trains_whole() {
    let mut whole = of::<Mlp>("norms");
    whole.modules_to_save = vec!["fc1".into()];
    let mut q = of::<Mlp>("lora");
    q.targets = vec!["fc1[2:7]".into()];
    q.modules_to_save = Vec::new();
    let model: Mlp = pair(&whole, &q);
    for (name, config, seed) in [("first", &whole, 1.0), ("second", &q, 2.0)] {
        let one = activate(model.clone(), &[(name, 1.0)]).expect("carried");
        let alone = alone::<Mlp>(config, seed).outputs();
        assert_eq!(bits(one.outputs()), bits(alone), "{name}");
    }
}

fn rows<N: Net>(method: &str) -> AdapterConfig {
    let mut config = of::<N>(method);
    config.targets = N::ROWS.0.iter().map(|target| target.to_string()).collect();
    config
}

/// The model with every trained value moved by a little, differently for each seed.
pub(crate) fn moved<M: Module>(model: M, seed: f32) -> M {
    let mut state = trainable_state(&model).expect("readable");
    for (at, data) in state.values_mut().enumerate() {
        let values = data.iter::<f32>().enumerate();
        let values: Vec<f32> = values
            .map(|(i, x)| x + 0.05 * (seed * (1.0 + at as f32) + 0.7 * i as f32).sin())
            .collect();
        *data = TensorData::new(values, data.shape().to_vec());
    }
    load_trainable_state(model, state).expect("fits")
}

/// What each adapter alone computes, when it is the model's only one.
fn alone<N: Net>(config: &AdapterConfig, seed: f32) -> N {
    moved(attach(N::new(1, &device()), config).expect("sound").0, seed)
}

/// A model with two adapters, of values as [`alone`] gives them.
fn pair<N: Net>(first: &AdapterConfig, second: &AdapterConfig) -> N {
    let (model, _) = add_adapter(N::new(1, &device()), "first", first).expect("sound");
    let (model, _) = add_adapter(moved(model, 1.0), "second", second).expect("sound");
    moved(model, 2.0)
}

fn check_switching<N: Net>(first: &AdapterConfig, second: &AdapterConfig) {
    let base = bits(N::new(1, &device()).outputs());
    let model: N = pair(first, second);
    let on = |strengths: &[(&str, f64)]| activate(model.clone(), strengths).expect("carried");
    for (name, config, seed) in [("first", first, 1.0), ("second", second, 2.0)] {
        let expected = bits(alone::<N>(config, seed).outputs());
        assert_ne!(expected, base, "{name} does something");
        let one = on(&[(name, 1.0)]);
        assert_eq!(bits(one.outputs()), expected, "{name}");
        // What is on is trained, nothing else.
        for (path, seen) in parameters(&one) {
            let own = path.contains(&format!(".adapter.{name}."));
            assert_eq!(seen.requires_grad, own, "{name}: {path}");
        }
        let merged = floats(merge(one).expect("finite").outputs());
        assert_close(
            &merged,
            &floats(alone::<N>(config, seed).outputs()),
            1e-5,
            name,
        );
    }
    assert_eq!(bits(on(&[]).outputs()), base, "none");
    assert_eq!(bits(unload(model.clone()).outputs()), base, "unloaded");

    // Weights are linear in the strengths.
    let weights = |model: N| parameters(&merge(model).expect("finite"));
    let [w0, w1, w2, both] = [
        &[][..],
        &[("first", 1.0)],
        &[("second", 1.0)],
        &[("first", 0.25), ("second", -2.0)],
    ]
    .map(|strengths| weights(on(strengths)));
    for (path, both) in &both {
        let f = |seen: &crate::nets::Seen| -> Vec<f32> {
            seen.bits.iter().map(|bits| f32::from_bits(*bits)).collect()
        };
        let (w0, w1, w2) = (f(&w0[path]), f(&w1[path]), f(&w2[path]));
        let expected: Vec<f32> = (0..w0.len())
            .map(|i| w0[i] + 0.25 * (w1[i] - w0[i]) - 2.0 * (w2[i] - w0[i]))
            .collect();
        assert_close(&f(both), &expected, TOLERANCE, path);
    }

    let left = remove_adapter(on(&[("first", 1.0)]), "second").expect("carried");
    assert_eq!(
        bits(left.outputs()),
        bits(alone::<N>(first, 1.0).outputs()),
        "the other is gone"
    );
    assert_eq!(carried_adapters(&left).len(), 1);
    let none = remove_adapter(left, "first").expect("carried");
    assert_eq!(
        parameters(&none).len(),
        parameters(&N::new(1, &device())).len()
    );
}

#[test]
fn adapters_are_switched_and_combined() {
    check_switching::<Mlp>(&of::<Mlp>("salt"), &of::<Mlp>("lora"));
    check_switching::<Mlp>(&rows::<Mlp>("dora"), &of::<Mlp>("pissa"));
    check_switching::<Mlp>(&of::<Mlp>("norms"), &rows::<Mlp>("ssam"));
    check_switching::<ConvNet>(&of::<ConvNet>("dora"), &rows::<ConvNet>("salt"));
    check_switching::<ConvNet>(&of::<ConvNet>("decoder"), &of::<ConvNet>("bias"));
}

/// Files do not tell whether an adapter had a name.
#[test]
fn files_of_a_named_adapter_are_those_of_the_adapter() {
    for (first, second) in [("salt", "lora"), ("norms", "dora")] {
        let (first, second) = (of::<Mlp>(first), rows::<Mlp>(second));
        let model: Mlp = pair(&first, &second);
        for (name, config, seed) in [("first", &first, 1.0), ("second", &second, 2.0)] {
            let dirs = [0, 1].map(|_| tempfile::tempdir().expect("tmp"));
            save_named(&model, name, config, dirs[0].path()).expect("saves");
            save_adapter(&alone::<Mlp>(config, seed), config, dirs[1].path()).expect("saves");
            for file in ["adapter_config.json", "adapter_model.safetensors"] {
                let [named, alone] =
                    [0, 1].map(|i| std::fs::read(dirs[i].path().join(file)).expect("written"));
                assert_eq!(named, alone, "{name}: {file}");
            }
            let expected = bits(alone::<Mlp>(config, seed).outputs());
            let (loaded, report) =
                load_adapter(Mlp::new(1, &device()), dirs[0].path()).expect("loads");
            assert_eq!(bits(loaded.outputs()), expected, "{name}");
            // Beside others, and switched on at once.
            let (loaded, again) = load_named(model.clone(), "third", dirs[0].path()).expect("fits");
            assert_eq!(bits(loaded.outputs()), expected, "{name}");
            assert_eq!(report, again);
            let names: Vec<_> = carried_adapters(&loaded)
                .into_iter()
                .map(|carried| (carried.name, carried.strength))
                .collect();
            let expected = [("first", 0.0), ("second", 0.0), ("third", 1.0)];
            assert_eq!(
                names,
                expected.map(|(name, strength)| (name.to_owned(), strength))
            );
        }
    }
}

#[test]
fn names_and_bases_are_checked() {
    let model: Mlp = pair(&of::<Mlp>("salt"), &of::<Mlp>("lora"));
    let lora = of::<Mlp>("lora");
    for name in ["first", "default", "", "a.b", "a/b", "[q]"] {
        let error = add_adapter(model.clone(), name, &lora).expect_err("refused");
        assert!(error.to_string().contains("name of an adapter"), "{error}");
    }
    let unknown = activate(model.clone(), &[("frist", 1.0)]).expect_err("refused");
    assert!(unknown.to_string().contains("first, second"), "{unknown}");
    assert!(matches!(
        remove_adapter(model.clone(), "third"),
        Err(PeftError::UnknownAdapter { .. })
    ));
    let twice = activate(model.clone(), &[("first", 1.0), ("first", 0.0)]).expect_err("refused");
    assert!(twice.to_string().contains("given twice"), "{twice}");
    let nan = activate(model.clone(), &[("first", f64::NAN)]).expect_err("refused");
    assert!(nan.to_string().contains("`strength`"), "{nan}");
    let full = add_adapter(model.clone(), "third", &of::<Mlp>("full")).expect_err("refused");
    assert!(full.to_string().contains("leaves the base"), "{full}");
    let dir = tempfile::tempdir().expect("tmp");
    assert!(matches!(
        save_named(&model, "third", &lora, dir.path()),
        Err(PeftError::UnknownAdapter { .. })
    ));
    assert!(matches!(
        save_named(&model, "first", &lora, dir.path()),
        Err(PeftError::OtherMethod { .. })
    ));
    // An adapter that trains in place leaves no base for others; one that does not is one of several.
    let in_place = alone::<Mlp>(&lora, 1.0);
    assert!(matches!(
        add_adapter(in_place, "second", &lora),
        Err(PeftError::TrainedInPlace { .. })
    ));
    let plain = config::<Mlp>("salt".parse().expect("registered"));
    let model: Mlp = alone(&plain, 1.0);
    let (model, _) = add_adapter(model, "second", &lora).expect("a base is left");
    let model = activate(model, &[("default", 1.0)]).expect("carried");
    assert_eq!(
        bits(model.outputs()),
        bits(alone::<Mlp>(&plain, 1.0).outputs())
    );
}
