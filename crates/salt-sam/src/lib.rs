//! Segment Anything (Kirillov et al., 2023, arXiv 2304.02643) in Burn, module for module.
//!
//! The crate knows no adapter and no data set. Module paths equal the keys of the official
//! checkpoints (`image_encoder.blocks.0.attn.qkv`, `mask_decoder.transformer.layers.1.norm4`, ...),
//! so whatever is written about the original's weights holds here too.
//!
//! | file | box of the paper's figure |
//! |---|---|
//! | [`image_encoder`] | heavyweight image encoder: ViT with windows and relative positions, neck |
//! | [`prompt_encoder`] | points, boxes, masks, and the positional encoding they share |
//! | [`mask_decoder`] | two-way transformer, upscaling, hypernetworks, IoU head |
//! | [`predictor`] | one image, many prompts, in the image's own pixels |
//! | [`automatic`] | every object of an image, without prompts |
//! | [`sam`] | the whole, with one learned prompt token per semantic class |
//! | [`weights`] | checkpoints: `.pth`, `.safetensors`, original and Hugging Face names |
//!
//! One layout note for the whole crate: Burn's `Linear` stores its weight `[d_in, d_out]`, the
//! checkpoints store `[d_out, d_in]`; [`weights`] transposes on the way in and out.

pub mod automatic;
pub mod config;
pub mod error;
pub mod image_encoder;
pub mod layer_norm_2d;
pub mod mask_decoder;
mod norm;
pub mod predictor;
pub mod preprocess;
pub mod prompt_encoder;
mod resize;
pub mod sam;
pub mod upscale;
pub mod weights;

pub use automatic::{AutomaticMask, AutomaticMaskGenerator};
pub use config::SamConfig;
pub use error::SamError;
pub use predictor::EncodedImage;
pub use preprocess::RgbImage;
pub use prompt_encoder::{ClassPrompt, Prompts};
pub use sam::{MaskPrediction, Sam};
pub use upscale::upscale_masks;
