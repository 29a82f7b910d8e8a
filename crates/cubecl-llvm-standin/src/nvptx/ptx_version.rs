//! The PTX version that a driver loads.

use core::fmt;

/// A PTX version. No driver is ever given one here, since no PTX is ever emitted: the type cannot
/// be constructed, and `cubecl-cuda` carries `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PtxVersion {}

impl PtxVersion {
    /// Always `None`: the CUDA C++ path, the only one here, leaves the version to NVRTC.
    pub fn for_driver(_driver: i32) -> Option<Self> {
        None
    }
}

impl fmt::Display for PtxVersion {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::PtxVersion;

    #[test]
    fn no_driver_is_given_a_version() {
        for driver in [0, 10_000, 12_080, 13_030] {
            assert_eq!(PtxVersion::for_driver(driver), None);
        }
    }
}
