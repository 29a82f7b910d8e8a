//! The parts of a training step, each on its own at the shapes of the model: where the time goes.
//!
//! A row's time is multiplied by how often the model has that part, so that the rows of a level add
//! up to the step. `forward` is with the tape, `backward` goes to the input and to what is trained.

use burn::module::Module as _;
use burn::tensor::{Distribution, Tensor};
use salt_kernels::{gelu, grid_attention, layer_norm};
use salt_sam::{Sam, upscale_masks};
use salt_train::loss::LossConfig;

use crate::timing::{Medians, Timing};
use crate::{Args, Outcome, setup};

struct Table<'a> {
    timing: &'a Timing,
    rows: Vec<(String, f64)>,
    whole: f64,
}

impl Table<'_> {
    /// Measures `part`, of which the model has `count`.
    fn row<const D: usize, const E: usize>(
        &mut self,
        name: &str,
        count: usize,
        shape: [usize; D],
        part: impl Fn(Tensor<D>) -> Tensor<E>,
    ) -> Outcome<()> {
        let device = self.timing.device.clone().autodiff();
        let normal = Distribution::Normal(0.0, 1.0);
        let input = Tensor::<D>::random(shape, normal, &device.clone().without_autodiff());
        let (whole, laps) = self.timing.laps(|laps| {
            let x = Tensor::from_inner(input.clone()).require_grad();
            let y = part(x);
            laps.end("forward")?;
            let gradients = y.sum().backward();
            laps.end("backward")?;
            drop(gradients);
            Ok(())
        })?;
        for (lap, seconds) in laps {
            let name = format!("{name} x{count} {lap}");
            self.rows.push((name, seconds * count as f64));
        }
        self.whole += whole * count as f64;
        Ok(())
    }
}

/// Measures all of them; the median is that of the parts of a step together.
pub(crate) fn measure(args: &Args, timing: &Timing) -> Outcome<Medians> {
    let model: Sam = setup::adapted(args, &timing.device)?.valid().train();
    let mut table = Table {
        timing,
        rows: Vec::new(),
        whole: 0.0,
    };
    step_parts(args, &model, &mut table)?;
    let whole = table.whole;
    block_parts(args, &model, &mut table)?;
    Ok((whole, table.rows))
}

/// What a step is made of.
fn step_parts(args: &Args, model: &Sam, table: &mut Table<'_>) -> Outcome<()> {
    let (batch, grid) = (args.batch, model.grid());
    let encoder = &model.image_encoder;
    let [.., dim] = encoder.pos_embed.val().dims();
    let tokens = [batch, grid, grid, dim];
    // The first block attends in windows; where one attends globally, so does the third of four.
    let (windowed, global) = (&encoder.blocks[0], &encoder.blocks[2]);
    let globals = 4.min(encoder.blocks.len() / 3);
    let pixels = [batch, 3, args.size, args.size];
    let mut bare = encoder.clone();
    bare.blocks.clear();
    table.row("embedding and neck", 1, pixels, |x| bare.forward(x))?;
    let others = encoder.blocks.len() - globals;
    table.row("block, windows", others, tokens, |x| windowed.forward(x))?;
    table.row("block, global", globals, tokens, |x| global.forward(x))?;
    let embedding = [batch, model.prompt_tokens.val().dims()[1], grid, grid];
    table.row("decoder", 1, embedding, |x| {
        model.segment_classes(x).low_res_masks
    })?;
    let loss = LossConfig::default();
    let size = [batch, args.size, args.size];
    let labels = setup::labels(args);
    let targets = loss.targets(&labels, size, model.n_classes(), &table.timing.device);
    let masks = [batch, model.n_classes(), 4 * grid, 4 * grid];
    table.row("upscale and loss", 1, masks, |x| {
        loss.forward(upscale_masks(x, [args.size, args.size]), &targets)
    })
}

/// What the blocks are made of.
fn block_parts(args: &Args, model: &Sam, table: &mut Table<'_>) -> Outcome<()> {
    let encoder = &model.image_encoder;
    let (batch, grid, depth) = (args.batch, model.grid(), encoder.blocks.len());
    let block = &encoder.blocks[0];
    let global = &encoder.blocks[2];
    let [.., dim] = encoder.pos_embed.val().dims();
    let heads = dim / block.attn.rel_pos_h.val().dims()[1];
    let side = block.attn.rel_pos_h.val().dims()[0].div_ceil(2);
    let tokens = [batch * grid * grid, dim];
    let whole = [batch, grid, grid, dim];
    let globals = 4.min(depth / 3);
    let others = depth - globals;
    table.row("attention, windows", others, whole, |x| {
        block.attn.forward(x)
    })?;
    table.row("attention, global", globals, whole, |x| {
        global.attn.forward(x)
    })?;
    table.row("mlp", depth, whole, |x| block.mlp.forward(x))?;
    table.row("lin1", depth, tokens, |x| block.mlp.lin1.forward(x))?;
    let hidden = [tokens[0], block.mlp.lin1.weight.val().dims()[1]];
    table.row("gelu", depth, hidden, gelu)?;
    table.row("lin2", depth, hidden, |x| block.mlp.lin2.forward(x))?;
    table.row("qkv", depth, tokens, |x| block.attn.qkv.forward(x))?;
    table.row("proj", depth, tokens, |x| block.attn.proj.forward(x))?;
    let gamma = block.norm1.gamma.val();
    let beta = gamma.zeros_like();
    table.row("layer norm", 2 * depth, tokens, |x| {
        layer_norm(x, gamma.clone(), beta.clone(), 1e-6)
    })?;
    let projected = [batch, grid, grid, 3 * dim];
    for (name, count, block, window) in [
        ("attention's core, windows", others, block, Some(side)),
        ("attention's core, global", globals, global, None),
    ] {
        let positions = [&block.attn.rel_pos_h, &block.attn.rel_pos_w].map(|table| table.val());
        table.row(name, count, projected, |x| {
            let [rows, columns] = positions.clone();
            grid_attention(x, None, rows, columns, heads, window)
        })?;
    }
    Ok(())
}
