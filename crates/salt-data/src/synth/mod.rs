//! Generated pictures: scenes for pretraining and vessel sets for trying things out.
//!
//! Random draws are the same everywhere. Shapes go through the system's `sin`, `cos` and `exp`, so
//! that on another operating system single pixels may differ by one step.

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
