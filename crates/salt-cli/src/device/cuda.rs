//! An NVIDIA GPU. Driver and NVRTC are looked for when it is first used.

use burn::tensor::Device;

pub(super) fn open(index: usize) -> Option<Device> {
    Some(Device::cuda(index))
}
