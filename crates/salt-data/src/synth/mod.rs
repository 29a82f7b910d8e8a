//! Generated pictures: scenes for pretraining and vessel sets for trying things out.

mod curve;
mod layer;
mod optics;
mod planes;
pub mod scenes;
mod shape;
mod solids;
mod strokes;
mod studio;
mod texture;
mod tree;
pub mod vessels;
mod write;
