//! SALT: scale and shift of the leading singular values, a low-rank update of the rest
//! (arXiv 2503.16055, section 3).

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::adapter_file::export::HfFactors;
use crate::basis::{BasisBlock, constant, side_by_side};
use crate::config::{AdapterConfig, Init, Relu};
use crate::error::PeftError;
use crate::inventory::to_f32;
use crate::method::{LayerAdapter, LayerContext, Method, Spectrum};
use crate::methods::Factors;
use crate::random;
use crate::rank::{LayerRank, Rank};
use crate::select::first_match;
use crate::weight::WeightShape;

/// Share of k that the head takes by default, as in the authors' SAM 2 configuration.
const DEFAULT_HEAD: Rank = Rank::Ratio(0.1);
/// Inner dimension of the tail factors by default, the smaller of the paper's two settings.
const DEFAULT_TAIL: usize = 4;
/// Deviation of the factors under `init = "reference"`, from the authors' code.
const REFERENCE_DEVIATION: f64 = 0.01;

/// The method.
#[derive(Debug)]
pub struct Salt;

impl Method for Salt {
    fn name(&self) -> &'static str {
        "salt"
    }

    fn peft_type(&self) -> &'static str {
        "SALT"
    }

    fn about(&self) -> &'static str {
        "U blockdiag(relu(a*s + b), diag(s) + X Y) Vt: scale and shift of the leading singular \
         values, low-rank update of the rest (arXiv 2503.16055)"
    }

    fn settings(&self) -> &'static [&'static str] {
        &[
            "targets",
            "head_rank",
            "tail_rank",
            "relu",
            "init",
            "lambda",
            "rank_pattern",
            "rank_budget",
        ]
    }

    fn check(&self, config: &AdapterConfig) -> Result<(), PeftError> {
        let lambda = config.lambda.unwrap_or(0.0);
        if !lambda.is_finite() || lambda < 0.0 {
            return Err(PeftError::InvalidSetting {
                setting: "lambda",
                value: lambda.to_string(),
                expected: "a number of at least 0",
            });
        }
        if config.init == Some(Init::Gaussian) {
            return Err(PeftError::InvalidSetting {
                setting: "init",
                value: "gaussian".into(),
                expected: "`zero` or `reference`",
            });
        }
        Ok(())
    }

    /// Head rank r and tail rank d; d is 0 where the head takes everything.
    fn rank(
        &self,
        config: &AdapterConfig,
        shape: &WeightShape,
        values: Option<&[f32]>,
    ) -> Result<Option<LayerRank>, PeftError> {
        let pattern = first_match("rank_pattern", &config.rank_pattern, &shape.path)?;
        let (setting, rank) = match pattern {
            Some(rank) => ("rank_pattern", rank),
            None => ("head_rank", config.head_rank.unwrap_or(DEFAULT_HEAD)),
        };
        let k = shape.k();
        let within = |setting, rank| {
            let path = shape.path.clone();
            let error = PeftError::RankAboveLimit {
                setting,
                path,
                rank,
                limit: k,
            };
            if rank > k { Err(error) } else { Ok(rank) }
        };
        let Some(head) = rank.resolve(k, values) else {
            return Ok(None);
        };
        let head = within(setting, head)?;
        let tail = match config.tail_rank {
            _ if head == k || config.rank_budget.is_some() => 0,
            Some(tail) => within("tail_rank", tail)?,
            None => DEFAULT_TAIL.min(k),
        };
        if head == 0 && tail == 0 && config.rank_budget.is_none() {
            return Err(PeftError::InvalidSetting {
                setting,
                value: format!("0 at `{}`, with tail_rank 0", shape.path),
                expected: "a head, a tail, or both",
            });
        }
        Ok(Some(LayerRank::HeadTail { head, tail }))
    }

    fn fits(&self, shape: &WeightShape, rank: LayerRank) -> bool {
        let LayerRank::HeadTail { head, tail } = rank else {
            return false;
        };
        let k = shape.k();
        head <= k && tail <= if head == k { 0 } else { k } && head + tail > 0
    }

    fn trainable(&self, shape: &WeightShape, rank: LayerRank) -> usize {
        let (head, tail) = head_and_tail(rank);
        2 * head + 2 * tail * (shape.k() - head)
    }

    /// The tail's factors live in the rest of the basis: with one, all of it is needed.
    fn spectrum(&self, rank: LayerRank) -> Spectrum {
        match head_and_tail(rank) {
            (head, 0) => Spectrum::Leading(head),
            _ => Spectrum::Full,
        }
    }

    fn build(&self, layer: LayerContext<'_>) -> Result<Option<Factors>, PeftError> {
        let LayerContext {
            config,
            shape,
            svd,
            device,
            ..
        } = layer;
        let Some(svd) = svd else { return Ok(None) };
        let (head, tail) = head_and_tail(layer.rank);
        let k = shape.k();
        let relu = config.relu.unwrap_or_default();
        let has_tail = tail > 0 && head < k;
        let (x, y) = if has_tail {
            tail_factors(config, shape, k - head, tail)
        } else {
            Default::default()
        };
        let matrix = |values: Vec<f32>, dims: [usize; 2]| {
            has_tail.then(|| Param::from_tensor(constant(values, dims, device)))
        };
        Ok(Some(Factors::Salt(SaltAdapter {
            scale: (head > 0).then(|| vector(1.0, head, device)),
            shift: (head > 0).then(|| vector(0.0, head, device)),
            x: matrix(x, [k - head, tail]),
            y: matrix(y, [tail, k - head]),
            head: BasisBlock::new(svd, shape, 0, head, device),
            tail: if has_tail {
                BasisBlock::new(svd, shape, head, k, device)
            } else {
                None
            },
            tail_diagonal: (has_tail && relu == Relu::Full)
                .then(|| diagonal(&svd.values()[head..], device)),
            relu,
            lambda: config.lambda.unwrap_or(0.0),
            transposed: shape.is_transposed(),
            probe: svd.probe(),
        })))
    }
}

fn head_and_tail(rank: LayerRank) -> (usize, usize) {
    match rank {
        LayerRank::HeadTail { head, tail } => (head, tail),
        other => (other.shared(), 0),
    }
}

/// A trained vector `[n]` of equal values.
pub(super) fn vector(value: f32, n: usize, device: &Device) -> Param<Tensor<1>> {
    Param::from_tensor(constant(vec![value; n], [n], device))
}

/// Starting values of X `[n, d]` and Y `[d, n]`.
///
/// X maps d coordinates to n, so its kaiming bound is `1 / sqrt(d)`.
fn tail_factors(
    config: &AdapterConfig,
    shape: &WeightShape,
    n: usize,
    d: usize,
) -> (Vec<f32>, Vec<f32>) {
    let mut x_stream = random::stream(config.seed, &shape.path, "x");
    match config.init.unwrap_or_default() {
        Init::Zero | Init::Gaussian => (
            random::kaiming_uniform(&mut x_stream, n * d, d),
            vec![0.0; n * d],
        ),
        Init::Reference => {
            let mut y_stream = random::stream(config.seed, &shape.path, "y");
            (
                random::normal(&mut x_stream, n * d, REFERENCE_DEVIATION),
                random::normal(&mut y_stream, n * d, REFERENCE_DEVIATION),
            )
        }
    }
}

fn diagonal(values: &[f32], device: &Device) -> Tensor<2> {
    let n = values.len();
    let mut dense = vec![0.0; n * n];
    for (index, value) in values.iter().enumerate() {
        dense[index * (n + 1)] = *value;
    }
    constant(dense, [n, n], device)
}

/// X `[n, d]` and Y `[d, n]`, row-major, with n and d.
pub(crate) type TailValues = (Vec<f32>, Vec<f32>, [usize; 2]);

/// SALT's factors at one layer.
///
/// `W' = U blockdiag(f(diag(scale*s_head + shift)), f(diag(s_tail) + X Y)) Vt`, computed as an
/// update of `W`. With relu on the head or off it is:
///
/// `W' = W + (U_head delta) Vt_head + (U_tail X) (Y Vt_tail)`, `delta = f(scale*s + shift) - s`, the tail as
/// `U_tail (X Y) Vt_tail` where it has no more than d values; the rank is at most `r + min(d, k - r)`.
///
/// With relu on the whole matrix the tail core `relu(diag(s_tail) + X Y) - diag(s_tail)` is dense.
#[derive(Module, Debug)]
pub struct SaltAdapter {
    /// Multiplies the leading singular values, `[r]`, starts at 1.
    pub scale: Option<Param<Tensor<1>>>,
    /// Added to them, `[r]`, starts at 0.
    pub shift: Option<Param<Tensor<1>>>,
    /// Left tail factor `[k - r, d]`.
    pub x: Option<Param<Tensor<2>>>,
    /// Right tail factor `[d, k - r]`.
    pub y: Option<Param<Tensor<2>>>,
    head: Option<BasisBlock>,
    tail: Option<BasisBlock>,
    /// `diag(s_tail)`, only where relu sees it.
    tail_diagonal: Option<Tensor<2>>,
    #[module(skip)]
    relu: Relu,
    lambda: f64,
    transposed: bool,
    #[module(skip)]
    probe: [f64; 4],
}

impl SaltAdapter {
    /// X, Y, and n and d, where there is a tail.
    ///
    /// # Errors
    /// [`PeftError::Unreadable`].
    pub(crate) fn tail_values(&self, path: &str) -> Result<Option<TailValues>, PeftError> {
        let Some((x, y)) = self.x.as_ref().zip(self.y.as_ref()) else {
            return Ok(None);
        };
        let read = |tensor| to_f32(path, tensor);
        Ok(Some((read(x.val())?, read(y.val())?, x.dims())))
    }

    /// The same with other tail factors, of inner dimension `rank`.
    pub(crate) fn with_tail(&self, x: Vec<f32>, y: Vec<f32>, rank: usize) -> Self {
        let new = |old: &Param<Tensor<2>>, values: Vec<f32>, dims| {
            let tensor = constant(values, dims, &old.device());
            Param::from_tensor(tensor).set_require_grad(old.is_require_grad())
        };
        let n = x.len() / rank.max(1);
        Self {
            x: self.x.as_ref().map(|old| new(old, x, [n, rank])),
            y: self.y.as_ref().map(|old| new(old, y, [rank, n])),
            ..self.clone()
        }
    }

    /// `scale*s + shift` before relu, and s.
    fn scaled_head(&self) -> Option<(Tensor<1>, Tensor<1>)> {
        let (scale, shift) = (self.scale.as_ref()?, self.shift.as_ref()?);
        let s = self.head.as_ref()?.s();
        Some((scale.val() * s.clone() + shift.val(), s))
    }

    fn negated_head(&self) -> Option<(Tensor<2>, Tensor<2>)> {
        let (scaled, s) = self.scaled_head()?;
        let scaled = if self.relu == Relu::Off {
            scaled
        } else {
            relu(scaled)
        };
        Some(self.head.as_ref()?.with_gain(s - scaled))
    }

    /// Factors whose products are to be subtracted from the stored weight: of the head, of the tail.
    fn negated_pairs(&self) -> Vec<(Tensor<2>, Tensor<2>)> {
        let pairs = self.negated_head().into_iter().chain(self.negated_tail());
        pairs.collect()
    }

    fn negated_tail(&self) -> Option<(Tensor<2>, Tensor<2>)> {
        let (x, y) = (self.x.as_ref()?.val(), self.y.as_ref()?.val());
        let tail = self.tail.as_ref()?;
        Some(match &self.tail_diagonal {
            None => tail.with_core(x.neg(), y, self.transposed),
            Some(diagonal) => {
                let core = diagonal.clone() - relu(diagonal.clone() + x.matmul(y));
                tail.with_dense_core(core, self.transposed)
            }
        })
    }
}

impl LayerAdapter for SaltAdapter {
    fn negated_products(&self) -> Option<Vec<(Tensor<2>, Tensor<2>)>> {
        Some(self.negated_pairs())
    }

    /// Of rank r + min(d, k - r); with relu on the whole matrix the update has full rank.
    fn hf_factors(&self) -> Option<HfFactors> {
        let (left, right) = side_by_side(self.negated_pairs())?;
        let is_thin = self.relu != Relu::Full || self.x.is_none();
        is_thin.then(|| HfFactors::of_negated(left, right, self.transposed))
    }

    /// `lambda * (||scale*s + shift - s||_F + ||X Y||_F)` (method.md section 1, step 6).
    fn penalty(&self) -> Option<Tensor<1>> {
        if self.lambda == 0.0 {
            return None;
        }
        let head = self.scaled_head().map(|(scaled, s)| norm(scaled - s));
        let tail = self
            .x
            .as_ref()
            .zip(self.y.as_ref())
            .map(|(x, y)| norm(x.val().matmul(y.val())));
        head.into_iter()
            .chain(tail)
            .reduce(|a, b| a + b)
            .map(|sum| sum * self.lambda)
    }

    fn basis_probe(&self) -> Option<[f64; 4]> {
        Some(self.probe)
    }

    fn rank(&self) -> LayerRank {
        LayerRank::HeadTail {
            head: self.scale.as_ref().map_or(0, |scale| scale.dims()[0]),
            tail: self.x.as_ref().map_or(0, |x| x.dims()[1]),
        }
    }

    fn file_key(field: &str) -> String {
        format!("salt_{field}")
    }
}

/// The Frobenius norm with gradient 0, not NaN, at 0.
///
/// # Shapes
/// - output: `[1]`
fn norm<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let squares = tensor.powi_scalar(2).sum();
    let is_zero = squares.clone().lower_equal_elem(0.0);
    // The root is taken of 1 where the sum is 0, and its result, with its gradient, is dropped.
    squares
        .mask_fill(is_zero.clone(), 1.0)
        .sqrt()
        .mask_fill(is_zero, 0.0)
}
