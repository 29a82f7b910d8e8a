//! Burn's older CPU backend, which Burn 0.23 drops: then this file and its feature go.

use burn::tensor::Device;

#[expect(
    deprecated,
    reason = "a second CPU backend to compare with, as long as Burn ships it"
)]
pub(super) fn open(_index: usize) -> Option<Device> {
    Some(Device::ndarray())
}
