//! The laws of `style.md`, for every registered method on both nets.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor};
use salt_kernels::linear_layer;
use salt_peft::method::Scope;
use salt_peft::{
    AdapterConfig, Init, MethodId, PeftError, Rank, Relu, all_methods, attach, load_adapter,
    load_trainable_state, merge, penalty, plan, save_adapter, spectrum_group, trainable_state,
    unload,
};

use crate::nets::{ConvNet, Mlp, Net, assert_close, bits, config, floats, parameters};

/// Merged against adapted outputs: the same f32 products in another order.
const MERGE_TOLERANCE: f32 = 1e-5;

fn device() -> Device {
    Device::default().autodiff()
}

/// Whether a new shape costs no compilation.
pub(crate) fn on_cpu() -> bool {
    let device = format!("{:?}", Device::default());
    ["Flex", "NdArray"].iter().any(|cpu| device.contains(cpu))
}

/// Every method with its settings for a net, and variants of their settings. On software Vulkan, where
/// every new shape costs compilations, the methods alone.
pub(crate) fn cases<N: Net>() -> Vec<(String, AdapterConfig)> {
    let mut cases: Vec<(String, AdapterConfig)> = all_methods()
        .map(|method| (method.to_string(), config::<N>(method)))
        .collect();
    if !on_cpu() {
        return cases;
    }
    let salt: MethodId = "salt".parse().expect("registered");
    let mut variant = |name: &str, change: fn(&mut AdapterConfig)| {
        let mut config = config::<N>(salt);
        change(&mut config);
        cases.push((format!("salt {name}"), config));
    };
    variant("relu full", |config| config.relu = Some(Relu::Full));
    variant("relu off", |config| config.relu = Some(Relu::Off));
    variant("penalty", |config| config.lambda = Some(0.01));
    variant("energy", |config| {
        config.head_rank = Some(Rank::Energy(0.7))
    });
    variant("head only", |config| config.tail_rank = Some(0));
    variant("tail only", |config| {
        config.head_rank = Some(Rank::Absolute(0))
    });
    variant("all head", |config| {
        config.head_rank = Some(Rank::Ratio(1.0))
    });
    variant("with norms", |config| {
        config.modules_to_save = vec!["norms".into()]
    });
    for method in ["lora", "dora", "pissa"] {
        let mut by_energy = config::<N>(method.parse().expect("registered"));
        by_energy.rank = Some(Rank::Energy(0.6));
        cases.push((format!("{method} energy"), by_energy));
    }
    for method in ["salt", "lora", "dora", "pissa"] {
        let mut by_budget = config::<N>(method.parse().expect("registered"));
        (by_budget.rank, by_budget.tail_rank) = (None, None);
        by_budget.rank_budget = Some(500);
        cases.push((format!("{method} budget"), by_budget));
    }
    for method in ["salt", "ssam", "svft", "lora", "dora", "olora", "loraxs"] {
        let mut rows = config::<N>(method.parse().expect("registered"));
        rows.targets = N::ROWS.0.iter().map(|target| target.to_string()).collect();
        cases.push((format!("{method} rows"), rows));
    }
    for method in ["lora", "dora"] {
        let mut gaussian = config::<N>(method.parse().expect("registered"));
        gaussian.init = Some(Init::Gaussian);
        cases.push((format!("{method} gaussian"), gaussian));
    }
    cases
}

/// Runs a law on both nets for every case.
macro_rules! law {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[test]
        fn $name() {
            fn both<N: Net>(net: &str, check: fn(&AdapterConfig, &str)) {
                for (name, config) in cases::<N>() {
                    check(&config, &format!("{name} on {net}"));
                }
            }
            both::<Mlp>("the MLP", checks::$name::<Mlp>);
            both::<ConvNet>("the conv net", checks::$name::<ConvNet>);
        }
    };
}

law!(identity_when_attached);
law!(only_adapter_and_extras_are_trained);
law!(every_factor_gets_a_gradient_and_the_base_does_not_move);
law!(merged_equals_adapted_and_leaves_nothing_attached);
law!(unloading_restores_the_exact_base);
law!(saved_and_loaded_equals);
law!(another_base_is_refused);
law!(counts_equal_counted_parameters);
law!(same_seed_same_factors);
law!(lives_through_validation_and_moves);

/// Whatever is attached, whether the kernels see its factors or nothing but the weight.
#[test]
fn linear_layers_are_the_same_by_weight_and_by_factors() {
    for (name, config) in cases::<Mlp>() {
        let model: Mlp = trained(&config);
        let [inputs, _] = model.fc1.weight.dims();
        for rows in [1, 40] {
            let numbers = Tensor::<1, Int>::arange(0..(rows * inputs) as i64, &device());
            let x = numbers.float().sin().reshape([rows, inputs]);
            let got = floats(linear_layer(&model.fc1, x.clone()));
            assert_close(&got, &floats(model.fc1.forward(x)), 1e-5, &name);
        }
    }
}

/// A net with the case's adapter.
pub(crate) fn attached<N: Net>(config: &AdapterConfig, seed: u64) -> N {
    let (model, _) = attach(N::new(seed, &device()), config).expect("the case is sound");
    model
}

/// Three steps away from the start, far enough that every factor matters.
fn trained<N: Net>(config: &AdapterConfig) -> N {
    let model = attached(config, 1);
    if config.method.get().name() == "frozen" {
        model
    } else {
        train(model, 3, |_| ())
    }
}

pub(crate) fn train<N: Net>(
    mut model: N,
    steps: usize,
    mut look: impl FnMut(&BTreeMap<String, bool>),
) -> N {
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.0).init();
    for _ in 0..steps {
        let mut loss = (model.outputs() - 0.3).powi_scalar(2).mean();
        if let Some(penalty) = penalty(&model) {
            loss = loss + penalty;
        }
        let gradients = loss.backward();
        let mut visitor = SeeGradients {
            path: Vec::new(),
            gradients: &gradients,
            moved: BTreeMap::new(),
        };
        model.visit(&mut visitor);
        look(&visitor.moved);
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = optimizer.step(0.05, model, gradients);
    }
    model
}

/// Which parameters have a gradient, and whether it is anything but zero and all finite.
struct SeeGradients<'a> {
    path: Vec<String>,
    gradients: &'a burn::tensor::Gradients,
    moved: BTreeMap<String, bool>,
}

impl ModuleVisitor for SeeGradients<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.base().grad(self.gradients) {
            let values = floats(gradient);
            let path = self.path.join(".");
            assert!(
                values.iter().all(|value| value.is_finite()),
                "{path} has a wild gradient"
            );
            self.moved
                .insert(path, values.iter().any(|value| *value != 0.0));
        }
    }
}

/// The parameters a case may train, by the rules of the specification, told apart by path alone.
fn may_train(config: &AdapterConfig, path: &str) -> bool {
    let is_norm = path.starts_with("norm.");
    let norms = config.modules_to_save.iter().any(|extra| extra == "norms");
    match config.method.get().name() {
        "full" => path != "constant",
        "norms" => is_norm,
        "bias" => path.ends_with(".bias") || path == "norm.beta",
        "decoder" => path.contains("decoder."),
        "frozen" => false,
        _ => path.contains(".adapter.") || (norms && is_norm),
    }
}

mod checks {
    use super::*;

    pub(super) fn identity_when_attached<N: Net>(config: &AdapterConfig, case: &str) {
        let base = N::new(1, &device());
        let (outputs, before) = (bits(base.outputs()), parameters(&base));
        let (model, _) = attach(base, config).expect("the case is sound");
        assert_eq!(bits(model.outputs()), outputs, "{case}: outputs");
        let merged = parameters(&merge(model).expect("finite"));
        for (path, seen) in before {
            assert_eq!(merged[&path].bits, seen.bits, "{case}: effective {path}");
        }
    }

    pub(super) fn only_adapter_and_extras_are_trained<N: Net>(config: &AdapterConfig, case: &str) {
        let model: N = attached(config, 1);
        for (path, seen) in parameters(&model) {
            assert_eq!(
                seen.requires_grad,
                may_train(config, &path),
                "{case}: {path}"
            );
        }
        // The same through a plain device, where Burn keeps the setting for later.
        let (plain, _) = attach(N::new(1, &Device::default()), config).expect("sound");
        for (path, seen) in parameters(&Module::train(plain)) {
            assert_eq!(
                seen.requires_grad,
                may_train(config, &path),
                "{case}: {path} after train"
            );
        }
    }

    pub(super) fn every_factor_gets_a_gradient_and_the_base_does_not_move<N: Net>(
        config: &AdapterConfig,
        case: &str,
    ) {
        if config.method.get().name() == "frozen" {
            return;
        }
        let model: N = attached(config, 1);
        let before = parameters(&model);
        let mut last = BTreeMap::new();
        let model = train(model, 2, |moved| last = moved.clone());
        for (path, seen) in parameters(&model) {
            if may_train(config, &path) {
                assert_eq!(
                    last.get(&path),
                    Some(&true),
                    "{case}: {path} got no gradient"
                );
                assert_ne!(seen.bits, before[&path].bits, "{case}: {path} did not move");
            } else {
                assert_eq!(last.get(&path), None, "{case}: {path} got a gradient");
                assert_eq!(seen, before[&path], "{case}: {path} moved");
            }
        }
    }

    pub(super) fn merged_equals_adapted_and_leaves_nothing_attached<N: Net>(
        config: &AdapterConfig,
        case: &str,
    ) {
        let model: N = trained(config);
        let expected = floats(model.outputs());
        let base_paths: BTreeSet<String> = parameters(&N::new(1, &device())).into_keys().collect();
        let merged = merge(model).expect("finite");
        assert_close(&floats(merged.outputs()), &expected, MERGE_TOLERANCE, case);
        let paths: BTreeSet<String> = parameters(&merged).into_keys().collect();
        assert_eq!(paths, base_paths, "{case}");
        attach(merged, config).expect("nothing is attached any more");
    }

    pub(super) fn unloading_restores_the_exact_base<N: Net>(config: &AdapterConfig, case: &str) {
        let model: N = trained(config);
        let (adapted, before) = (bits(model.outputs()), parameters(&model));
        let base = parameters(&N::new(1, &device()));
        let unloaded = parameters(&unload(model.clone()));
        assert_eq!(unloaded.len(), base.len(), "{case}: factors are left");
        for (path, seen) in unloaded {
            // What was trained whole has no other value than its trained one.
            let whole = may_train(config, &path);
            let expected = if whole { &before[&path] } else { &base[&path] };
            assert_eq!(seen.bits, expected.bits, "{case}: {path}");
        }
        // The model itself is as it was: its adapters are seen again.
        assert_eq!(bits(model.outputs()), adapted, "{case}");
        assert_eq!(parameters(&model), before, "{case}");
    }

    pub(super) fn saved_and_loaded_equals<N: Net>(config: &AdapterConfig, case: &str) {
        let model: N = trained(config);
        let (first, second) = (
            tempfile::tempdir().expect("tmp"),
            tempfile::tempdir().expect("tmp"),
        );
        save_adapter(&model, config, first.path()).expect("saves");
        let (loaded, report) = load_adapter(N::new(1, &device()), first.path()).expect("loads");
        assert_eq!(bits(loaded.outputs()), bits(model.outputs()), "{case}");
        assert_eq!(
            report,
            attach(N::new(1, &device()), config).expect("sound").1,
            "{case}"
        );
        // Written again, the bytes are the same.
        save_adapter(&loaded, config, second.path()).expect("saves");
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            let read =
                |dir: &tempfile::TempDir| std::fs::read(dir.path().join(name)).expect("written");
            assert_eq!(read(&first), read(&second), "{case}: {name}");
        }
        // And in memory.
        let state = trainable_state(&model).expect("readable");
        let restored = load_trainable_state(attached::<N>(config, 1), state).expect("fits");
        assert_eq!(
            bits(restored.outputs()),
            bits(model.outputs()),
            "{case}: state"
        );
    }

    pub(super) fn another_base_is_refused<N: Net>(config: &AdapterConfig, case: &str) {
        let dir = tempfile::tempdir().expect("tmp");
        save_adapter(&attached::<N>(config, 1), config, dir.path()).expect("saves");
        match load_adapter(N::new(2, &device()), dir.path()) {
            Err(PeftError::WrongBase { expected, found }) => assert_ne!(expected, found, "{case}"),
            // The adapter of full tuning brings every parameter: it only depends on constants.
            Ok(_) => assert_eq!(config.method.get().scope(), Scope::Everything, "{case}"),
            Err(error) => panic!("{case}: {error}"),
        }
    }

    pub(super) fn counts_equal_counted_parameters<N: Net>(config: &AdapterConfig, case: &str) {
        let base = N::new(1, &device());
        let (n_base, planned) = (base.num_params(), plan(&base, config).expect("sound"));
        let (model, report) = attach(base, config).expect("sound");
        let counted: usize = parameters(&model)
            .values()
            .filter(|p| p.requires_grad)
            .map(|p| p.bits.len())
            .sum();
        assert_eq!(report.trainable, counted, "{case}");
        assert_eq!(report.total, model.num_params(), "{case}");
        assert_eq!(report.adapter, model.num_params() - n_base, "{case}");
        let by_layer: usize = report.layers.iter().map(|layer| layer.trainable).sum();
        assert_eq!(report.trainable, by_layer, "{case}");
        let percent = 100.0 * counted as f64 / report.total as f64;
        assert!((report.percent - percent).abs() < 1e-12, "{case}");
        let adapted = report
            .layers
            .iter()
            .filter(|layer| layer.method != "whole")
            .count();
        let rows = config.targets.iter().any(|target| target.ends_with(']'));
        let expected = match config.targets.is_empty() {
            true => 0,
            false if rows => N::ROWS.1,
            false => N::N_TARGETS,
        };
        assert_eq!(adapted, expected, "{case}");
        assert_eq!(planned, report, "{case}: the plan");
    }

    pub(super) fn same_seed_same_factors<N: Net>(config: &AdapterConfig, case: &str) {
        let values = |config: &AdapterConfig| -> BTreeMap<String, Vec<u32>> {
            let model: N = attached(config, 1);
            let found = parameters(&model).into_iter();
            found.map(|(path, seen)| (path, seen.bits)).collect()
        };
        assert_eq!(values(config), values(config), "{case}");
        let mut other = config.clone();
        other.seed += 1;
        let (one, two) = (values(config), values(&other));
        let changed: BTreeSet<&str> = one
            .keys()
            .filter(|path| one[*path] != two[*path])
            .map(|path| path.rsplit('.').next().expect("a path has a name"))
            .collect();
        assert!(
            changed.is_subset(&BTreeSet::from(["x", "a"])),
            "{case}: {changed:?}"
        );
    }

    pub(super) fn lives_through_validation_and_moves<N: Net>(config: &AdapterConfig, case: &str) {
        let model: N = trained(config);
        let (outputs, before) = (floats(model.outputs()), parameters(&model));
        let ids: BTreeSet<_> = before.values().map(|seen| seen.id).collect();
        assert_eq!(ids.len(), before.len(), "{case}: ids are distinct");
        let valid = model.valid();
        // Without autodiff the backend takes other kernels, so the last bits may differ.
        assert_close(
            &floats(valid.outputs()),
            &outputs,
            MERGE_TOLERANCE,
            &format!("{case}: valid"),
        );
        assert!(
            parameters(&valid).values().all(|seen| !seen.requires_grad),
            "{case}"
        );
        assert_eq!(parameters(&Module::train(valid)), before, "{case}: train");
        let moved = model.fork(&device());
        assert_eq!(floats(moved.outputs()), outputs, "{case}: fork");
        assert_eq!(parameters(&moved), before, "{case}: fork");
    }
}

/// The reference start is not the identity, and says so.
#[test]
fn the_reference_start_moves_the_model() {
    let mut config = config::<Mlp>("salt".parse().expect("registered"));
    config.init = Some(Init::Reference);
    let base = Mlp::new(1, &device());
    let outputs = floats(base.outputs());
    let (model, _) = attach(base, &config).expect("sound");
    let moved = crate::nets::relative_error(&floats(model.outputs()), &outputs);
    assert!(moved > 1e-6 && moved < 0.1, "{moved}");
    let other = {
        config.seed += 1;
        attached::<Mlp>(&config, 1)
    };
    assert_ne!(
        bits(other.outputs()),
        bits(model.outputs()),
        "the seed is used"
    );
}

/// At an update of zero the penalty is zero and pulls nowhere; away from it, it is what it says.
#[test]
fn the_penalty_is_zero_at_the_start_and_grows() {
    let mut config = config::<Mlp>("salt".parse().expect("registered"));
    assert!(
        penalty(&attached::<Mlp>(&config, 1)).is_none(),
        "lambda is 0 by default"
    );
    config.lambda = Some(0.5);
    let model: Mlp = attached(&config, 1);
    let start = penalty(&model).expect("lambda is set");
    assert_eq!(bits(start.clone()), [0]);
    let gradients = start.backward();
    let mut visitor = SeeGradients {
        path: Vec::new(),
        gradients: &gradients,
        moved: BTreeMap::new(),
    };
    model.visit(&mut visitor);
    assert!(
        visitor.moved.values().all(|moved| !moved),
        "{:?}",
        visitor.moved
    );

    let mut state = trainable_state(&model).expect("readable");
    for (path, data) in &mut state {
        if path == "fc1.weight.adapter.shift" {
            *data = burn::tensor::TensorData::new(vec![3.0_f32, 4.0, 0.0, 0.0], [4]);
        }
    }
    let model = load_trainable_state(model, state).expect("fits");
    let value = floats(penalty(&model).expect("lambda is set"));
    // 0.5 * ||(3, 4, 0, 0)|| = 2.5, up to the rounding of s + shift - s.
    assert_close(&value, &[2.5], 1e-5, "penalty");
}

/// The optimiser group holds exactly the scales and shifts.
#[test]
fn the_spectrum_group_holds_scales_and_shifts() {
    let group = spectrum_group();
    for (case, config) in cases::<Mlp>() {
        for (path, seen) in parameters(&attached::<Mlp>(&config, 1)) {
            let is_spectral = path.ends_with(".scale") || path.ends_with(".shift");
            let expected = path.contains(".adapter.") && is_spectral;
            assert_eq!(
                group.matches(&seen.id, Some(&path)),
                expected,
                "{case}: {path}"
            );
        }
    }
}
