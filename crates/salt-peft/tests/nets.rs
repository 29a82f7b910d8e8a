//! The two models every law is checked on, and what checking needs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{
    GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d,
};
use burn::tensor::{DType, Device, Tensor, TensorData};
use salt_peft::{AdapterConfig, MethodId, Rank};

/// A model the laws can run.
pub(crate) trait Net: Module {
    /// Targets that cover all its weights.
    const TARGETS: &'static [&'static str];
    /// Number of weights they cover.
    const N_TARGETS: usize;
    /// Targets with rows of some of its weights, and how many those are.
    const ROWS: (&'static [&'static str], usize);

    /// A model whose values depend on the seed only.
    fn new(seed: u64, device: &Device) -> Self;

    /// The outputs for a fixed input.
    fn outputs(&self) -> Tensor<2>;
}

/// Linear layers around a norm, one of them a decoder, an embedding, and a constant that full tuning
/// must not touch.
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    pub(crate) fc1: Linear,
    pub(crate) norm: LayerNorm,
    pub(crate) blocks: Vec<Linear>,
    pub(crate) decoder: Linear,
    pub(crate) pos_embed: Param<Tensor<2>>,
    pub(crate) constant: Param<Tensor<1>>,
}

impl Net for Mlp {
    const TARGETS: &'static [&'static str] = &["fc1", r"blocks\.\d+"];
    const N_TARGETS: usize = 3;
    const ROWS: (&'static [&'static str], usize) = (&["fc1", r"blocks\.0[9:14,0:5]"], 3);

    fn new(seed: u64, device: &Device) -> Self {
        let net = Self {
            fc1: LinearConfig::new(9, 14).init(device),
            norm: LayerNormConfig::new(14).init(device),
            blocks: vec![
                LinearConfig::new(14, 14).init(device),
                LinearConfig::new(14, 6).with_bias(false).init(device),
            ],
            decoder: LinearConfig::new(6, 6).init(device),
            pos_embed: Param::from_tensor(Tensor::zeros([4, 9], device)),
            constant: Param::from_tensor(Tensor::zeros([6], device)).set_require_grad(false),
        };
        net.map(&mut Fill {
            seed,
            path: Vec::new(),
        })
    }

    fn outputs(&self) -> Tensor<2> {
        let device = &self.constant.device();
        let x = pattern([4, 9], 77, device) + self.pos_embed.val();
        let hidden = self.norm.forward(self.fc1.forward(x));
        let hidden = burn::tensor::activation::gelu(self.blocks[0].forward(hidden));
        let outputs = self.decoder.forward(self.blocks[1].forward(hidden));
        outputs + self.constant.val().unsqueeze()
    }
}

/// Two convolutions, one grouped, a norm, a transposed convolution, a linear head and a decoder behind
/// it.
#[derive(Module, Debug)]
pub(crate) struct ConvNet {
    pub(crate) stem: Conv2d,
    pub(crate) norm: GroupNorm,
    pub(crate) grouped: Conv2d,
    pub(crate) up: ConvTranspose2d,
    pub(crate) head: Linear,
    pub(crate) mask_decoder: Linear,
}

impl Net for ConvNet {
    const TARGETS: &'static [&'static str] = &["stem|grouped|up", "head"];
    const N_TARGETS: usize = 4;
    const ROWS: (&'static [&'static str], usize) = (&["stem[2:8]", "grouped[0:3,3:6]", "up"], 4);

    fn new(seed: u64, device: &Device) -> Self {
        let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let net = Self {
            stem: Conv2dConfig::new([3, 8], [3, 3])
                .with_padding(padding)
                .init(device),
            norm: GroupNormConfig::new(2, 8).init(device),
            grouped: Conv2dConfig::new([8, 6], [2, 2])
                .with_groups(2)
                .with_stride([2, 2])
                .init(device),
            up: ConvTranspose2dConfig::new([6, 3], [2, 2])
                .with_stride([2, 2])
                .init(device),
            head: LinearConfig::new(48, 5).init(device),
            mask_decoder: LinearConfig::new(5, 4).init(device),
        };
        net.map(&mut Fill {
            seed,
            path: Vec::new(),
        })
    }

    fn outputs(&self) -> Tensor<2> {
        let device = &self.head.weight.device();
        let x = pattern([2, 3, 4, 4], 78, device);
        let hidden = self.norm.forward(self.stem.forward(x));
        let hidden = self.grouped.forward(burn::tensor::activation::relu(hidden));
        let hidden = self.up.forward(hidden);
        self.mask_decoder
            .forward(self.head.forward(hidden.flatten(1, 3)))
    }
}

/// A configuration of `method` for a net, with ranks small enough for every layer.
pub(crate) fn config<N: Net>(method: MethodId) -> AdapterConfig {
    let mut config = AdapterConfig::new(method);
    let settings = method.get().settings();
    if settings.contains(&"targets") {
        config.targets = N::TARGETS.iter().map(|target| target.to_string()).collect();
    }
    if settings.contains(&"head_rank") {
        config.head_rank = Some(Rank::Ratio(0.5));
    }
    if settings.contains(&"tail_rank") {
        config.tail_rank = Some(2);
    }
    if settings.contains(&"rank") {
        config.rank = Some(Rank::Absolute(3));
        config.alpha = Some(6.0);
    }
    if settings.contains(&"band") {
        config.band = Some(2);
    }
    config.seed = 5;
    config
}

/// Fixed values in (-1, 1) that depend on the seed: no backend's generator, so all devices agree.
pub(crate) fn pattern<const D: usize>(dims: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let count = dims.iter().product();
    let values: Vec<f32> = (0..count).map(|index| noise(seed, index)).collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

fn noise(seed: u64, index: usize) -> f32 {
    let mut z = (seed << 32) ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// Fills parameters by path. Every seventh value is a negative zero, which an update must not touch.
struct Fill {
    seed: u64,
    path: Vec<String>,
}

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        let seed = path
            .bytes()
            .fold(self.seed, |hash, byte| hash * 31 % 65_521 + u64::from(byte));
        let dims = param.dims();
        param.map(|old| {
            let values = pattern(dims, seed, &old.device())
                .into_data()
                .try_into_vec::<f32>();
            let values = values.expect("f32").into_iter().enumerate();
            let values: Vec<f32> = values
                .map(|(i, x)| if i % 7 == 3 { -0.0 } else { 0.6 * x })
                .collect();
            Tensor::from_data(TensorData::new(values, dims), &old.device())
                .set_require_grad(old.is_require_grad())
        })
    }
}

/// A parameter as a visitor sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) dtype: DType,
    pub(crate) id: ParamId,
    pub(crate) requires_grad: bool,
    pub(crate) bits: Vec<u32>,
}

/// Every float parameter of a module, by path.
pub(crate) fn parameters<M: Module>(model: &M) -> BTreeMap<String, Seen> {
    let mut visitor = See {
        path: Vec::new(),
        seen: BTreeMap::new(),
    };
    model.visit(&mut visitor);
    visitor.seen
}

struct See {
    path: Vec<String>,
    seen: BTreeMap<String, Seen>,
}

impl ModuleVisitor for See {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let seen = Seen {
            id: param.id,
            dtype: param.base().dtype(),
            requires_grad: param.is_require_grad(),
            bits: bits(param.base()),
        };
        assert!(
            self.seen.insert(self.path.join("."), seen).is_none(),
            "a path is used twice"
        );
    }
}

/// The values of a tensor as bit patterns.
pub(crate) fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    floats(tensor).into_iter().map(f32::to_bits).collect()
}

/// The values of a tensor.
pub(crate) fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .convert::<f32>()
        .try_into_vec()
        .expect("f32")
}

/// The largest difference relative to the largest value.
pub(crate) fn relative_error(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    let scale = expected
        .iter()
        .fold(f32::MIN_POSITIVE, |max, x| max.max(x.abs()));
    let errors = got.iter().zip(expected).map(|(a, b)| (a - b).abs() / scale);
    errors.fold(0.0, |max, x| {
        if x.is_nan() {
            f32::INFINITY
        } else {
            max.max(x)
        }
    })
}

/// `tolerance` on devices that multiply in f32; where products round their factors more, what a few of them
/// add up to.
pub(crate) fn on_device(tolerance: f32) -> f32 {
    static ROUNDING: LazyLock<f64> =
        LazyLock::new(|| salt_kernels::product_rounding(&Device::default()));
    tolerance.max(4.0 * *ROUNDING as f32)
}

/// Asserts closeness relative to the largest value, within [`on_device`] of the tolerance.
pub(crate) fn assert_close(got: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    let error = relative_error(got, expected);
    let tolerance = on_device(tolerance);
    assert!(
        error <= tolerance,
        "{what}: relative error {error} above {tolerance}"
    );
}
