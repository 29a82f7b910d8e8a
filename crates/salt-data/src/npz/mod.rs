//! numpy's npz files as MedSegBench distributes them: `train_images` [N, H, W] or [N, H, W, 3] and
//! `train_label` [N, H, W], the same for `val` and `test`.
//!
//! The archive's table of contents is read with the crate `zip`; the arrays are read here, so that
//! pictures and labels are streamed side by side and nothing in a header is believed before it has
//! been compared with what is there. Pickled objects are never loaded.

mod error;
mod header;
mod items;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

pub use error::NpzError;
pub use items::NpzItems;

use crate::decode_image::MAX_PIXELS;
use crate::pixels::{ImageRgb, LabelMap};
use zip::CompressionMethod;

/// Most arrays of a file; MedSegBench has six.
const MAX_ARRAYS: usize = 1024;

/// An npz file whose table of contents has been read.
#[derive(Debug)]
pub struct NpzFile {
    path: PathBuf,
    arrays: BTreeMap<String, NpzEntry>,
}

/// Where an array lies in the archive.
#[derive(Debug)]
struct NpzEntry {
    start: u64,
    stored_bytes: u64,
    bytes: u64,
    crc32: u32,
    deflated: bool,
    /// How it is stored if not in a way that is read.
    foreign: Option<String>,
}

impl NpzFile {
    /// Reads the table of contents.
    ///
    /// # Errors
    /// [`NpzError::Io`], [`NpzError::NotZip`] or [`NpzError::TooManyArrays`].
    pub fn open(path: &Path) -> Result<Self, NpzError> {
        let file = File::open(path).map_err(|source| NpzError::Io {
            path: path.to_owned(),
            source,
        })?;
        let not_zip = |problem: String| NpzError::NotZip {
            path: path.to_owned(),
            problem,
        };
        let mut archive = zip::ZipArchive::new(BufReader::new(file))
            .map_err(|error| not_zip(error.to_string()))?;
        if archive.len() > MAX_ARRAYS {
            return Err(NpzError::TooManyArrays {
                path: path.to_owned(),
                received: archive.len(),
                limit: MAX_ARRAYS,
            });
        }
        let mut arrays = BTreeMap::new();
        for index in 0..archive.len() {
            let entry = archive
                .by_index_raw(index)
                .map_err(|error| not_zip(error.to_string()))?;
            let foreign = match entry.compression() {
                _ if entry.encrypted() => Some("encrypted".to_owned()),
                CompressionMethod::Stored | CompressionMethod::Deflated => None,
                other => Some(other.to_string()),
            };
            let start = entry.data_start();
            let found = NpzEntry {
                start: start.ok_or_else(|| not_zip("an entry without data".to_owned()))?,
                stored_bytes: entry.compressed_size(),
                bytes: entry.size(),
                crc32: entry.crc32(),
                deflated: entry.compression() == CompressionMethod::Deflated,
                foreign,
            };
            let name = entry.name().map_err(|error| not_zip(error.to_string()))?;
            let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
            if arrays.insert(name.clone(), found).is_some() {
                return Err(not_zip(format!("two arrays `{name}`")));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            arrays,
        })
    }

    /// The arrays' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// The items of an array along its first axis, one at a time.
    ///
    /// # Errors
    /// [`NpzError`]: everything about the header; what is wrong with the data comes when it is read.
    pub fn items(&self, name: &str) -> Result<NpzItems, NpzError> {
        let entry = self
            .arrays
            .get(name)
            .ok_or_else(|| NpzError::MissingArray {
                path: self.path.clone(),
                name: name.to_owned(),
                received: self.names().map(str::to_owned).collect(),
            })?;
        if let Some(received) = entry.foreign.clone() {
            return Err(NpzError::Storage {
                path: self.path.clone(),
                name: name.to_owned(),
                received,
            });
        }
        NpzItems::open(&self.path, name, entry)
    }

    /// Pictures and labels of a split of MedSegBench: `train`, `val` or `test`.
    ///
    /// # Errors
    /// [`NpzError`]; [`NpzError::Pairs`] if counts or sizes differ.
    pub fn pairs(&self, split: &str) -> Result<NpzPairs, NpzError> {
        let names = [format!("{split}_images"), format!("{split}_label")];
        let [images, labels] = [self.items(&names[0])?, self.items(&names[1])?];
        let (channels, picture) = match images.shape() {
            [n, h, w] | [n, h, w, 1] => (1, [*n, *h, *w]),
            [n, h, w, 3] => (3, [*n, *h, *w]),
            other => return Err(self.shape(&names[0], "[N, H, W] or [N, H, W, 3]", other)),
        };
        let label = match labels.shape() {
            [n, h, w] | [n, h, w, 1] => [*n, *h, *w],
            other => return Err(self.shape(&names[1], "[N, H, W]", other)),
        };
        if picture != label {
            return Err(NpzError::Pairs {
                path: self.path.clone(),
                split: split.to_owned(),
                images: images.shape().to_vec(),
                labels: labels.shape().to_vec(),
            });
        }
        // The reader allows for three channels; here they are known.
        if picture[1].saturating_mul(picture[2]) > MAX_PIXELS {
            return Err(NpzError::TooLarge {
                path: self.path.clone(),
                name: names[0].clone(),
                received: images.shape().to_vec(),
                limit: MAX_PIXELS,
            });
        }
        let [width, height] = [picture[2] as usize, picture[1] as usize];
        Ok(NpzPairs {
            images,
            labels,
            channels,
            width,
            height,
        })
    }

    fn shape(&self, name: &str, expected: &'static str, received: &[u64]) -> NpzError {
        NpzError::Shape {
            path: self.path.clone(),
            name: name.to_owned(),
            expected,
            received: received.to_vec(),
        }
    }
}

/// Pictures with their labels, streamed.
#[derive(Debug)]
pub struct NpzPairs {
    images: NpzItems,
    labels: NpzItems,
    channels: usize,
    width: usize,
    height: usize,
}

impl NpzPairs {
    /// Number of pairs that the header announces.
    pub fn announced(&self) -> u64 {
        self.images.shape().first().copied().unwrap_or_default()
    }
}

impl Iterator for NpzPairs {
    type Item = Result<(ImageRgb, LabelMap), NpzError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Both are asked, so that both checksums are compared at the end.
        let (image, labels) = match (self.images.next(), self.labels.next()) {
            (Some(Ok(image)), Some(Ok(labels))) => (image, labels),
            (Some(Err(error)), _) | (_, Some(Err(error))) => return Some(Err(error)),
            _ => return None,
        };
        let data = match self.channels {
            1 => image.into_iter().flat_map(|grey| [grey; 3]).collect(),
            _ => image,
        };
        let (width, height) = (self.width, self.height);
        Some(Ok((
            ImageRgb {
                width,
                height,
                data,
            },
            LabelMap {
                width,
                height,
                classes: labels,
            },
        )))
    }
}
