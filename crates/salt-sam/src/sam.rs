//! The whole model, and its use with a token per class.

use std::collections::BTreeMap;

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::config::SamConfig;
use crate::error::SamError;
use crate::image_encoder::ImageEncoder;
use crate::mask_decoder::{DecoderInput, MaskDecoder};
use crate::preprocess::normalise;
use crate::prompt_encoder::{ClassPrompt, PromptEncoder, Prompts};

/// Masks and their predicted quality.
#[derive(Debug, Clone)]
pub struct MaskPrediction {
    /// Mask logits at four times the token grid, `[n, masks, low_res, low_res]`; positive means
    /// foreground.
    pub low_res_masks: Tensor<4>,
    /// Predicted IoU of every mask, `[n, masks]`.
    pub iou_predictions: Tensor<2>,
}

impl MaskPrediction {
    /// Whether every logit and every predicted IoU is a number. NaN and infinity do not leave a sum, so two numbers
    /// come back from the device instead of all.
    pub(crate) fn is_finite(&self) -> bool {
        let sums = vec![
            self.low_res_masks.clone().sum(),
            self.iou_predictions.clone().sum(),
        ];
        let sums = Tensor::cat(sums, 0).into_data();
        sums.iter::<f32>().all(f32::is_finite)
    }

    /// One mask of each of `batch * classes` rows as `[batch, classes, ..]`.
    fn by_class(self, batch: usize, classes: usize) -> Self {
        let [_, _, height, width] = self.low_res_masks.dims();
        Self {
            low_res_masks: self.low_res_masks.reshape([batch, classes, height, width]),
            iou_predictions: self.iou_predictions.reshape([batch, classes]),
        }
    }
}

/// Segment Anything.
///
/// Beyond the original it holds one learned prompt token per semantic class: given as a sparse
/// prompt, it asks the decoder for "every pixel of this class" without a point or a box.
#[derive(Module, Debug)]
pub struct Sam {
    /// Image to embedding.
    pub image_encoder: ImageEncoder,
    /// Prompts to embeddings.
    pub prompt_encoder: PromptEncoder,
    /// Embeddings to masks.
    pub mask_decoder: MaskDecoder,
    /// One learned prompt per class, `[classes, out_chans]`.
    pub prompt_tokens: Param<Tensor<2>>,
    patch_size: usize,
}

impl Sam {
    pub(crate) fn new(config: &SamConfig, device: &Device) -> Self {
        Self {
            image_encoder: ImageEncoder::new(config, device),
            prompt_encoder: PromptEncoder::new(config, device),
            mask_decoder: MaskDecoder::new(config, device),
            prompt_tokens: Initializer::Normal {
                mean: 0.0,
                std: 1.0,
            }
            .init([config.n_prompt_tokens, config.out_chans], device),
            patch_size: config.patch_size,
        }
    }

    /// The same model for another square input: positions are resampled, nothing else changes.
    ///
    /// # Errors
    /// [`SamError::Config`] unless `image_size` is a positive multiple of the patch size.
    pub fn with_image_size(mut self, image_size: usize) -> Result<Self, SamError> {
        if image_size == 0 || !image_size.is_multiple_of(self.patch_size) {
            return Err(SamError::Config(format!(
                "image_size must be a positive multiple of the patch size {}, received {image_size}",
                self.patch_size
            )));
        }
        let grid = image_size / self.patch_size;
        self.image_encoder = self.image_encoder.resize_grid(grid);
        self.prompt_encoder = self.prompt_encoder.resize_grid(image_size, grid);
        Ok(self)
    }

    /// Side of the square network input, in pixels.
    pub fn image_size(&self) -> usize {
        self.grid() * self.patch_size
    }

    /// Side of the token grid, in tokens.
    pub fn grid(&self) -> usize {
        let [_, grid, _, _] = self.image_encoder.pos_embed.lazy_shape().dims();
        grid
    }

    /// Number of learned prompt tokens.
    pub fn n_classes(&self) -> usize {
        let [classes, _] = self.prompt_tokens.lazy_shape().dims();
        classes
    }

    /// Normalises RGB pixels and encodes them.
    ///
    /// # Shapes
    /// - `pixels_bchw`: `[batch, 3, image_size, image_size]`, values 0..=255
    /// - output: `[batch, out_chans, grid, grid]`
    ///
    /// # Panics
    /// When the input has another size.
    pub fn encode_image(&self, pixels_bchw: Tensor<4>) -> Tensor<4> {
        self.image_encoder.forward(normalise(pixels_bchw))
    }

    /// Masks for prompts. Prompt `i` looks at image embedding `i`: repeat an embedding for every
    /// prompt of its image ([`repeat_interleave`]).
    ///
    /// # Shapes
    /// - `image_embedding`: `[n, out_chans, grid, grid]`, or `[1, ..]` shared by all prompts
    /// - output: `[n, masks, 4 * grid, 4 * grid]` with 3 masks for `multimask_output`, else 1
    ///
    /// # Errors
    /// [`SamError::Prompt`] for empty or inconsistent prompts.
    pub fn decode(
        &self,
        image_embedding: Tensor<4>,
        prompts: &Prompts,
        multimask_output: bool,
    ) -> Result<MaskPrediction, SamError> {
        let n = prompts.validate(4 * self.grid())?;
        self.decode_valid(image_embedding, prompts, n, multimask_output)
    }

    /// As [`Sam::decode`], for `n` prompts that were validated: that reads them back from the device.
    pub(crate) fn decode_valid(
        &self,
        image_embedding: Tensor<4>,
        prompts: &Prompts,
        n: usize,
        multimask_output: bool,
    ) -> Result<MaskPrediction, SamError> {
        let (sparse_embeddings, dense_embeddings) = self.prompt_encoder.embed(prompts, n);
        let [images, ..] = image_embedding.dims();
        let image_embedding = if images == 1 && n > 1 {
            repeat_interleave(image_embedding, n)
        } else if images == n {
            image_embedding
        } else {
            return Err(SamError::Prompt(format!(
                "{n} prompts need {n} image embeddings or a single one, received {images}"
            )));
        };
        Ok(self.predict(
            image_embedding,
            sparse_embeddings,
            dense_embeddings,
            multimask_output,
        ))
    }

    /// One mask per class token for every image: semantic segmentation without prompts.
    ///
    /// # Shapes
    /// - `image_embedding`: `[batch, out_chans, grid, grid]`
    /// - output: masks `[batch, classes, 4 * grid, 4 * grid]`, IoU `[batch, classes]`
    pub fn segment_classes(&self, image_embedding: Tensor<4>) -> MaskPrediction {
        self.segment_tokens(image_embedding, self.prompt_tokens.val())
    }

    /// As [`Sam::segment_classes`], for the given prompt tokens `[classes, out_chans]`.
    pub fn segment_tokens(&self, image_embedding: Tensor<4>, tokens: Tensor<2>) -> MaskPrediction {
        let [classes, _] = tokens.dims();
        let [batch, ..] = image_embedding.dims();
        let prediction = self.predict(
            repeat_interleave(image_embedding, classes),
            every_token_for_every_image(tokens, batch),
            self.prompt_encoder.no_mask(),
            false,
        );
        prediction.by_class(batch, classes)
    }

    /// As [`Sam::segment_classes`], with a prompt beside the token of every image and class: row
    /// `image * classes + class` asks for that class of that image, and its points and box stand behind the
    /// token as sparse tokens with the embeddings that [`Sam::decode`] gives them.
    ///
    /// Rows of different numbers of tokens are decoded apart instead of being filled up: a padding point is
    /// a token too, which the others attend to. So no row's answer depends on what is asked in another,
    /// and a row without a prompt answers as in [`Sam::segment_classes`].
    ///
    /// # Shapes
    /// - `image_embedding`: `[batch, out_chans, grid, grid]`
    /// - `prompts`: `batch * classes` rows
    /// - output: masks `[batch, classes, 4 * grid, 4 * grid]`, IoU `[batch, classes]`
    ///
    /// # Errors
    /// [`SamError::Prompt`] for another number of rows, and as [`ClassPrompt::validate`].
    pub fn segment_prompted(
        &self,
        image_embedding: Tensor<4>,
        prompts: &[ClassPrompt],
    ) -> Result<MaskPrediction, SamError> {
        let (classes, [batch, ..]) = (self.n_classes(), image_embedding.dims());
        if prompts.len() != batch * classes {
            return Err(SamError::Prompt(format!(
                "{batch} images of {classes} classes need {} rows of prompts, received {}",
                batch * classes,
                prompts.len()
            )));
        }
        let mut groups = BTreeMap::<usize, Vec<usize>>::new();
        for (row, prompt) in prompts.iter().enumerate() {
            prompt.validate()?;
            let count = prompt.tokens().len();
            groups.entry(count).or_default().push(row);
        }
        if groups.keys().all(|count| *count == 0) {
            return Ok(self.segment_classes(image_embedding));
        }
        let images = repeat_interleave(image_embedding, classes);
        let tokens = every_token_for_every_image(self.prompt_tokens.val(), batch);
        let (mut masks, mut scores) = (Vec::new(), Vec::new());
        for (&count, rows) in &groups {
            let mut sparse = vec![tokens.clone().select(0, indexes(rows, &tokens.device()))];
            if count > 0 {
                let asked: Vec<_> = rows.iter().map(|&row| &prompts[row]).collect();
                sparse.push(self.prompt_encoder.embed_class_prompts(&asked, count));
            }
            let answer = self.predict(
                images.clone().select(0, indexes(rows, &images.device())),
                Tensor::cat(sparse, 1),
                self.prompt_encoder.no_mask(),
                false,
            );
            masks.push(answer.low_res_masks);
            scores.push(answer.iou_predictions);
        }
        // Where each row went, to bring them back in order.
        let mut place = vec![0; prompts.len()];
        for (at, &row) in groups.values().flatten().enumerate() {
            place[row] = at;
        }
        let (masks, scores) = (Tensor::cat(masks, 0), Tensor::cat(scores, 0));
        let place = indexes(&place, &masks.device());
        let prediction = MaskPrediction {
            low_res_masks: masks.select(0, place.clone()),
            iou_predictions: scores.select(0, place),
        };
        Ok(prediction.by_class(batch, classes))
    }

    fn predict(
        &self,
        image_embedding: Tensor<4>,
        sparse_embeddings: Tensor<3>,
        dense_embeddings: Tensor<4>,
        multimask_output: bool,
    ) -> MaskPrediction {
        let (low_res_masks, iou_predictions) = self.mask_decoder.forward(DecoderInput {
            image_embedding,
            image_pe: self.prompt_encoder.image_pe(),
            sparse_embeddings,
            dense_embeddings,
            multimask_output,
        });
        MaskPrediction {
            low_res_masks,
            iou_predictions,
        }
    }
}

/// `[classes, dim]` to `[batch * classes, 1, dim]`.
fn every_token_for_every_image(tokens: Tensor<2>, batch: usize) -> Tensor<3> {
    let [classes, dim] = tokens.dims();
    tokens
        .reshape([1, classes, 1, dim])
        .expand([batch as i64, classes as i64, 1, dim as i64])
        .reshape([batch * classes, 1, dim])
}

fn indexes(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), device)
}

/// Every image `times` in a row: `[b, ..]` to `[b * times, ..]`, as `torch.repeat_interleave`.
pub fn repeat_interleave(images: Tensor<4>, times: usize) -> Tensor<4> {
    if times == 1 {
        return images;
    }
    let [batch, channels, height, width] = images.dims();
    images
        .reshape([batch, 1, channels, height, width])
        .expand([
            batch as i64,
            times as i64,
            channels as i64,
            height as i64,
            width as i64,
        ])
        .reshape([batch * times, channels, height, width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    /// Sums of other lengths of matrix product end in other last bits.
    const TOLERANCE: f32 = 1e-4;

    fn sam(device: &Device) -> Sam {
        let config = SamConfig {
            image_size: 32,
            patch_size: 8,
            embed_dim: 16,
            depth: 1,
            num_heads: 2,
            mlp_ratio: 2,
            window_size: 2,
            global_attn_indexes: vec![0],
            out_chans: 16,
            decoder_depth: 2,
            decoder_heads: 2,
            decoder_mlp_dim: 16,
            iou_head_hidden: 8,
            mask_in_chans: 4,
            n_prompt_tokens: 3,
        };
        config.init(device).unwrap()
    }

    /// Two images of three classes: every kind of prompt, and rows without.
    fn prompts() -> Vec<ClassPrompt> {
        let ask = |points: &[([f32; 2], bool)], bounding_box| ClassPrompt {
            points: points.to_vec(),
            bounding_box,
        };
        vec![
            ask(&[([3.0, 4.0], true)], None),
            ClassPrompt::default(),
            ask(&[], Some([2.0, 3.0, 20.0, 30.0])),
            ask(
                &[([9.0, 9.0], true), ([1.0, 30.0], false)],
                Some([5.0, 5.0, 12.5, 13.0]),
            ),
            ClassPrompt::default(),
            ask(&[([0.0, 31.0], true), ([7.0, 8.0], true)], None),
        ]
    }

    fn embedding(device: &Device) -> Tensor<4> {
        Tensor::random([2, 16, 4, 4], Distribution::Normal(0.0, 1.0), device)
    }

    fn row(masks: &Tensor<4>, row: usize) -> TensorData {
        let [_, classes, height, width] = masks.dims();
        let (image, class) = (row / classes, row % classes);
        masks
            .clone()
            .slice([image..image + 1, class..class + 1, 0..height, 0..width])
            .into_data()
    }

    fn check_same(found: &TensorData, expected: &TensorData) {
        if Device::default() == Device::flex() {
            assert_eq!(found, expected);
        } else {
            found.assert_approx_eq::<f32>(expected, Tolerance::absolute(TOLERANCE));
        }
    }

    #[test]
    fn rows_without_a_prompt_answer_as_without_any() {
        let device = Device::default();
        let (sam, image) = (sam(&device), embedding(&device));
        let plain = sam.segment_classes(image.clone());
        let nothing = vec![ClassPrompt::default(); 6];
        let none = sam.segment_prompted(image.clone(), &nothing).unwrap();
        let some = sam.segment_prompted(image, &prompts()).unwrap();
        assert_eq!(some.low_res_masks.dims(), plain.low_res_masks.dims());
        for i in 0..6 {
            let expected = row(&plain.low_res_masks, i);
            check_same(&row(&none.low_res_masks, i), &expected);
            let found = row(&some.low_res_masks, i);
            if [1, 4].contains(&i) {
                check_same(&found, &expected);
            } else {
                assert_ne!(found, expected, "row {i} is not asked by its prompt");
            }
        }
    }

    /// The oracle goes through [`Prompts`], a row at a time.
    #[test]
    fn a_prompted_row_is_its_token_beside_what_sam_makes_of_the_prompt() {
        let device = Device::default();
        let (sam, image) = (sam(&device), embedding(&device));
        let answer = sam.segment_prompted(image.clone(), &prompts()).unwrap();
        for (i, prompt) in prompts().iter().enumerate() {
            let mut given = Prompts::default();
            if !prompt.points.is_empty() {
                let n = prompt.points.len();
                let coords: Vec<f32> = prompt.points.iter().flat_map(|(xy, _)| *xy).collect();
                let labels: Vec<i64> = prompt.points.iter().map(|p| i64::from(p.1)).collect();
                given = given.with_points(
                    Tensor::from_data(TensorData::new(coords, [1, n, 2]), &device),
                    Tensor::from_data(TensorData::new(labels, [1, n]), &device),
                );
            }
            if let Some(corners) = prompt.bounding_box {
                given = given.with_boxes(Tensor::from_data([corners], &device));
            }
            let mut sparse = vec![
                sam.prompt_tokens
                    .val()
                    .slice([i % 3..i % 3 + 1, 0..16])
                    .unsqueeze::<3>(),
            ];
            if given.count().is_some() {
                sparse.push(sam.prompt_encoder.forward(&given).unwrap().0);
            }
            let expected = sam.predict(
                image.clone().slice([i / 3..i / 3 + 1, 0..16, 0..4, 0..4]),
                Tensor::cat(sparse, 1),
                sam.prompt_encoder.no_mask(),
                false,
            );
            row(&answer.low_res_masks, i).assert_approx_eq::<f32>(
                &expected.low_res_masks.into_data(),
                Tolerance::absolute(TOLERANCE),
            );
            let score = answer
                .iou_predictions
                .clone()
                .slice([i / 3..i / 3 + 1, i % 3..i % 3 + 1]);
            score.into_data().assert_approx_eq::<f32>(
                &expected.iou_predictions.into_data(),
                Tolerance::absolute(TOLERANCE),
            );
        }
    }

    #[test]
    fn prompt_embeddings_have_a_gradient_only_where_they_are_trained() {
        let device = Device::default().autodiff();
        let image = embedding(&device.clone().without_autodiff());
        let trained = sam(&device);
        let mut frozen = sam(&device);
        frozen.prompt_encoder = frozen.prompt_encoder.no_grad();
        for (sam, expected) in [(trained, true), (frozen, false)] {
            let answer = sam.segment_prompted(image.clone(), &prompts()).unwrap();
            let gradients = answer.low_res_masks.powi_scalar(2).sum().backward();
            let embeddings = &sam.prompt_encoder.point_embeddings;
            let found: Vec<bool> = embeddings
                .iter()
                .map(|embedding| embedding.weight.val().grad(&gradients).is_some())
                .collect();
            assert_eq!(found, [expected; 4]);
            let tokens = sam.prompt_tokens.val().grad(&gradients).unwrap();
            let norms: Vec<f32> = tokens.abs().sum_dim(1).into_data().iter().collect();
            assert!(norms.iter().all(|norm| *norm > 0.0), "{norms:?}");
        }
    }

    #[test]
    fn prompts_without_a_meaning_are_refused() {
        let device = Device::default();
        let (sam, image) = (sam(&device), embedding(&device));
        let check = |prompts: &[ClassPrompt], word: &str| {
            let error = sam.segment_prompted(image.clone(), prompts).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        };
        check(&prompts()[..5], "6 rows of prompts, received 5");
        let mut bad = prompts();
        bad[0].points[0].0[1] = f32::NAN;
        check(&bad, "finite");
        bad = prompts();
        bad[2].bounding_box = Some([4.0, 4.0, 4.0, 8.0]);
        check(&bad, "x0 < x1");
    }
}
