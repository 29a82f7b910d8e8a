//! The laws that every adapter obeys, for every method and SALT's variants over the Segment Anything network itself: linear
//! layers, convolutions and transposed convolutions of `sam_nano` with its embedded weights. (salt-peft has
//! them over small networks; it knows no model.)

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use salt_peft::method::Scope;
use salt_peft::{
    AdapterConfig, MethodId, PeftError, Rank, Relu, all_methods, attach, load_adapter,
    load_trainable_state, merge, plan, save_adapter, trainable_state, unload,
};
use salt_sam::weights::embedded_nano;
use salt_sam::{Sam, SamConfig};

use crate::support::on_flex;

/// Merged against adapted masks: the same f32 products in another order, through ten layers.
const MERGE_TOLERANCE: f32 = 1e-4;

/// Side of the input: the smallest with a window that needs padding.
const SIDE: usize = 96;

fn device() -> Device {
    Device::default().autodiff()
}

/// Every method and SALT's variants by name; on flex.
fn cases() -> Vec<(String, AdapterConfig)> {
    if !on_flex("the network and the laws are tested on every device, each by itself") {
        return Vec::new();
    }
    let mut cases: Vec<_> = all_methods()
        .map(|method| (method.to_string(), config(method)))
        .collect();
    type Variant = (&'static str, fn(&mut AdapterConfig));
    let variants: [Variant; 6] = [
        ("relu full", |config| config.relu = Some(Relu::Full)),
        ("relu off", |config| config.relu = Some(Relu::Off)),
        ("energy", |config| {
            config.head_rank = Some(Rank::Energy(0.7))
        }),
        ("head only", |config| config.tail_rank = Some(0)),
        ("tail only", |config| {
            config.head_rank = Some(Rank::Absolute(0))
        }),
        ("budget", |config| {
            config.tail_rank = None;
            config.rank_budget = Some(20_000);
        }),
    ];
    for (name, change) in variants {
        let mut config = config("salt".parse().unwrap());
        change(&mut config);
        cases.push((format!("salt {name}"), config));
    }
    cases
}

fn config(method: MethodId) -> AdapterConfig {
    let mut config = AdapterConfig::new(method);
    let settings = method.get().settings();
    if settings.contains(&"targets") {
        let targets = [
            r"blocks\.\d+\.attn\.qkv[q,v]",
            r"blocks\.\d+\.(attn\.proj|mlp\.lin[12])",
            r"neck\.[02]",
            r"output_upscaling\.[03]",
        ];
        config.targets = targets.map(str::to_owned).to_vec();
        config.modules_to_save = vec!["prompt_token".into()];
    }
    if settings.contains(&"rank") {
        config.rank = Some(Rank::Absolute(2));
    }
    config
}

/// The network, its embedded weights scaled by `scale`.
fn sam(scale: f32) -> Sam {
    let config = SamConfig::by_name("sam_nano")
        .unwrap()
        .with_image_size(SIDE);
    let sam = embedded_nano(&config, Some("thin"), &device()).unwrap();
    if scale == 1.0 {
        return sam;
    }
    let mut state = trainable_state(&sam).unwrap();
    for data in state.values_mut() {
        let values: Vec<f32> = data.iter::<f32>().map(|x| x * scale).collect();
        *data = TensorData::new(values, data.shape().to_vec());
    }
    load_trainable_state(sam, state).unwrap()
}

fn masks(sam: &Sam) -> Tensor<4> {
    let values: Vec<f32> = (0..3 * SIDE * SIDE)
        .map(|i| ((i * 37 + i / SIDE * 11) % 256) as f32)
        .collect();
    let plain = Device::default();
    let pixels = Tensor::from_data(TensorData::new(values, [1, 3, SIDE, SIDE]), &plain);
    sam.segment_classes(sam.encode_image(pixels)).low_res_masks
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

fn close(found: &[f32], expected: &[f32], case: &str) {
    let scale = expected.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= MERGE_TOLERANCE * scale, "{case}: {a} {b}");
    }
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    floats(tensor).into_iter().map(f32::to_bits).collect()
}

/// Every float parameter by path: whether it is trained, and its bits.
fn parameters(sam: &Sam) -> BTreeMap<String, (bool, Vec<u32>)> {
    #[derive(Default)]
    struct See {
        path: Vec<String>,
        seen: BTreeMap<String, (bool, Vec<u32>)>,
    }
    impl ModuleVisitor for See {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let seen = (param.is_require_grad(), bits(param.base()));
            self.seen.insert(self.path.join("."), seen);
        }
    }
    let mut see = See::default();
    sam.visit(&mut see);
    see.seen
}

fn attached(config: &AdapterConfig) -> Sam {
    attach(sam(1.0), config).unwrap().0
}

/// Away from the start, as training would.
fn moved(model: Sam) -> Sam {
    let mut state = trainable_state(&model).unwrap();
    for (at, data) in state.values_mut().enumerate() {
        let values = data.iter::<f32>().enumerate();
        let values = values.map(|(i, x)| x + 0.01 * (1.3 * at as f32 + 0.7 * i as f32).sin());
        *data = TensorData::new(values.collect::<Vec<f32>>(), data.shape().to_vec());
    }
    load_trainable_state(model, state).unwrap()
}

fn is_factor(path: &str) -> bool {
    path.contains(".adapter.")
}

#[test]
fn attaching_changes_no_bit_and_trains_what_the_report_counts() {
    let expected = bits(masks(&sam(1.0)));
    for (case, config) in cases() {
        let method = config.method;
        let planned = plan(&sam(1.0), &config).unwrap();
        let (model, report) = attach(sam(1.0), &config).unwrap();
        assert_eq!(planned, report, "{case}");
        assert_eq!(bits(masks(&model)), expected, "{case}");
        let seen = parameters(&model);
        let trained = seen.values().filter(|(trained, _)| *trained);
        let trained: usize = trained.map(|(_, bits)| bits.len()).sum();
        assert_eq!(report.trainable, trained, "{case}");
        if method.get().scope() == Scope::Targets {
            for (path, (trained, _)) in &seen {
                let may = is_factor(path) || path == "prompt_tokens";
                assert_eq!(*trained, may, "{case}: {path}");
            }
            // Four weights a block, two rows of one of them; two convolutions, two transposed.
            let blocks = SamConfig::by_name("sam_nano").unwrap().depth;
            let adapted = report.layers.iter().filter(|layer| layer.rank != "-");
            assert_eq!(adapted.count(), 5 * blocks + 4, "{case}");
        }
    }
}

#[test]
fn every_factor_gets_a_gradient_and_nothing_else() {
    struct See<'a> {
        path: Vec<String>,
        gradients: &'a burn::tensor::Gradients,
        live: BTreeSet<String>,
    }
    impl ModuleVisitor for See<'_> {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.base().grad(self.gradients) {
                let values = floats(gradient);
                let path = self.path.join(".");
                assert!(values.iter().all(|value| value.is_finite()), "{path}");
                if values.iter().any(|value| *value != 0.0) {
                    self.live.insert(path);
                }
            }
        }
    }
    for (case, config) in cases() {
        if config.method.get().scope() != Scope::Targets {
            continue;
        }
        let model = moved(attached(&config));
        let gradients = masks(&model).powi_scalar(2).mean().backward();
        let mut see = See {
            path: Vec::new(),
            gradients: &gradients,
            live: BTreeSet::new(),
        };
        model.visit(&mut see);
        let seen = parameters(&model);
        let trained = seen.into_iter().filter(|(_, (trained, _))| *trained);
        let trained: BTreeSet<String> = trained.map(|(path, _)| path).collect();
        assert_eq!(see.live, trained, "{case}");
    }
}

#[test]
fn merged_saved_and_loaded_it_computes_the_same_and_the_base_comes_back() {
    let base = parameters(&sam(1.0));
    for (case, config) in cases() {
        let method = config.method;
        if case == "frozen" {
            continue;
        }
        let model = moved(attached(&config));
        let expected = floats(masks(&model));
        let dir = tempfile::tempdir().unwrap();
        save_adapter(&model, &config, dir.path()).unwrap();
        let (loaded, _) = load_adapter(sam(1.0), dir.path()).unwrap();
        assert_eq!(bits(masks(&loaded)), bits(masks(&model)), "{case}");
        match load_adapter(sam(1.5), dir.path()) {
            Err(PeftError::WrongBase { .. }) => {}
            Ok(_) => assert_eq!(method.get().scope(), Scope::Everything, "{case}"),
            Err(error) => panic!("{case}: {error}"),
        }

        let merged = merge(model.clone()).unwrap();
        close(&floats(masks(&merged)), &expected, &case);
        assert!(!parameters(&merged).keys().any(|path| is_factor(path)));

        let unloaded = parameters(&unload(model.clone()));
        assert_eq!(unloaded.len(), base.len(), "{case}");
        let whole = parameters(&model);
        for (path, (_, bits)) in &unloaded {
            // What is trained in place has no other value.
            let expected = if whole[path].0 {
                &whole[path].1
            } else {
                &base[path].1
            };
            assert_eq!(bits, expected, "{case}: {path}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_factors() {
    for (case, mut config) in cases() {
        let first = parameters(&attached(&config));
        assert_eq!(first, parameters(&attached(&config)), "{case}");
        config.seed += 1;
        let other = parameters(&attached(&config));
        let random = ["salt", "lora", "rslora", "dora"].contains(&&*config.method.to_string());
        assert_eq!(first != other, random && case != "salt head only", "{case}");
    }
}

#[test]
fn it_lives_through_validation_and_moves() {
    for (case, config) in cases() {
        let model = attached(&config);
        let model = if case == "frozen" {
            model
        } else {
            moved(model)
        };
        let (outputs, before) = (floats(masks(&model)), parameters(&model));
        let valid = model.valid();
        // Without a tape the kernels are others, so the last bits may differ.
        close(&floats(masks(&valid)), &outputs, &case);
        let trained = parameters(&valid).into_values().any(|(trained, _)| trained);
        assert!(!trained, "{case}");
        assert_eq!(parameters(&Module::train(valid)), before, "{case}: train");
        let moved = model.fork(&device());
        assert_eq!(floats(masks(&moved)), outputs, "{case}: fork");
        assert_eq!(parameters(&moved), before, "{case}: fork");
    }
}
