//! Frozen weights in 16 bits: the adapted model is the one over the rounded base in f32, bit for bit.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor};
use salt_peft::method::Scope;
use salt_peft::{
    AdapterConfig, BasePrecision, PeftError, activate, add_adapter, attach, load_adapter,
    load_named, merge, merge_with_report, remove_adapter, save_adapter, save_named, unload,
};

use crate::errors::{device, salt};
use crate::laws::{cases, on_cpu, train};
use crate::nets::{ConvNet, Mlp, Net, bits, config, parameters};
use crate::several::moved;

/// The formats that the device under test has.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn formats() -> Vec<(BasePrecision, DType)> {
    let all = [BasePrecision::F16, BasePrecision::Bf16];
    let mut formats = Vec::new();
    for precision in all {
        let dtype = precision.dtype().expect("a format");
        if device().supports_dtype(dtype) {
            formats.push((precision, dtype));
        } else {
            eprintln!("skipped: {:?} has no {precision}", Device::default());
        }
    }
    formats
}

fn kept_in(config: &AdapterConfig, base_precision: BasePrecision) -> AdapterConfig {
    AdapterConfig {
        base_precision,
        ..config.clone()
    }
}

/// Rounds the weights that are in no list of what is trained.
struct Round<'a> {
    path: Vec<String>,
    dtype: DType,
    trained: &'a [String],
}

impl ModuleMapper for Round<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        match path.ends_with(".weight") && !self.trained.contains(&path) {
            true => param.map(|weight| {
                let device = weight.device();
                let data = weight.into_data().convert_dtype(self.dtype);
                Tensor::from_data(data.convert_dtype(DType::F32), &device)
            }),
            false => param,
        }
    }
}

/// How every parameter is kept, by path.
fn kept<M: Module>(model: &M) -> BTreeMap<String, DType> {
    let all = parameters(model).into_iter();
    all.map(|(path, seen)| (path, seen.dtype)).collect()
}

fn check<N: Net>(config: &AdapterConfig, precision: BasePrecision, dtype: DType, case: &str) {
    let base = || N::new(1, &device());
    let half = kept_in(config, precision);
    if config.method.get().scope() == Scope::Everything {
        let error = attach(base(), &half).expect_err("nothing stays frozen");
        assert!(error.to_string().contains("base_precision"), "{error}");
        return;
    }
    let (model, report) = attach(base(), &half).expect("sound");
    let (in_f32, expected) = attach(base(), config).expect("sound");
    assert_eq!(report, expected, "{case}");
    let trained = parameters(&in_f32).into_iter();
    let trained = trained.filter(|(_, seen)| seen.requires_grad);
    let trained: Vec<String> = trained.map(|(path, _)| path).collect();

    for (path, found) in kept(&model) {
        let frozen = path.ends_with(".weight") && !trained.contains(&path);
        let expected = if frozen { dtype } else { DType::F32 };
        assert_eq!(found, expected, "{case}: {path}");
    }

    let rounded_base = || {
        base().map(&mut Round {
            path: Vec::new(),
            dtype,
            trained: &trained,
        })
    };
    let (reference, _) = attach(rounded_base(), config).expect("sound");
    let same = |a: &N, b: &N, what: &str| {
        assert_eq!(bits(a.outputs()), bits(b.outputs()), "{case}: {what}");
    };
    same(&model, &reference, "attached");
    let (model, reference) = match config.method.get().name() {
        "frozen" => (model, reference),
        _ => (train(model, 3, |_| ()), train(reference, 3, |_| ())),
    };
    same(&model, &reference, "trained");
    let merged = merge(model.clone()).expect("finite");
    same(&merged, &merge(reference).expect("finite"), "merged");
    let mut formats = kept(&merged).into_values();
    assert!(formats.all(|format| format == DType::F32), "{case}");
    let (_, rounding) = merge_with_report(model.clone()).expect("finite");
    assert_eq!(rounding.largest(), 0.0, "{case}");

    // The folder says how the base is kept: it is loaded over the one in f32.
    let dir = tempfile::tempdir().expect("tmp");
    save_adapter(&model, &half, dir.path()).expect("saved");
    let (loaded, _) = load_adapter(base(), dir.path()).expect("loaded");
    same(&loaded, &model, "loaded");
    assert_eq!(kept(&loaded), kept(&model), "{case}");

    // What was trained in place keeps its value, as ever.
    if config.method.get().scope() == Scope::Targets && config.modules_to_save.is_empty() {
        same(&unload(model), &rounded_base(), "unloaded");
    }
}

#[test]
fn it_is_the_adapter_over_the_rounded_base() {
    for (precision, dtype) in formats() {
        for (name, config) in cases::<Mlp>() {
            check::<Mlp>(&config, precision, dtype, &format!("{name} in {precision}"));
        }
        if !on_cpu() {
            continue;
        }
        for (name, config) in cases::<ConvNet>() {
            let case = format!("{name} on the conv net in {precision}");
            check::<ConvNet>(&config, precision, dtype, &case);
        }
    }
}

/// The first adapter says how the base is kept, the others find it so.
#[test]
fn adapters_with_names_share_a_base_in_half_precision() {
    let other = |precision| {
        let lora = config::<Mlp>("lora".parse().expect("registered"));
        kept_in(&lora, precision)
    };
    for (precision, dtype) in formats() {
        let base = || Mlp::new(1, &device());
        let first = kept_in(&salt(), precision);
        let (one, _) = add_adapter(base(), "first", &first).expect("sound");
        let one = moved(one, 1.0);
        let (two, _) = add_adapter(one.clone(), "second", &other(precision)).expect("the same");
        let two = moved(two, 2.0);
        assert_eq!(kept(&two)["fc1.weight"], dtype);
        let alone = activate(two.clone(), &[("first", 1.0)]).expect("carried");
        assert_eq!(bits(alone.outputs()), bits(one.outputs()));
        let left = remove_adapter(two.clone(), "second").expect("carried");
        assert_eq!(
            kept(&left)["decoder.weight"],
            dtype,
            "an adapter is taken off"
        );
        let left = activate(left, &[("first", 1.0)]).expect("carried");
        assert_eq!(bits(left.outputs()), bits(one.outputs()));

        let dir = tempfile::tempdir().expect("tmp");
        save_named(&two, "second", &other(precision), dir.path()).expect("saved");
        let (loaded, _) = load_named(one, "again", dir.path()).expect("the same base");
        assert_eq!(bits(loaded.outputs()), bits(two.outputs()));
        let (loaded, _) = load_named(base(), "again", dir.path()).expect("over the base in f32");
        assert_eq!(bits(loaded.outputs()), bits(two.outputs()));

        // Another format than that of the others, said or left out, and an adapter of a base that was not rounded.
        let left_out = config::<Mlp>("lora".parse().expect("registered"));
        let error = add_adapter(two.clone(), "third", &left_out).expect_err("the base is rounded");
        assert!(error.to_string().contains("base_precision"), "{error}");
        let (plain, _) = add_adapter(base(), "first", &salt()).expect("sound");
        let error = add_adapter(plain, "second", &other(precision)).expect_err("not rounded");
        assert!(error.to_string().contains("base_precision"), "{error}");
        save_adapter(
            &attach(base(), &salt()).expect("sound").0,
            &salt(),
            dir.path(),
        )
        .expect("saved");
        let error = load_named(two, "third", dir.path()).expect_err("another base");
        assert!(matches!(error, PeftError::WrongBase { .. }), "{error}");
    }
}

/// An adapter trained on another device is used on one that does not have the format of its base.
#[test]
fn what_was_trained_elsewhere_is_loaded_over_the_rounded_values() {
    for precision in [BasePrecision::F16, BasePrecision::Bf16] {
        let dtype = precision.dtype().expect("a format");
        let rounded = Mlp::new(1, &device()).map(&mut Round {
            path: Vec::new(),
            dtype,
            trained: &[],
        });
        let (model, _) = attach(rounded, &salt()).expect("sound");
        let model = moved(model, 1.0);
        let dir = tempfile::tempdir().expect("tmp");
        save_adapter(&model, &salt(), dir.path()).expect("saved");
        // What such a device would have written.
        let path = dir.path().join("adapter_config.json");
        let text = std::fs::read_to_string(&path).expect("written");
        let mut fields: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        fields["config"]["base_precision"] = precision.to_string().into();
        std::fs::write(&path, fields.to_string()).expect("written");

        let (loaded, _) = load_adapter(Mlp::new(1, &device()), dir.path()).expect("loaded");
        assert_eq!(bits(loaded.outputs()), bits(model.outputs()), "{precision}");
        let has = device().supports_dtype(dtype);
        let expected = if has { dtype } else { DType::F32 };
        assert_eq!(kept(&loaded)["decoder.weight"], expected, "{precision}");
    }
}

#[test]
fn a_model_that_only_keeps_its_base_in_half_precision_is_taken() {
    for (precision, _) in formats() {
        let frozen = kept_in(
            &config::<Mlp>("frozen".parse().expect("registered")),
            precision,
        );
        let (model, _) = attach(Mlp::new(1, &device()), &frozen).expect("sound");
        let error = attach(model, &salt()).expect_err("it would lose its base");
        assert!(
            matches!(error, PeftError::AlreadyAttached { .. }),
            "{error}"
        );
    }
}

#[test]
fn weights_beyond_the_range_are_named() {
    for (precision, _) in formats() {
        let mut base = Mlp::new(1, &device());
        base.decoder.weight = base.decoder.weight.map(|weight| (weight * 1e9).detach());
        let attached = attach(base, &kept_in(&salt(), precision));
        match precision {
            BasePrecision::F16 => {
                let error = attached.expect_err("65504 is the largest").to_string();
                assert!(
                    error.contains("decoder.weight") && error.contains("bf16"),
                    "{error}"
                );
            }
            _ => drop(attached.expect("it has the range of f32")),
        }
    }
}

#[test]
fn a_device_without_the_format_is_refused() {
    let all = [BasePrecision::F16, BasePrecision::Bf16];
    let missing = all.into_iter().filter(|precision| {
        let dtype = precision.dtype().expect("a format");
        !device().supports_dtype(dtype)
    });
    for precision in missing {
        let error = attach(Mlp::new(1, &device()), &kept_in(&salt(), precision));
        let error = error.expect_err("it has none");
        assert!(
            matches!(error, PeftError::UnsupportedPrecision { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_base_that_is_not_in_f32_is_refused() {
    for (precision, dtype) in formats() {
        let mut base = Mlp::new(1, &device());
        base.decoder.weight = (base.decoder.weight).map(|weight| weight.cast(dtype).detach());
        let error = attach(base, &kept_in(&salt(), precision)).expect_err("kept so already");
        let error = error.to_string();
        assert!(
            error.contains("decoder.weight") && error.contains("f32"),
            "{error}"
        );
    }
}
