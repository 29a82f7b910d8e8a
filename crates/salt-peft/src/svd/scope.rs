//! Which cache the decompositions of a thread go through.

use std::cell::RefCell;
use std::sync::Arc;

use super::SvdCache;

thread_local! {
    static IN_SCOPE: RefCell<Option<Arc<SvdCache>>> = const { RefCell::new(None) };
}

/// Puts back what was in scope before, also when the work panics.
struct Restore(Option<Arc<SvdCache>>);

impl Drop for Restore {
    fn drop(&mut self) {
        IN_SCOPE.set(self.0.take());
    }
}

impl SvdCache {
    /// Does some work whose adapters are attached, planned and loaded through this cache:
    ///
    /// ```no_run
    /// # use burn::module::Module;
    /// # use salt_peft::{AdapterConfig, PeftError, attach, svd::SvdCache};
    /// # fn demo<M: Module>(base: M, config: &AdapterConfig) -> Result<(), PeftError> {
    /// let cache = std::sync::Arc::new(SvdCache::open("bases")?);
    /// let (model, _) = cache.scope(|| attach(base, config))?;
    /// println!("{}", cache.report());
    /// # Ok(()) }
    /// ```
    ///
    /// It holds for the calling thread; scopes nest, the innermost counts.
    pub fn scope<T>(self: &Arc<Self>, work: impl FnOnce() -> T) -> T {
        let _restore = Restore(IN_SCOPE.replace(Some(Arc::clone(self))));
        work()
    }

    /// The cache in scope, if any.
    pub(crate) fn in_scope() -> Option<Arc<Self>> {
        IN_SCOPE.with_borrow(Clone::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_end() {
        let dir = tempfile::tempdir().expect("tmp");
        let open = |name: &str| Arc::new(SvdCache::open(dir.path().join(name)).expect("opens"));
        let (outer, inner) = (open("outer"), open("inner"));
        let is = |cache: &Arc<SvdCache>| {
            SvdCache::in_scope().is_some_and(|now| Arc::ptr_eq(&now, cache))
        };
        assert!(SvdCache::in_scope().is_none());
        outer.scope(|| {
            assert!(is(&outer));
            inner.scope(|| assert!(is(&inner)));
            assert!(is(&outer));
            let panicked = std::panic::catch_unwind(|| inner.scope(|| panic!("on purpose")));
            assert!(panicked.is_err() && is(&outer));
        });
        assert!(SvdCache::in_scope().is_none());
    }
}
