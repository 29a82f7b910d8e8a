//! Where singular value decompositions are kept between runs: seconds of work for every start over a
//! large base, and a second to read.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use salt_peft::svd::SvdCache;

use crate::screen;

/// A folder, or `off`.
const VARIABLE: &str = "SALT_SVD_CACHE";

/// The oldest files go when the cache is larger than this; the bases of ViT-H in f32 take 3 GB.
const MOST_BYTES: u64 = 4 << 30;

/// Does the work of a command with the cache, where there is one.
pub(crate) fn around<T>(work: impl FnOnce() -> T) -> T {
    let Some(dir) = folder() else {
        return work();
    };
    let cache = match SvdCache::open(dir) {
        Ok(cache) => Arc::new(cache),
        Err(error) => {
            screen::note(format_args!(
                "decompositions are not kept: {error}; {VARIABLE} names another folder, or `off`"
            ));
            return work();
        }
    };
    let done = cache.scope(work);
    let report = cache.report();
    if let Some(problem) = &report.first_problem {
        screen::note(format_args!("the cache of decompositions: {problem}"));
    }
    if report.misses > 0
        && let Err(error) = cache.shrink_to(MOST_BYTES)
    {
        screen::note(format_args!("the cache of decompositions: {error}"));
    }
    done
}

/// The folder that the variable names, else the user's own for caches.
fn folder() -> Option<PathBuf> {
    match env::var_os(VARIABLE) {
        Some(off) if off == "off" => None,
        Some(folder) if !folder.is_empty() => Some(folder.into()),
        _ => {
            let absolute = |name: &str| {
                let path = PathBuf::from(env::var_os(name)?);
                path.is_absolute().then_some(path)
            };
            let caches = absolute("XDG_CACHE_HOME")
                .or_else(|| absolute("LOCALAPPDATA"))
                .or_else(|| Some(absolute("HOME")?.join(".cache")))?;
            Some(caches.join("salt/svd"))
        }
    }
}
