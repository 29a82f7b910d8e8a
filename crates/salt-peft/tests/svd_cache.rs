//! Attaching through a cache of decompositions.

use std::sync::Arc;

use burn::tensor::Device;
use salt_peft::svd::SvdCache;
use salt_peft::{attach, load_adapter, plan, save_adapter};

use crate::nets::{ConvNet, Mlp, Net, bits, config, parameters};

fn check<N: Net>() {
    let device = Device::default().autodiff();
    let dir = tempfile::tempdir().expect("tmp");
    for (method, rank) in [
        ("salt", None),
        ("pissa", None),
        ("ssam", None),
        ("lora", Some(0.5)),
    ] {
        let mut config = config::<N>(method.parse().expect("registered"));
        if let Some(share) = rank {
            config.rank = Some(salt_peft::Rank::Energy(share));
        }
        let fresh = attach(N::new(1, &device), &config).expect("sound").0;
        let open = || Arc::new(SvdCache::open(dir.path().join(method)).expect("opens"));
        for (expected, round) in [([0, N::N_TARGETS], 0), ([N::N_TARGETS, 0], 1)] {
            let cache = open();
            let attach = || attach(N::new(1, &device), &config);
            let (model, _) = cache.scope(attach).expect("sound");
            let report = cache.report();
            assert_eq!([report.hits, report.misses], expected, "{method} {round}");
            let mut found = parameters(&model);
            for (path, seen) in parameters(&fresh) {
                assert_eq!(
                    found.remove(&path).expect("there").bits,
                    seen.bits,
                    "{path}"
                );
            }
            assert_eq!(bits(model.outputs()), bits(fresh.outputs()), "{method}");
        }
        // Loading reads it too, and planning where it needs values.
        let saved = tempfile::tempdir().expect("tmp");
        save_adapter(&fresh, &config, saved.path()).expect("saves");
        let cache = open();
        cache
            .scope(|| load_adapter(N::new(1, &device), saved.path()))
            .expect("loads");
        assert_eq!(cache.report().misses, 0, "{method}");
        let cache = open();
        cache
            .scope(|| plan(&N::new(1, &device), &config))
            .expect("sound");
        let expected = if rank.is_some() { N::N_TARGETS } else { 0 };
        assert_eq!(cache.report().hits, expected, "{method}");
    }
}

#[test]
fn cached_and_fresh_bases_are_the_same() {
    check::<Mlp>();
    check::<ConvNet>();
}
