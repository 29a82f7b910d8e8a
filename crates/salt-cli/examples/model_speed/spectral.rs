//! Decompositions, computed and read.

use std::sync::Arc;

use burn::module::Module as _;
use salt_peft::svd::SvdCache;

use crate::timing::{Medians, Timing};
use crate::{Args, Outcome, setup};

/// [`attach`] when an earlier start has left its decompositions in a cache.
pub(crate) fn cached(args: &Args, timing: &Timing) -> Outcome<Medians> {
    let folder = std::env::temp_dir().join(format!("salt-model-speed-{}", std::process::id()));
    let cache = Arc::new(SvdCache::open(folder.clone())?);
    let outcome = cache.scope(|| {
        let first = Timing {
            warmup: 0,
            repeats: 1,
            device: timing.device.clone(),
        };
        attach(args, &first)?;
        attach(args, timing)
    });
    std::fs::remove_dir_all(folder)?;
    outcome
}

/// Attaching the adapter: what a first start computes.
pub(crate) fn attach(args: &Args, timing: &Timing) -> Outcome<Medians> {
    let model = setup::model(args, &timing.device.clone().autodiff())?.train();
    let config = setup::adapter(args)?;
    timing.laps(|laps| {
        let adapted = salt_peft::attach(model.clone(), &config)?;
        laps.end("attach")?;
        drop(adapted);
        Ok(())
    })
}
