//! Stand-in for `cubecl-llvm` 0.11.3: every item that `cubecl-cuda` 0.11.3 names, and no LLVM.
//!
//! The CUDA runtime of this workspace is built with `cubecl-cuda/cpp`: kernels go to NVRTC as
//! CUDA C++ and nothing here runs. [`PlironCompiler`] therefore refuses every kernel, saying so.

pub mod nvptx;
pub mod shared;
mod target;

pub use shared::{NvptxModule, PlironArtifact, PlironCompiler, PlironOptions};
pub use target::LlvmTarget;
