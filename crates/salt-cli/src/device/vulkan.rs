//! A GPU through Vulkan, and through nothing else.

use burn::tensor::{Device, DeviceKind};

/// `CUBECL_WGPU_DEFAULT_DEVICE` chooses among several.
pub(super) fn open(_index: usize) -> Option<Device> {
    Some(Device::vulkan(DeviceKind::DefaultDevice))
}
