//! Whether kernels may run.

use std::sync::atomic::{AtomicBool, Ordering};

static ENABLED: AtomicBool = AtomicBool::new(true);

/// Allow or forbid kernels in the whole process; they are allowed at the start.
pub fn set_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

/// Whether kernels are allowed.
pub fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}
