//! Properties over random shapes, ranks and spectra: tall, wide, rank one, zero, repeated values.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use salt_peft::method::Scope;
use salt_peft::svd::{Need, ThinSvd, WeightMatrix, decompose};
use salt_peft::{
    AdapterConfig, MethodId, Rank, Relu, all_methods, attach, load_trainable_state, merge,
    trainable_state,
};

use crate::nets::{bits, floats, on_device, relative_error};

/// f32 products against the dense form in f64.
const TOLERANCE: f32 = 2e-5;

/// What a random weight looks like.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Random,
    RankOne,
    Zero,
    /// A multiple of a partial identity: all singular values equal.
    Repeated,
}

#[derive(Clone, Debug)]
struct Weight {
    /// Rows of the matrix `[out, in]`.
    rows: usize,
    cols: usize,
    kind: Kind,
    values: Vec<f32>,
}

impl Weight {
    fn entry(&self, row: usize, col: usize) -> f32 {
        let random = self.values[(row * 31 + col * 7) % self.values.len()];
        match self.kind {
            Kind::Random => random,
            Kind::RankOne => self.values[row] * self.values[self.values.len() - 1 - col],
            Kind::Zero => 0.0,
            Kind::Repeated if row == col => 1.5,
            Kind::Repeated => 0.0,
        }
    }

    fn k(&self) -> usize {
        self.rows.min(self.cols)
    }
}

fn weight() -> impl Strategy<Value = Weight> {
    let kind = prop_oneof![
        3 => Just(Kind::Random),
        1 => Just(Kind::RankOne),
        1 => Just(Kind::Zero),
        1 => Just(Kind::Repeated),
    ];
    let values = proptest::collection::vec(-1.0_f32..1.0, 97);
    (1_usize..14, 1_usize..14, kind, values).prop_map(|(rows, cols, kind, values)| Weight {
        rows,
        cols,
        kind,
        values,
    })
}

/// The weight as a linear layer: Burn stores its transpose.
fn linear(weight: &Weight, device: &Device) -> Vec<Linear> {
    let Weight { rows, cols, .. } = *weight;
    let values: Vec<f32> = (0..cols)
        .flat_map(|col| (0..rows).map(move |row| weight.entry(row, col)))
        .collect();
    let mut linear = LinearConfig::new(cols, rows).init(device);
    linear.weight = Param::from_data(TensorData::new(values, [cols, rows]), device);
    vec![linear]
}

/// The weight as a convolution of one input channel.
fn conv(weight: &Weight, device: &Device) -> Vec<Conv2d> {
    let Weight { rows, cols, .. } = *weight;
    let values: Vec<f32> = (0..rows)
        .flat_map(|row| (0..cols).map(move |col| weight.entry(row, col)))
        .collect();
    let mut conv = Conv2dConfig::new([1, rows], [1, cols]).init(device);
    conv.weight = Param::from_data(TensorData::new(values, [rows, 1, 1, cols]), device);
    vec![conv]
}

fn config(method: &str) -> AdapterConfig {
    let mut config = AdapterConfig::new(method.parse().expect("registered"));
    config.targets = vec!["0".into()];
    config
}

/// Attaches (checking the identity), sets all factors, returns them with the merged model.
fn moved<M: Module>(
    model: M,
    config: &AdapterConfig,
    seed: usize,
) -> (M, BTreeMap<String, Vec<f64>>) {
    let (model, _) = attach(model, config).expect("sound");
    let mut state = trainable_state(&model).expect("readable");
    let mut factors = BTreeMap::new();
    for (path, data) in &mut state {
        let Some((_, field)) = path.split_once(".adapter.") else {
            continue;
        };
        let around = if field == "scale" { 0.6 } else { 0.0 };
        let wave = |i: usize| around + 0.8 * ((seed + 13 * i + 5 * path.len()) as f32).sin();
        let values: Vec<f32> = (0..data.num_elements()).map(wave).collect();
        factors.insert(
            field.to_string(),
            values.iter().map(|v| f64::from(*v)).collect(),
        );
        *data = TensorData::new(values, data.shape().clone());
    }
    let model = load_trainable_state(model, state).expect("fits");
    (merge(model).expect("finite"), factors)
}

/// The dense form of SALT in f64, given the factors: row-major `[rows, cols]`.
fn dense_salt(
    weight: &Weight,
    svd: &ThinSvd,
    relu: Relu,
    head: usize,
    tail: usize,
    factors: &BTreeMap<String, Vec<f64>>,
) -> Vec<f64> {
    let (k, s) = (svd.k(), svd.values());
    let n = k - head;
    let clamp = |on: bool, value: f64| if on { value.max(0.0) } else { value };
    let mut core = vec![0.0; k * k];
    for i in 0..k {
        for j in 0..k {
            core[i * k + j] = if i < head && i == j {
                let value = factors["scale"][i] * f64::from(s[i]) + factors["shift"][i];
                clamp(relu != Relu::Off, value)
            } else if i >= head && j >= head {
                let product: f64 = if tail == 0 || n == 0 {
                    0.0
                } else {
                    let (x, y) = (&factors["x"], &factors["y"]);
                    (0..tail)
                        .map(|d| x[(i - head) * tail + d] * y[d * n + (j - head)])
                        .sum()
                };
                let value = if i == j {
                    f64::from(s[i]) + product
                } else {
                    product
                };
                clamp(relu == Relu::Full, value)
            } else {
                0.0
            };
        }
    }
    updated(weight, svd, core)
}

/// The decomposition that a method works in. Where singular values are equal their vectors are not
/// determined, so it has to be the same one: as many triplets as the method needs.
fn basis(weight: &Weight, need: Need) -> ThinSvd {
    let Weight { rows, cols, .. } = *weight;
    let places = (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col)));
    let values: Vec<f32> = places.map(|(row, col)| weight.entry(row, col)).collect();
    let matrix = WeightMatrix::row_major(rows, cols, &values);
    decompose(matrix, need, None).expect("converges")
}

/// `W + U (core - diag(s)) Vt` over the triplets of the decomposition.
fn updated(weight: &Weight, svd: &ThinSvd, mut core: Vec<f64>) -> Vec<f64> {
    let k = svd.k();
    for (i, s) in svd.values().into_iter().enumerate() {
        core[i * (k + 1)] -= f64::from(s);
    }
    let update = rebuild(weight, svd, &core).into_iter().enumerate();
    let entry = |at: usize| f64::from(weight.entry(at / weight.cols, at % weight.cols));
    update.map(|(at, delta)| entry(at) + delta).collect()
}

/// `U core Vt`.
fn rebuild(weight: &Weight, svd: &ThinSvd, core: &[f64]) -> Vec<f64> {
    let (k, u, v) = (svd.k(), svd.u(0, svd.k()), svd.v(0, svd.k()));
    let mut out = Vec::new();
    for row in 0..weight.rows {
        for col in 0..weight.cols {
            let mut sum = 0.0;
            for i in 0..k {
                for j in 0..k {
                    sum += f64::from(u[row * k + i]) * core[i * k + j] * f64::from(v[col * k + j]);
                }
            }
            out.push(sum);
        }
    }
    out
}

/// Methods that attach factors.
fn adapting() -> Vec<MethodId> {
    let adapting = all_methods().filter(|method| method.get().scope() == Scope::Targets);
    adapting.collect()
}

/// Where the factors begin, in f64.
fn start<M: Module>(model: M, config: &AdapterConfig) -> BTreeMap<String, Vec<f64>> {
    let (model, _) = attach(model, config).expect("sound");
    let state = trainable_state(&model).expect("readable").into_iter();
    let factors = state.filter_map(|(path, data)| {
        let (_, field) = path.split_once(".adapter.")?;
        Some((field.to_string(), data.iter::<f64>().collect()))
    });
    factors.collect()
}

/// The row-major product of `[rows, n]` and `[n, cols]`.
fn product(left: &[f64], right: &[f64], rows: usize, n: usize) -> Vec<f64> {
    let cols = right.len() / n;
    let entry = |i: usize, j: usize| (0..n).map(|d| left[i * n + d] * right[d * cols + j]).sum();
    let places = (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j)));
    places.map(|(i, j)| entry(i, j)).collect()
}

/// `W - scaling B A`.
fn residual(weight: &Weight, scaling: f64, factors: &BTreeMap<String, Vec<f64>>) -> Vec<f64> {
    let rank = factors["a"].len() / weight.cols;
    let part = product(&factors["b"], &factors["a"], weight.rows, rank).into_iter();
    part.enumerate()
        .map(|(at, part)| {
            f64::from(weight.entry(at / weight.cols, at % weight.cols)) - scaling * part
        })
        .collect()
}

/// A method of LoRA's kin with alpha 3, in f64, from its formula.
fn dense_kin(
    method: &str,
    weight: &Weight,
    factors: &BTreeMap<String, Vec<f64>>,
    start: &BTreeMap<String, Vec<f64>>,
) -> Vec<f64> {
    let rank = weight.k().min(2);
    let scaling = match method {
        "rslora" => 3.0 / (rank as f64).sqrt(),
        _ => 3.0 / rank as f64,
    };
    if method == "loraxs" {
        let svd = basis(weight, Need::Leading(rank));
        let mut core = vec![0.0; rank * rank];
        for i in 0..rank {
            let s = f64::from(svd.values()[i]);
            core[i * (rank + 1)] = s;
            for j in 0..rank {
                core[i * rank + j] += scaling * s * factors["r"][i * rank + j];
            }
        }
        return updated(weight, &svd, core);
    }
    let mut moved = residual(weight, -scaling, factors);
    match method {
        "pissa" | "olora" => {
            let begun = product(&start["b"], &start["a"], weight.rows, rank).into_iter();
            moved
                .iter_mut()
                .zip(begun)
                .for_each(|(x, b)| *x -= scaling * b);
        }
        "dora" => {
            for (row, magnitude) in moved.chunks_mut(weight.cols).zip(&factors["magnitude"]) {
                let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                row.iter_mut().for_each(|x| *x *= magnitude / norm);
            }
        }
        _ => {}
    }
    moved
}

fn assert_near(got: &[f32], expected: &[f64], what: &str) {
    let scale = expected.iter().fold(1.0_f64, |max, x| max.max(x.abs()));
    for (got, expected) in got.iter().zip(expected) {
        let error = (f64::from(*got) - expected).abs() / scale;
        assert!(
            error <= f64::from(on_device(TOLERANCE)),
            "{what}: {got} against {expected}"
        );
    }
}

fn transposed(tensor: Tensor<2>) -> Vec<f32> {
    floats(tensor.transpose())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_decomposition_is_one(weight in weight()) {
        let Weight { rows, cols, .. } = weight;
        let svd = ThinSvd::new(rows, cols, |i, j| weight.entry(i, j)).expect("converges");
        let (k, s, u, v) = (svd.k(), svd.values(), svd.u(0, svd.k()), svd.v(0, svd.k()));
        prop_assert_eq!(k, weight.k());
        prop_assert!(s.windows(2).all(|pair| pair[0] >= pair[1]) && s[k - 1] >= 0.0, "{:?}", s);
        let mut core = vec![0.0; k * k];
        (0..k).for_each(|i| core[i * (k + 1)] = f64::from(s[i]));
        let entries: Vec<f32> =
            (0..rows * cols).map(|index| weight.entry(index / cols, index % cols)).collect();
        assert_near(&entries, &rebuild(&weight, &svd, &core), "U s Vt");
        for (matrix, n) in [(&u, rows), (&v, cols)] {
            for a in 0..k {
                for b in 0..k {
                    let dot: f32 = (0..n).map(|i| matrix[i * k + a] * matrix[i * k + b]).sum();
                    let expected = if a == b { 1.0 } else { 0.0 };
                    prop_assert!((dot - expected).abs() < 1e-5, "{a} {b}: {dot}");
                }
            }
        }
        for col in 0..k {
            let column: Vec<f32> = (0..rows).map(|row| u[row * k + col]).collect();
            let largest = column.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
            let leading = column.iter().find(|x| x.abs() >= largest * (1.0 - 1e-6));
            prop_assert!(leading.is_some_and(|x| *x > 0.0), "{column:?}");
        }
    }

    #[test]
    fn attaching_changes_no_bit(
        weight in weight(),
        method in proptest::sample::select(adapting()),
        share in 0.01_f64..1.0,
    ) {
        let device = Device::default();
        let mut config = config(method.get().name());
        let settings = method.get().settings();
        if settings.contains(&"head_rank") {
            config.head_rank = Some(Rank::Ratio(share));
            config.tail_rank = Some(weight.k().min(3));
        }
        if settings.contains(&"rank") {
            config.rank = Some(Rank::Absolute(weight.k().min(2)));
        }
        let (layer, kernel) = (linear(&weight, &device), conv(&weight, &device));
        let (linear, _) = attach(layer.clone(), &config).expect("sound");
        prop_assert_eq!(bits(linear[0].weight.val()), bits(layer[0].weight.val()));
        let (conv, _) = attach(kernel.clone(), &config).expect("sound");
        prop_assert_eq!(bits(conv[0].weight.val()), bits(kernel[0].weight.val()));
    }

    #[test]
    fn the_cheap_form_equals_the_dense_one(
        weight in weight(),
        relu in prop_oneof![Just(Relu::Head), Just(Relu::Full), Just(Relu::Off)],
        head in 0_usize..14,
        tail in 0_usize..4,
        seed in 0_usize..1000,
    ) {
        let (head, tail) = (head.min(weight.k()), tail.min(weight.k()));
        prop_assume!(head > 0 || (tail > 0 && head < weight.k()));
        let device = Device::default();
        let mut config = config("salt");
        config.head_rank = Some(Rank::Absolute(head));
        config.tail_rank = Some(tail);
        config.relu = Some(relu);
        let need = if tail == 0 || head == weight.k() { Need::Leading(head) } else { Need::Full };
        let svd = basis(&weight, need);
        let (layer, factors) = moved(linear(&weight, &device), &config, seed);
        let expected = dense_salt(&weight, &svd, relu, head, tail, &factors);
        assert_near(&transposed(layer[0].weight.val()), &expected, "linear");
        let (kernel, factors) = moved(conv(&weight, &device), &config, seed);
        let expected = dense_salt(&weight, &svd, relu, head, tail, &factors);
        assert_near(&floats(kernel[0].weight.val()), &expected, "conv");
    }

    #[test]
    fn the_kin_of_lora_are_what_their_formulas_say(
        weight in weight(),
        method in prop_oneof![
            Just("lora"), Just("rslora"), Just("dora"), Just("pissa"), Just("olora"), Just("loraxs"),
        ],
        seed in 0_usize..1000,
    ) {
        let device = Device::default();
        let mut config = config(method);
        config.rank = Some(Rank::Absolute(weight.k().min(2)));
        config.alpha = Some(3.0);
        let (layer, factors) = moved(linear(&weight, &device), &config, seed);
        let start = start(linear(&weight, &device), &config);
        let expected = dense_kin(method, &weight, &factors, &start);
        assert_near(&transposed(layer[0].weight.val()), &expected, method);
        let (kernel, factors) = moved(conv(&weight, &device), &config, seed);
        let expected = dense_kin(method, &weight, &factors, &start);
        assert_near(&floats(kernel[0].weight.val()), &expected, method);
    }

    #[test]
    fn svft_adds_a_band(weight in weight(), band in 0_usize..4, seed in 0_usize..1000) {
        let device = Device::default();
        let (k, band) = (weight.k(), band.min(weight.k() - 1));
        let mut config = config("svft");
        config.band = Some(band);
        let svd = ThinSvd::new(weight.rows, weight.cols, |i, j| weight.entry(i, j)).expect("converges");
        let expected = |m: &[f64]| {
            // Diagonal by diagonal, from the lowest to the highest.
            let (mut core, mut values) = (vec![0.0; k * k], m.iter());
            for offset in -(band as isize)..=band as isize {
                for i in 0..k as isize {
                    if (0..k as isize).contains(&(i + offset)) {
                        let value = values.next().expect("an entry of every diagonal");
                        core[(i * k as isize + i + offset) as usize] = *value;
                    }
                }
            }
            assert!(values.next().is_none(), "an entry is left");
            (0..k).for_each(|i| core[i * (k + 1)] += f64::from(svd.values()[i]));
            rebuild(&weight, &svd, &core)
        };
        let (layer, factors) = moved(linear(&weight, &device), &config, seed);
        assert_near(&transposed(layer[0].weight.val()), &expected(&factors["m"]), "linear");
        let (kernel, factors) = moved(conv(&weight, &device), &config, seed);
        assert_near(&floats(kernel[0].weight.val()), &expected(&factors["m"]), "conv");
    }

    #[test]
    fn the_start_of_pissa_and_olora_is_part_of_the_weight(weight in weight(), rank in 1_usize..5) {
        let device = Device::default();
        let Weight { rows, cols, .. } = weight;
        let rank = rank.min(weight.k());
        let svd = ThinSvd::new(rows, cols, |i, j| weight.entry(i, j)).expect("converges");
        let mut config = config("pissa");
        config.rank = Some(Rank::Absolute(rank));
        config.alpha = Some(3.0);
        let scaling = 3.0 / rank as f64;
        // PiSSA: what is left of the weight has the tail of its spectrum.
        let left = residual(&weight, scaling, &start(linear(&weight, &device), &config));
        let tail: f64 = svd.values()[rank..].iter().map(|s| f64::from(*s).powi(2)).sum();
        let energy: f64 = left.iter().map(|x| x * x).sum();
        prop_assert!((energy - tail).abs() <= 1e-4 * (1.0 + tail), "{energy} against {tail}");
        // OLoRA: the first columns are gone, up to the scaling, and B is orthonormal.
        config.method = "olora".parse().expect("registered");
        let begun = start(linear(&weight, &device), &config);
        let left = residual(&weight, 1.0, &begun);
        for row in 0..rows {
            for col in 0..rank {
                prop_assert!(left[row * cols + col].abs() < 1e-5, "{left:?}");
            }
        }
        for (one, other) in (0..rank).flat_map(|a| (0..rank).map(move |b| (a, b))) {
            let b = &begun["b"];
            let dot: f64 = (0..rows).map(|i| b[i * rank + one] * b[i * rank + other]).sum();
            prop_assert!((dot - f64::from(u8::from(one == other))).abs() < 1e-5, "{dot}");
        }
    }

    #[test]
    fn ssam_is_salt_with_a_head_of_everything(weight in weight(), seed in 0_usize..1000) {
        let device = Device::default();
        let mut salt = config("salt");
        salt.head_rank = Some(Rank::Ratio(1.0));
        let (one, _) = moved(linear(&weight, &device), &salt, seed);
        let (two, _) = moved(linear(&weight, &device), &config("ssam"), seed);
        let (one, two) = (floats(one[0].weight.val()), floats(two[0].weight.val()));
        prop_assert!(relative_error(&one, &two) <= 1e-6);
    }
}
