//! `expected.safetensors` of `oracle.py`.

use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use safetensors::{Dtype, SafeTensors};

use crate::parity::find;

/// The file, read.
pub(super) struct Stored {
    bytes: Vec<u8>,
}

impl Stored {
    pub(super) fn open(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { bytes }
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).expect("safetensors")
    }

    /// The model's name, `vit_b` and so on.
    pub(super) fn model(&self) -> String {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).expect("safetensors");
        let metadata = header.metadata().as_ref().expect("metadata");
        metadata["model"].clone()
    }

    /// `IMAGE@SIZE` of every image.
    pub(super) fn views(&self) -> BTreeSet<String> {
        let file = self.file();
        let views = file.names().into_iter();
        let views = views.filter_map(|name| Some(name.strip_suffix(".embedding")?.to_owned()));
        let views: BTreeSet<String> = views.collect();
        assert!(views.len() >= 5, "{views:?}");
        views
    }

    /// A tensor of bytes.
    pub(super) fn bytes(&self, key: &str) -> (Vec<usize>, &[u8]) {
        let view = self.file().tensor(key).expect("stored");
        assert_eq!(view.dtype(), Dtype::U8, "{key}");
        (view.shape().to_vec(), view.data())
    }

    /// A tensor as f32 on the default device, `None` when the file has no such key.
    pub(super) fn find<const D: usize>(&self, key: &str) -> Option<Tensor<D>> {
        find(&self.file(), key, &Device::default())
    }

    pub(super) fn get<const D: usize>(&self, key: &str) -> Tensor<D> {
        self.find(key)
            .unwrap_or_else(|| panic!("the oracle did not store {key}"))
    }
}
