//! A compiler that refuses every kernel and says what to do about it.

use core::convert::Infallible;
use core::ffi::c_char;
use core::fmt;

use cubecl_core::environment::backtrace::BackTrace;
use cubecl_core::ir::attributes::BufferIOAttr;
use cubecl_core::ir::nvidia::SmArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_core::{CompilationError, Compiler};

use crate::LlvmTarget;
use crate::nvptx::ptx_version::PtxVersion;

/// What every call to [`PlironCompiler::compile`] answers.
const REFUSAL: &str = "this build holds a stand-in for cubecl-llvm and cannot compile through LLVM. \
     Build with the feature `cubecl-cuda/cpp` (salt-cli's feature `cuda` turns it on), or take \
     cubecl-llvm out of [patch.crates-io] to have the real one downloaded";

/// The compiler that `cubecl-cuda` holds when built without its feature `cpp`.
#[derive(Clone, Debug, Default)]
pub struct PlironCompiler {
    /// What it would emit code for.
    pub target: LlvmTarget,
}

/// The options that `cubecl-cuda` fills in before it asks for a kernel.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// An AMD architecture, of which there is none without the AMD target.
    pub arch: Option<Infallible>,
    /// The NVIDIA architecture, as the runtime read it from the device.
    pub sm_arch: Option<SmArch>,
    /// The PTX version to emit.
    pub ptx_version: Option<PtxVersion>,
    /// Whether launch parameters are passed in the kernel parameter block.
    pub grid_constants: bool,
}

/// A compiled PTX module. None is ever made: `never` has no value.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// NUL-terminated PTX assembly.
    pub ptx: Vec<c_char>,
    /// The intermediate representation, for logs.
    pub ir: String,
    /// Shared memory a launch reserves, in bytes.
    pub shared_memory_size: usize,
    /// How the kernel uses each buffer, in binding order.
    pub io: Vec<BufferIOAttr>,
    never: Infallible,
}

/// What a successful compilation would yield.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PlironArtifact {
    /// A module for NVIDIA's driver.
    NvptxCode(NvptxModule),
}

impl fmt::Display for PlironArtifact {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NvptxCode(module) => match module.never {},
        }
    }
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &PlironOptions,
    ) -> Result<PlironArtifact, CompilationError> {
        Err(refusal())
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}

fn refusal() -> CompilationError {
    CompilationError::Generic {
        reason: REFUSAL.to_owned(),
        backtrace: BackTrace::capture(),
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn the_refusal_names_both_ways_out() {
        let message = refusal().to_string();
        for way_out in ["cubecl-cuda/cpp", "[patch.crates-io]"] {
            assert!(message.contains(way_out), "{message}");
        }
    }
}
