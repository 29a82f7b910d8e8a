//! The compiler's names, shared by all targets in the original.

mod compiler;
pub mod lowered_features;

pub use compiler::{NvptxModule, PlironArtifact, PlironCompiler, PlironOptions};
