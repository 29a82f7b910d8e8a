//! The model with random weights, and what is adapted in it.

use burn::module::Module as _;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use salt_peft::{AdapterConfig, MethodId, Rank};
use salt_sam::{Sam, SamConfig};

use crate::{Args, Outcome};

/// The model at the size that was asked for, nothing adapted.
pub(crate) fn model(args: &Args, device: &Device) -> Outcome<Sam> {
    let config = SamConfig::by_name(&args.model)?;
    let config = config.with_image_size(args.size);
    Ok(config.with_prompt_tokens(args.classes).init(device)?)
}

/// The paper's setting of that name; otherwise the method on `qkv` and `proj`, with the prompt token.
pub(crate) fn adapter(args: &Args) -> Outcome<AdapterConfig> {
    let mut config = match args.method.starts_with("paper-") {
        true => salt_peft::presets::config(&args.method)?,
        false => on_attention(args)?,
    };
    config.base_precision = args.base_precision;
    Ok(config)
}

fn on_attention(args: &Args) -> Outcome<AdapterConfig> {
    let id: MethodId = args.method.parse()?;
    let mut config = AdapterConfig::new(id);
    let reads = |key: &str| id.get().settings().contains(&key);
    if reads("targets") {
        config.targets = vec![r"blocks\.\d+\.attn\.(qkv|proj)".into()];
    }
    if reads("rank") {
        config.rank = Some(Rank::Absolute(args.rank));
    }
    if reads("tail_rank") {
        config.tail_rank = Some(args.rank);
    }
    if args.method != "full" && args.method != "frozen" {
        config.modules_to_save = vec!["prompt_token".into()];
    }
    Ok(config)
}

/// The model on the autodiff device with its adapter.
pub(crate) fn adapted(args: &Args, device: &Device) -> Outcome<Sam> {
    let device = device.clone().autodiff();
    let model = model(args, &device)?.train();
    Ok(salt_peft::attach(model, &adapter(args)?)?.0)
}

/// Random pixels, `[batch, 3, size, size]`, 0..=255.
pub(crate) fn pixels(args: &Args, device: &Device) -> Tensor<4> {
    let shape = [args.batch, 3, args.size, args.size];
    Tensor::random(shape, Distribution::Uniform(0.0, 255.0), device)
}

/// A disc of the first class in every image.
pub(crate) fn labels(args: &Args) -> Vec<u8> {
    let (side, middle) = (args.size, args.size as f64 / 2.0);
    let inside = |at: usize| {
        let (x, y) = ((at % side) as f64 - middle, (at / side) as f64 - middle);
        u8::from(x.hypot(y) < middle / 2.0)
    };
    let one: Vec<u8> = (0..side * side).map(inside).collect();
    one.repeat(args.batch)
}

/// The box prompt of every image: its middle half, `[batch, 4]`.
pub(crate) fn boxes(args: &Args, device: &Device) -> Tensor<2> {
    let side = args.size as f32;
    let corners = [0.25, 0.25, 0.75, 0.75].map(|share| share * side);
    Tensor::from_data(
        TensorData::new(corners.repeat(args.batch), [args.batch, 4]),
        device,
    )
}
