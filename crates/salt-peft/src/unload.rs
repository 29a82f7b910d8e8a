//! Taking an adapter off again.

use std::cell::Cell;

use burn::module::Module;

thread_local! {
    /// Whether adapters on this thread show the weight they sit on instead of their own.
    static TRANSPARENT: Cell<bool> = const { Cell::new(false) };
}

/// Whether adapters are to show the base weight, as while they are taken off.
pub(crate) fn is_transparent() -> bool {
    TRANSPARENT.get()
}

/// Removes the factors and leaves every adapted weight as it was before [`attach`](fn@crate::attach),
/// bit for bit and in its own element type. Adapters never change the weight they sit on, so nothing is
/// computed; to have both, merge or unload a clone, which shares its tensors with the model.
///
/// Parameters trained whole (`modules_to_save`, norms, full) have no other value than the one they were
/// trained to, and keep it. What was frozen stays frozen.
pub fn unload<M: Module>(model: M) -> M {
    /// Ends it even when a backend panics.
    struct Restore;

    impl Drop for Restore {
        fn drop(&mut self) {
            TRANSPARENT.set(false);
        }
    }

    TRANSPARENT.set(true);
    let _restore = Restore;
    model.materialize()
}
