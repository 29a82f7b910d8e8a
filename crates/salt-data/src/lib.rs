//! Image and mask folders to verified, split, augmented batches; generated images.

mod augment;
mod batches;
mod canvas;
mod dataset;
mod decode_image;
mod decode_mask;
pub mod download;
mod draw_rng;
mod encode;
mod error;
mod label_rule;
mod loader;
mod pixels;
mod resize;
mod sample;
pub mod synth;
mod table;
pub mod verify;
mod view;

pub use augment::Augment;
pub use batches::{Batch, Batches};
pub use canvas::Canvas;
pub use dataset::{Case, Dataset, LoadedCase, Split};
pub use decode_image::read_image;
pub use decode_mask::MaskSource;
pub use encode::{write_image, write_mask};
pub use error::DataError;
pub use label_rule::{JPEG_FLOOR, LabelRule, MAX_CLASSES};
pub use loader::{LoaderConfig, TrainLoader};
pub use pixels::{IGNORE_LABEL, ImageRgb, LabelMap, PAD_RGB};
pub use resize::{fit_longest_side, resize_image, resize_labels};
pub use view::{Placement, View, Window, inference_inputs};
