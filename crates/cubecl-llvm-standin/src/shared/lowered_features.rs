//! What a device may advertise when LLVM compiles for it.

use cubecl_core::ir::DeviceProperties;

/// The GPU whose features would be narrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuTarget {
    /// An NVIDIA GPU reached through PTX.
    Nvptx,
}

/// Leaves `props` as they are: there is no lowering to narrow them for, and the first kernel is
/// refused with an explanation whatever the device advertises.
pub fn restrict_features(_props: &mut DeviceProperties, _target: GpuTarget) {}
