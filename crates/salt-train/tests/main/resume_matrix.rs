//! Every method x {AdamW, SGD} x {1, 4 batches a step} x {middle, end, begin of an epoch} x {1, 2 workers}: stopped and
//! resumed, a run writes the bytes of one that was not.

use crate::resume::{resume, stop};
use crate::support::{on_cpu, on_flex, recipe, stable_files, train};

/// What does not name the number of workers.
const FILES: [&str; 4] = [
    "metrics.csv",
    "cases.csv",
    "curves.svg",
    "adapter/adapter_model.safetensors",
];

fn check(method: &str) {
    if !on_cpu() {
        return;
    }
    let both = on_flex("a second worker, which computes nothing");
    let tmp = tempfile::tempdir().unwrap();
    for rule in [
        &["train.optimizer.rule=adamw"][..],
        &["train.optimizer.rule=sgd", "train.optimizer.nesterov=true"],
    ] {
        // Two steps an epoch: 3 + 3 samples, or 4 + 2 in batches of one.
        for batches in [
            &["train.accumulate=1"][..],
            &["train.accumulate=4", "train.batch_size=1"],
        ] {
            let settings = [rule, batches].concat();
            let name = settings.join(" ");
            let straight = tmp.path().join(format!("{name} straight"));
            train(&recipe(method, &settings).unwrap(), &straight).unwrap();
            let expected = stable_files(&straight);
            // The loader knows no backend: on one device is enough.
            let workers = ["train.workers=1", "train.workers=2"];
            let workers = &workers[..if both { 2 } else { 1 }];
            for workers in workers.iter().copied() {
                for (step, epochs) in [(1, 0), (2, 0), (3, 1)] {
                    let settings = [&settings[..], &[workers]].concat();
                    let what = format!("{method} {name} {workers} stopped after step {step}");
                    let out = tmp.path().join(&what);
                    assert_eq!(
                        stop(method, &settings, step, &out),
                        (epochs, step),
                        "{what}"
                    );
                    resume(&out).unwrap();
                    let found = stable_files(&out);
                    for file in FILES {
                        assert!(found[file] == expected[file], "{what}: {file} differs");
                    }
                }
            }
        }
    }
}

macro_rules! methods {
    ($($method:ident)*) => {$(
        #[test]
        fn $method() {
            check(stringify!($method));
        }
    )*};
}

methods!(salt ssam lora rslora olora loraxs dora pissa svft norms bias decoder full scratch);
