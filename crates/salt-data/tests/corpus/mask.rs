//! The fuzz target `mask`: any bytes as a mask file, under every kind of policy.

use std::path::Path;

use salt_data::{MaskPolicy, decode_labels, decode_raster};

/// Decodes `data`; returns whether any policy made labels of it. Panics when labels and picture do not agree, or a
/// policy gives a class that it does not have.
pub(crate) fn run(data: &[u8]) -> bool {
    let path = Path::new("mask");
    let policies = [
        (MaskPolicy::Auto, u8::MAX),
        (MaskPolicy::Nonzero { ignore: Some(7) }, 1),
        (
            MaskPolicy::Threshold {
                at: 128,
                ignore: None,
            },
            1,
        ),
        (
            MaskPolicy::Ids {
                n_classes: Some(3),
                ignore: None,
            },
            3,
        ),
    ];
    let raster = decode_raster(data, path);
    let mut any = false;
    for (policy, most) in policies {
        let Ok(labels) = decode_labels(data, path, &policy) else {
            continue;
        };
        let raster = raster.as_ref().expect("labels of what was decoded");
        assert_eq!([labels.width, labels.height], [raster.width, raster.height]);
        assert_eq!(labels.classes.len(), labels.width * labels.height);
        let declared = |&class: &u8| class <= most || class == salt_data::IGNORE_LABEL;
        assert!(labels.classes.iter().all(declared), "{policy:?}");
        any = true;
    }
    if let Err(error) = raster {
        let message = error.to_string();
        assert!(
            message.starts_with("expected ") && message.contains("; "),
            "{message}"
        );
    }
    any
}
