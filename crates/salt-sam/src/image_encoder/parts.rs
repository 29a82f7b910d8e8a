//! The encoder as a chain of parts: the embedding of patches, every block, the neck.
//!
//! A tape is needed from the first part on that has a trained parameter. What lies before it is computed on plain
//! tensors: burn-autodiff keeps no values of untracked operations, but registers every one of them.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::{ImageEncoder, neck};

impl ImageEncoder {
    /// Number of parts: part 0 embeds patches and positions, part `i` is block `i - 1`, the last one is the neck.
    pub fn parts(&self) -> usize {
        self.blocks.len() + 2
    }

    /// The first part with a parameter that requires a gradient, factors of reparameterised weights included;
    /// [`ImageEncoder::parts`] where there is none, as for every encoder off the autodiff device.
    pub fn first_trained(&self) -> usize {
        (0..self.parts())
            .find(|part| self.is_trained(*part))
            .unwrap_or(self.parts())
    }

    fn is_trained(&self, part: usize) -> bool {
        let mut found = Trained(false);
        match self.blocks.get(part.wrapping_sub(1)) {
            Some(block) => block.visit(&mut found),
            None if part == 0 => {
                self.patch_embed.visit(&mut found);
                self.pos_embed.visit(&mut found);
            }
            None => self.neck.visit(&mut found),
        }
        found.0
    }

    /// Answer of one part to the one before it.
    ///
    /// # Shapes
    /// - input: pixels as [`ImageEncoder::forward`] for part 0, else `[batch, grid, grid, embed_dim]`
    /// - output: `[batch, out_chans, grid, grid]` of the neck, else `[batch, grid, grid, embed_dim]`
    ///
    /// # Panics
    /// For a part that there is not.
    pub fn forward_part(&self, part: usize, x: Tensor<4>) -> Tensor<4> {
        assert!(part < self.parts(), "part {part} of {}", self.parts());
        match self.blocks.get(part.wrapping_sub(1)) {
            Some(block) => block.forward(x),
            None if part == 0 => self.embed(x),
            None => neck::forward(&self.neck, x),
        }
    }

    /// The same values without a tape.
    ///
    /// # Panics
    /// As [`ImageEncoder::forward_part`].
    pub fn forward_part_off_tape(&self, part: usize, x: Tensor<4>) -> Tensor<4> {
        assert!(part < self.parts(), "part {part} of {}", self.parts());
        let x = x.inner();
        match self.blocks.get(part.wrapping_sub(1)) {
            Some(block) => block.valid().forward(x),
            None if part == 0 => self.patch_embed.valid().forward(x) + self.pos_embed.val().inner(),
            None => neck::forward(&self.neck.valid(), x),
        }
    }
}

struct Trained(bool);

impl ModuleVisitor for Trained {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 |= param.is_require_grad();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::ParamId;
    use burn::tensor::{Device, Distribution, Gradients, TensorData, Tolerance};

    use crate::{Sam, SamConfig};

    /// Other kernels than on the tape may run off it, except on flex.
    const TOLERANCE: f32 = 1e-4;

    fn sam() -> Sam {
        let config = SamConfig {
            embed_dim: 24,
            depth: 3,
            window_size: 3,
            global_attn_indexes: vec![1],
            ..SamConfig::nano().with_image_size(32)
        };
        let sam = config.init(&Device::default().autodiff()).unwrap();
        sam.no_grad()
    }

    /// A block's weights without the others'.
    fn thaw_projection(sam: &mut Sam, block: usize) {
        let proj = &mut sam.image_encoder.blocks[block].attn.proj;
        proj.weight = proj.weight.clone().set_require_grad(true);
    }

    fn thaw_neck(sam: &mut Sam) {
        let norm = &mut sam.image_encoder.neck.3;
        norm.bias = norm.bias.clone().set_require_grad(true);
    }

    fn thaw_tokens(sam: &mut Sam) {
        sam.prompt_tokens = sam.prompt_tokens.clone().set_require_grad(true);
    }

    fn thaw_positions(sam: &mut Sam) {
        let encoder = &mut sam.image_encoder;
        encoder.pos_embed = encoder.pos_embed.clone().set_require_grad(true);
    }

    type Thaw = fn(&mut Sam);

    /// What is trained besides the tokens, the first part that needs a tape for it, and how many gradients there are.
    fn cases() -> [(Thaw, usize, usize); 6] {
        [
            (thaw_tokens, 5, 1),
            (thaw_neck, 4, 2),
            (|sam| thaw_projection(sam, 2), 3, 2),
            (|sam| thaw_projection(sam, 1), 2, 2),
            (
                |sam| {
                    thaw_projection(sam, 0);
                    thaw_neck(sam);
                },
                1,
                3,
            ),
            (thaw_positions, 0, 2),
        ]
    }

    struct Read<'a>(&'a Gradients, Vec<(ParamId, TensorData)>);

    impl ModuleVisitor for Read<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.grad(self.0) {
                self.1.push((param.id, gradient.into_data()));
            }
        }
    }

    /// Masks, and the gradients of everything that has one.
    fn masks_and_gradients(
        sam: &Sam,
        pixels: Tensor<4>,
    ) -> (TensorData, Vec<(ParamId, TensorData)>) {
        let masks = sam.segment_classes(sam.encode_image(pixels)).low_res_masks;
        let values = masks.clone().into_data();
        let gradients = masks.powi_scalar(2).sum().backward();
        let mut read = Read(&gradients, Vec::new());
        sam.visit(&mut read);
        (values, read.1)
    }

    fn check_same(found: &TensorData, expected: &TensorData) {
        if Device::default() == Device::flex() {
            assert_eq!(found, expected);
        } else {
            found.assert_approx_eq::<f32>(expected, Tolerance::relative(TOLERANCE));
        }
    }

    fn pixels() -> Tensor<4> {
        let range = Distribution::Uniform(0.0, 255.0);
        Tensor::random([2, 3, 32, 32], range, &Device::default())
    }

    #[test]
    fn what_is_frozen_off_the_tape_gives_the_masks_and_gradients_of_all_on_it() {
        for (thaw, first, gradients) in cases() {
            let mut sam = sam();
            thaw_tokens(&mut sam);
            thaw(&mut sam);
            assert_eq!(sam.image_encoder.first_trained(), first);
            let pixels = pixels();
            let (masks, found) = masks_and_gradients(&sam, pixels.clone());
            // Pixels on the autodiff device might have a gradient, so they keep everything there.
            let (expected_masks, expected) = masks_and_gradients(&sam, pixels.autodiff());
            check_same(&masks, &expected_masks);
            assert_eq!([found.len(), expected.len()], [gradients; 2]);
            for ((id, gradient), (expected_id, expected)) in found.iter().zip(&expected) {
                assert_eq!(id, expected_id);
                check_same(gradient, expected);
            }
        }
    }

    #[test]
    fn nothing_is_trained_off_the_autodiff_device() {
        let mut sam = sam();
        thaw_positions(&mut sam);
        let encoder = sam.valid().image_encoder;
        assert_eq!(encoder.first_trained(), encoder.parts());
        assert!(!encoder.forward(pixels()).is_autodiff());
    }

    #[test]
    fn pixels_on_the_tape_have_a_gradient_though_everything_is_frozen() {
        let sam = sam();
        let pixels = pixels().autodiff().require_grad();
        let gradients = sam.encode_image(pixels.clone()).sum().backward();
        assert!(pixels.grad(&gradients).is_some());
    }
}
