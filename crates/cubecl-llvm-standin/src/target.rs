//! The targets the original compiles for.

/// What the compiler would emit code for. Only the target that `cubecl-cuda` asks for is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LlvmTarget {
    /// NVIDIA's virtual instruction set, as text.
    #[default]
    Nvptx,
}
