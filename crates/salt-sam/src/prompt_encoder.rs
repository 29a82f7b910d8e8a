//! The prompt encoder: points, boxes and masks to embeddings (`modeling/prompt_encoder.py`).

use burn::module::{Initializer, Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Embedding, EmbeddingConfig, Gelu};
use burn::tensor::{Device, Int, Tensor, TensorData};
use salt_kernels::gelu;

use crate::config::SamConfig;
use crate::error::SamError;
use crate::layer_norm_2d::LayerNorm2d;

/// Label of a point that stands for nothing: prompts with fewer points than others are filled up with it.
pub const PADDING_POINT: i64 = -1;

/// What a user points at. Coordinates are `(x, y)` pixels of the network input, or of the image
/// itself in [`Sam::decode_image`](crate::Sam::decode_image).
///
/// Build it with the setters; [`Prompts::validate`] runs before anything is encoded.
#[derive(Debug, Clone, Default)]
pub struct Prompts {
    /// Points, `[n, points, 2]`, with labels `[n, points]`: 1 foreground, 0 background, -1 padding
    /// ([`PADDING_POINT`]), 2 and 3 the upper left and the lower right corner of a box.
    pub points: Option<(Tensor<3>, Tensor<2, Int>)>,
    /// Boxes `(x0, y0, x1, y1)` with `x0 < x1` and `y0 < y1`, `[n, 4]`.
    pub boxes: Option<Tensor<2>>,
    /// Low-resolution mask logits of an earlier prediction, `[n, 1, 4 * grid, 4 * grid]`.
    pub mask_input: Option<Tensor<4>>,
}

impl Prompts {
    /// Adds points and their labels.
    pub fn with_points(mut self, coords: Tensor<3>, labels: Tensor<2, Int>) -> Self {
        self.points = Some((coords, labels));
        self
    }

    /// Adds one box per prompt.
    pub fn with_boxes(mut self, boxes: Tensor<2>) -> Self {
        self.boxes = Some(boxes);
        self
    }

    /// Adds one mask per prompt.
    pub fn with_mask_input(mut self, mask_input: Tensor<4>) -> Self {
        self.mask_input = Some(mask_input);
        self
    }

    /// Number of prompts, or `None` when there is nothing in it.
    pub fn count(&self) -> Option<usize> {
        let points = self.points.as_ref().map(|(coords, _)| coords.dims()[0]);
        let boxes = self.boxes.as_ref().map(|boxes| boxes.dims()[0]);
        let masks = self.mask_input.as_ref().map(|mask| mask.dims()[0]);
        points.or(boxes).or(masks)
    }

    /// Checks that the parts agree in number and shape and that every value has a meaning. Points and boxes
    /// are read back from the device for it, a few numbers each.
    ///
    /// # Errors
    /// [`SamError::Prompt`] when there is no prompt at all, when shapes disagree, for an unknown label, a
    /// box without an inside, and NaN or infinity anywhere.
    pub fn validate(&self, low_res_size: usize) -> Result<usize, SamError> {
        let n = self
            .count()
            .filter(|n| *n > 0)
            .ok_or_else(|| refused("no point, box or mask given; give at least one".to_owned()))?;
        if let Some((coords, labels)) = &self.points {
            check_points(n, coords, labels)?;
        }
        if let Some(boxes) = &self.boxes {
            check_boxes(n, boxes)?;
        }
        if let Some(mask) = &self.mask_input {
            let expected = [n, 1, low_res_size, low_res_size];
            if mask.dims() != expected {
                return Err(refused(format!(
                    "mask_input must be {expected:?}, received {:?}",
                    mask.dims()
                )));
            }
            if !floats(mask).iter().all(|value| value.is_finite()) {
                return Err(refused(
                    "mask_input holds NaN or infinity; give the low_res_masks of an earlier answer"
                        .to_owned(),
                ));
            }
        }
        Ok(n)
    }

    /// Checks that points and boxes lie in an image of `[width, height]` pixels, in whose pixels they are
    /// given. A corner of a box may lie on the far edge of the last pixel.
    ///
    /// # Errors
    /// [`SamError::Prompt`] for the first that does not.
    pub fn check_inside(&self, [width, height]: [usize; 2]) -> Result<(), SamError> {
        let check = |what: &str, [x, y]: [f32; 2], is_corner: bool| {
            let holds = |value: f32, side: usize| {
                (0.0..side as f32).contains(&value) || (is_corner && value == side as f32)
            };
            if holds(x, width) && holds(y, height) {
                return Ok(());
            }
            // A point lies on a pixel, a corner between pixels.
            let last = |side: usize| side.saturating_sub(usize::from(!is_corner));
            Err(refused(format!(
                "{what} {x},{y} is outside of the image, which is {width} x {height} pixels (width x height); x runs from 0 to {}, y from 0 to {}",
                last(width),
                last(height)
            )))
        };
        if let Some((coords, labels)) = &self.points {
            let (coords, labels) = (floats(coords), labels.to_data());
            for (point, label) in coords.as_chunks().0.iter().zip(labels.iter::<i64>()) {
                if label != PADDING_POINT {
                    check("point", *point, label > 1)?;
                }
            }
        }
        if let Some(boxes) = &self.boxes {
            for corner in floats(boxes).as_chunks().0 {
                check("box corner", *corner, true)?;
            }
        }
        Ok(())
    }
}

/// What is asked beside one class token ([`Sam::segment_prompted`](crate::Sam::segment_prompted)): points, a
/// box, both, or, by default, nothing. Coordinates are `(x, y)` pixels of the network input.
///
/// It lives on the host: rows have different numbers of tokens, and what is asked of each is known before
/// anything reaches a device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassPrompt {
    /// Points, each with whether it lies on the class.
    pub points: Vec<([f32; 2], bool)>,
    /// A box `(x0, y0, x1, y1)` with `x0 < x1` and `y0 < y1`.
    pub bounding_box: Option<[f32; 4]>,
}

impl ClassPrompt {
    /// Checks that every value has a meaning.
    ///
    /// # Errors
    /// [`SamError::Prompt`] for NaN or infinity and for a box without an inside.
    pub fn validate(&self) -> Result<(), SamError> {
        for (point, _) in &self.points {
            check_point(point)?;
        }
        self.bounding_box.map_or(Ok(()), check_box)
    }

    /// Positions and labels of its sparse tokens, as [`PromptEncoder::forward`] has them: points, then the
    /// corners of the box, or one empty point where there are points without a box. None for no prompt.
    pub(crate) fn tokens(&self) -> Vec<([f32; 2], i64)> {
        let mut tokens: Vec<_> = self
            .points
            .iter()
            .map(|&(point, on_class)| (point, i64::from(on_class)))
            .collect();
        match self.bounding_box {
            Some([x0, y0, x1, y1]) => tokens.extend([([x0, y0], 2), ([x1, y1], 3)]),
            None if !tokens.is_empty() => tokens.push(([0.0; 2], PADDING_POINT)),
            None => {}
        }
        tokens
    }
}

fn refused(message: String) -> SamError {
    SamError::Prompt(message)
}

fn floats<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}

fn check_points(n: usize, coords: &Tensor<3>, labels: &Tensor<2, Int>) -> Result<(), SamError> {
    let [count, points, two] = coords.dims();
    if count != n || two != 2 || points == 0 || labels.dims() != [count, points] {
        return Err(refused(format!(
            "points must be [{n}, points, 2] with labels [{n}, points], received {:?} and {:?}",
            coords.dims(),
            labels.dims()
        )));
    }
    let values = floats(coords);
    for (point, label) in values.chunks_exact(2).zip(labels.to_data().iter::<i64>()) {
        let known = (PADDING_POINT..=3).contains(&label);
        if !known {
            return Err(refused(format!(
                "a point's label must be 1 (foreground), 0 (background), -1 (padding), 2 or 3 (corners of a box), received {label}"
            )));
        }
        check_point(point)?;
    }
    Ok(())
}

fn check_point(point: &[f32]) -> Result<(), SamError> {
    if point.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(refused(format!(
        "a point must have finite coordinates, received {point:?}"
    )))
}

fn check_boxes(n: usize, boxes: &Tensor<2>) -> Result<(), SamError> {
    if boxes.dims() != [n, 4] {
        return Err(refused(format!(
            "boxes must be [{n}, 4], received {:?}",
            boxes.dims()
        )));
    }
    let boxes = floats(boxes);
    boxes.as_chunks().0.iter().copied().try_for_each(check_box)
}

fn check_box(corners: [f32; 4]) -> Result<(), SamError> {
    let [x0, y0, x1, y1] = corners;
    let finite = corners.iter().all(|value| value.is_finite());
    if finite && x0 < x1 && y0 < y1 {
        return Ok(());
    }
    Err(refused(format!(
        "a box must be x0, y0, x1, y1 with x0 < x1 and y0 < y1, received {corners:?}"
    )))
}

/// Random Fourier features of positions in the unit square (Tancik et al. 2020):
/// `[sin(2 pi (2 c - 1) G), cos(2 pi (2 c - 1) G)]`.
#[derive(Module, Debug)]
pub struct PositionEmbeddingRandom {
    /// The fixed matrix G, `[2, channels / 2]`. A buffer of the original: never trained.
    pub positional_encoding_gaussian_matrix: Param<Tensor<2>>,
}

impl PositionEmbeddingRandom {
    fn new(channels: usize, device: &Device) -> Self {
        let matrix = Initializer::Normal {
            mean: 0.0,
            std: 1.0,
        }
        .init([2, channels / 2], device);
        Self {
            positional_encoding_gaussian_matrix: matrix.set_require_grad(false),
        }
    }

    /// # Shapes
    /// - `coords`: `[n, points, 2]`, `(x, y)` in 0..=1
    /// - output: `[n, points, channels]`
    fn encode(&self, coords: Tensor<3>) -> Tensor<3> {
        let matrix = self.positional_encoding_gaussian_matrix.val();
        let angles = (coords * 2.0 - 1.0).matmul(matrix.unsqueeze::<3>()) * std::f64::consts::TAU;
        Tensor::cat(vec![angles.clone().sin(), angles.cos()], 2)
    }

    /// Encoding of the cell centres of a square grid, `[1, channels, grid, grid]`.
    pub fn dense(&self, grid: usize) -> Tensor<4> {
        let device = self.positional_encoding_gaussian_matrix.val().device();
        let centre = |i: usize| (i as f32 + 0.5) / grid as f32;
        let coords: Vec<f32> = (0..grid * grid)
            .flat_map(|cell| [centre(cell % grid), centre(cell / grid)])
            .collect();
        let coords = Tensor::<3>::from_data(TensorData::new(coords, [1, grid * grid, 2]), &device);
        let encoded = self.encode(coords);
        let [_, _, channels] = encoded.dims();
        encoded
            .reshape([1, grid, grid, channels])
            .permute([0, 3, 1, 2])
    }
}

/// Convolutions that bring a mask prompt to the token grid. A tuple with the activations in it, so
/// that the checkpoint's indices 0, 1, 3, 4, 6 are the module's paths.
pub type MaskDownscaling = (Conv2d, LayerNorm2d, Gelu, Conv2d, LayerNorm2d, Gelu, Conv2d);

/// Prompts to sparse and dense embeddings.
#[derive(Module, Debug)]
pub struct PromptEncoder {
    /// Positional encoding shared with the image tokens.
    pub pe_layer: PositionEmbeddingRandom,
    /// Background point, foreground point, first box corner, second box corner.
    pub point_embeddings: Vec<Embedding>,
    /// Stands in for a missing point.
    pub not_a_point_embed: Embedding,
    /// Mask prompt to the token grid.
    pub mask_downscaling: MaskDownscaling,
    /// Stands in for a missing mask.
    pub no_mask_embed: Embedding,
    image_size: usize,
    grid: usize,
}

impl PromptEncoder {
    pub(crate) fn new(config: &SamConfig, device: &Device) -> Self {
        let dim = config.out_chans;
        let embedding = || EmbeddingConfig::new(1, dim).init(device);
        let chans = config.mask_in_chans;
        let halve = |input, output| {
            Conv2dConfig::new([input, output], [2, 2])
                .with_stride([2, 2])
                .init(device)
        };
        Self {
            pe_layer: PositionEmbeddingRandom::new(dim, device),
            point_embeddings: (0..4).map(|_| embedding()).collect(),
            not_a_point_embed: embedding(),
            mask_downscaling: (
                halve(1, chans / 4),
                LayerNorm2d::new(chans / 4, device),
                Gelu::new(),
                halve(chans / 4, chans),
                LayerNorm2d::new(chans, device),
                Gelu::new(),
                Conv2dConfig::new([chans, dim], [1, 1]).init(device),
            ),
            no_mask_embed: embedding(),
            image_size: config.image_size,
            grid: config.grid(),
        }
    }

    pub(crate) fn resize_grid(mut self, image_size: usize, grid: usize) -> Self {
        self.image_size = image_size;
        self.grid = grid;
        self
    }

    /// Positional encoding of the image tokens, `[1, out_chans, grid, grid]`.
    pub fn image_pe(&self) -> Tensor<4> {
        self.pe_layer.dense(self.grid)
    }

    /// Positional encoding of pixel positions, moved to pixel centres.
    fn encode_pixels(&self, coords_px: Tensor<3>) -> Tensor<3> {
        self.pe_layer
            .encode((coords_px + 0.5) / self.image_size as f64)
    }

    fn embed_points(&self, coords_px: Tensor<3>, labels: Tensor<2, Int>, pad: bool) -> Tensor<3> {
        let [n, _, _] = coords_px.dims();
        let device = coords_px.device();
        let (coords_px, labels) = if pad {
            // Without a box the original appends one empty point.
            let nothing = Tensor::zeros([n, 1, 2], &device);
            let label = Tensor::full([n, 1], PADDING_POINT, &device);
            (
                Tensor::cat(vec![coords_px, nothing], 1),
                Tensor::cat(vec![labels, label], 1),
            )
        } else {
            (coords_px, labels)
        };
        let encoded = self.encode_pixels(coords_px);
        let [n, points, dim] = encoded.dims();
        let is = |value: i64| {
            labels
                .clone()
                .equal_elem(value)
                .float()
                .reshape([n, points, 1])
        };
        let row = |e: &Embedding| e.weight.val().reshape([1, 1, dim]);
        let missing = is(PADDING_POINT);
        let mut embedded =
            encoded * (missing.clone() * -1.0 + 1.0) + missing * row(&self.not_a_point_embed);
        for (label, embedding) in self.point_embeddings.iter().enumerate() {
            embedded = embedded + is(label as i64) * row(embedding);
        }
        embedded
    }

    fn embed_boxes(&self, boxes: Tensor<2>) -> Tensor<3> {
        let [n, _] = boxes.dims();
        let corners = self.encode_pixels(boxes.reshape([n, 2, 2]));
        let [_, _, dim] = corners.dims();
        let kinds = Tensor::cat(
            vec![
                self.point_embeddings[2].weight.val(),
                self.point_embeddings[3].weight.val(),
            ],
            0,
        );
        corners + kinds.reshape([1, 2, dim])
    }

    /// Sparse embeddings of prompts that all have `count` tokens, `[n, count, out_chans]`.
    ///
    /// # Panics
    /// When one has another number of tokens.
    pub(crate) fn embed_class_prompts(&self, prompts: &[&ClassPrompt], count: usize) -> Tensor<3> {
        let device = self.no_mask_embed.weight.lazy_device();
        let tokens = prompts.iter().flat_map(|prompt| prompt.tokens());
        let (coords, labels): (Vec<[f32; 2]>, Vec<i64>) = tokens.unzip();
        let shape = [prompts.len(), count];
        let coords = TensorData::new(coords.into_flattened(), [shape[0], shape[1], 2]);
        self.embed_points(
            Tensor::from_data(coords, &device),
            Tensor::from_data(TensorData::new(labels, shape), &device),
            false,
        )
    }

    /// Embedding of mask prompts, `[n, out_chans, grid, grid]`.
    fn embed_masks(&self, mask_input: Tensor<4>) -> Tensor<4> {
        let (conv0, norm1, _, conv3, norm4, _, conv6) = &self.mask_downscaling;
        let x = gelu(norm1.forward(conv0.forward(mask_input)));
        let x = gelu(norm4.forward(conv3.forward(x)));
        conv6.forward(x)
    }

    /// The dense embedding of "no mask", `[1, out_chans, 1, 1]`; it broadcasts over the grid.
    pub fn no_mask(&self) -> Tensor<4> {
        let weight = self.no_mask_embed.weight.val();
        let [_, dim] = weight.dims();
        weight.reshape([1, dim, 1, 1])
    }

    /// Sparse embeddings `[n, tokens, out_chans]` and dense embeddings `[n, out_chans, grid, grid]`
    /// (or `[1, out_chans, 1, 1]` without a mask prompt).
    ///
    /// # Errors
    /// As [`Prompts::validate`].
    pub fn forward(&self, prompts: &Prompts) -> Result<(Tensor<3>, Tensor<4>), SamError> {
        let n = prompts.validate(4 * self.grid)?;
        Ok(self.embed(prompts, n))
    }

    /// As [`PromptEncoder::forward`], for `n` prompts that were validated.
    pub(crate) fn embed(&self, prompts: &Prompts, n: usize) -> (Tensor<3>, Tensor<4>) {
        let mut sparse = Vec::new();
        if let Some((coords, labels)) = &prompts.points {
            let pad = prompts.boxes.is_none();
            sparse.push(self.embed_points(coords.clone(), labels.clone(), pad));
        }
        if let Some(boxes) = &prompts.boxes {
            sparse.push(self.embed_boxes(boxes.clone()));
        }
        let dense = match &prompts.mask_input {
            Some(mask) => self.embed_masks(mask.clone()),
            None => self.no_mask(),
        };
        let sparse = if sparse.is_empty() {
            let [_, dim, _, _] = dense.dims();
            Tensor::empty([n, 0, dim], &dense.device())
        } else {
            Tensor::cat(sparse, 1)
        };
        (sparse, dense)
    }
}
