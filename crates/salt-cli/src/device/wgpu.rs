//! Any GPU, through whichever graphics interface the machine offers.

use burn::tensor::{Device, DeviceKind};

/// `CUBECL_WGPU_DEFAULT_DEVICE` chooses among several.
pub(super) fn open(_index: usize) -> Option<Device> {
    Some(Device::wgpu(DeviceKind::DefaultDevice))
}
