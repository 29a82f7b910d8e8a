//! One decomposition as a safetensors file, and what it is filed under.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use super::{ThinSvd, WeightMatrix};
use crate::fingerprint::hex;

/// Changes with the content of the files or with anything that moves a bit of what is computed (another
/// release of faer), so that files of another kind are never met under the same name.
const FORMAT: &str = "salt-svd/1";
/// Room for the header beyond the tensors: it is some 400 bytes.
const HEADER_LIMIT: u64 = 4096;

/// What decides a decomposition: the format, the shape, the number of triplets and the values of the
/// weight (rows of `[out, in]`, little-endian f32), as one sha256.
pub(super) struct Key {
    /// 64 hex digits.
    pub(super) name: String,
    rows: usize,
    cols: usize,
    n: usize,
}

impl Key {
    pub(super) fn new(matrix: &WeightMatrix<'_>, n: usize) -> Self {
        let (rows, cols) = (matrix.rows(), matrix.cols());
        let mut hash = Sha256::new();
        hash.update(FORMAT);
        for number in [rows, cols, n] {
            hash.update((number as u64).to_le_bytes());
        }
        matrix.hash_into(&mut hash);
        let name = hex(&hash.finalize());
        Self {
            name,
            rows,
            cols,
            n,
        }
    }

    /// Names, types and shapes of the tensors of its file.
    fn layout(&self) -> [(&'static str, Dtype, Vec<usize>); 4] {
        let Self { rows, cols, n, .. } = self;
        [
            ("ut", Dtype::F32, vec![*n, *rows]),
            ("s", Dtype::F32, vec![*n]),
            ("vt", Dtype::F32, vec![*n, *cols]),
            ("probe", Dtype::F64, vec![4]),
        ]
    }

    fn payload_bytes(&self) -> u64 {
        4 * (self.n * (self.rows + self.cols + 1)) as u64 + 32
    }

    /// The checksum of the tensors filed under this key. The key takes part, so that a file under another's
    /// name is found out.
    fn checksum(&self, tensors: [&[u8]; 4]) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.name);
        tensors.into_iter().for_each(|bytes| hash.update(bytes));
        hex(&hash.finalize())
    }
}

/// The bytes of a file; `Err` says why there are none.
pub(super) fn write(key: &Key, svd: &ThinSvd) -> Result<Vec<u8>, String> {
    let bytes = [
        le_bytes(&svd.ut),
        le_bytes(&svd.s),
        le_bytes(&svd.vt),
        svd.probe.map(f64::to_le_bytes).as_flattened().to_vec(),
    ];
    let checksum = key.checksum([&bytes[0], &bytes[1], &bytes[2], &bytes[3]]);
    let mut views = Vec::with_capacity(4);
    for ((name, dtype, dims), bytes) in key.layout().into_iter().zip(&bytes) {
        let view = TensorView::new(dtype, dims, bytes).map_err(|error| error.to_string())?;
        views.push((name, view));
    }
    // One entry: the order of several would not be stable, and with it the bytes.
    let header = HashMap::from([(FORMAT.to_string(), checksum)]);
    safetensors::serialize(views, Some(header)).map_err(|error| error.to_string())
}

/// What a file holds: `Ok(None)` if there is no file, `Err` says why it is not what the key asks for.
pub(super) fn read(path: &Path, key: &Key) -> Result<Option<ThinSvd>, String> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    // Before anything is read or allocated: sizes in the file are not believed.
    let expected = key.payload_bytes();
    if !found.is_file() || found.len() < expected || found.len() > expected + HEADER_LIMIT {
        return Err(format!(
            "expected a file of {expected} bytes and a header, received {}",
            found.len()
        ));
    }
    let mut bytes = Vec::with_capacity(found.len() as usize);
    fs::File::open(path)
        .and_then(|file| file.take(expected + HEADER_LIMIT).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    parse(&bytes, key).map(Some)
}

fn parse(bytes: &[u8], key: &Key) -> Result<ThinSvd, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut tensors = [[].as_slice(); 4];
    for (place, (name, dtype, dims)) in tensors.iter_mut().zip(key.layout()) {
        let view = file.tensor(name).map_err(|error| error.to_string())?;
        if view.dtype() != dtype || view.shape() != dims {
            return Err(format!(
                "expected `{name}` as {dtype:?} {dims:?}, received {:?} {:?}",
                view.dtype(),
                view.shape()
            ));
        }
        *place = view.data();
    }
    let header = metadata.metadata().as_ref();
    let Some(checksum) = header.and_then(|header| header.get(FORMAT)) else {
        return Err(format!("expected format {FORMAT}, received {header:?}"));
    };
    if *checksum != key.checksum(tensors) {
        return Err("its checksum does not match its content".into());
    }
    let [ut, s, vt, probe] = tensors;
    let mut numbers = [0.0; 4];
    for (number, bytes) in numbers.iter_mut().zip(probe.as_chunks::<8>().0) {
        *number = f64::from_le_bytes(*bytes);
    }
    Ok(ThinSvd {
        rows: key.rows,
        cols: key.cols,
        ut: floats(ut),
        s: floats(s),
        vt: floats(vt),
        probe: numbers,
    })
}

fn le_bytes(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; 4 * values.len()];
    for (place, value) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *place = value.to_le_bytes();
    }
    bytes
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let values = bytes.as_chunks::<4>().0.iter();
    values.map(|value| f32::from_le_bytes(*value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svd::{Need, decompose};

    #[test]
    fn every_part_of_the_key_counts() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut changed = values;
        changed[5] = 6.000001;
        let name = |rows, values: &[f32], n| {
            Key::new(&WeightMatrix::row_major(rows, 6 / rows, values), n).name
        };
        let first = name(2, &values, 2);
        assert_eq!(first.len(), 64);
        assert_eq!(first, name(2, &values, 2));
        for other in [
            name(3, &values, 2),
            name(2, &values, 1),
            name(2, &changed, 2),
        ] {
            assert_ne!(first, other);
        }
        // Stored transposed, the same matrix.
        let stored = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0];
        let matrix = WeightMatrix::column_major(2, 3, &stored);
        assert_eq!(Key::new(&matrix, 2).name, first);
    }

    #[test]
    fn no_damage_goes_unnoticed_and_none_panics() {
        let values = [3.0, 0.0, 4.0, 5.0, 1.0, -2.0];
        let matrix = WeightMatrix::row_major(2, 3, &values);
        let key = Key::new(&matrix, 2);
        let svd = decompose(matrix, Need::Full, None).expect("converges");
        let bytes = write(&key, &svd).expect("fits the format");
        assert_eq!(parse(&bytes, &key).as_ref(), Ok(&svd));
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length], &key).is_err(), "cut to {length}");
        }
        for index in 0..bytes.len() {
            for flip in [1_u8, 0x80] {
                let mut damaged = bytes.clone();
                damaged[index] ^= flip;
                // Spaces in the header may turn into other white space, which means the same.
                if let Ok(read) = parse(&damaged, &key) {
                    assert_eq!(read, svd, "byte {index}");
                }
            }
        }
        let tail = bytes.len() - key.payload_bytes() as usize..bytes.len();
        for index in tail {
            let mut damaged = bytes.clone();
            damaged[index] ^= 0x10;
            assert!(
                parse(&damaged, &key).is_err(),
                "byte {index} of the content"
            );
        }
    }

    #[test]
    fn a_file_under_the_name_of_another_weight_is_refused() {
        let (one, two) = ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0]);
        let matrix = WeightMatrix::row_major(2, 2, &one);
        let svd = decompose(matrix, Need::Full, None).expect("converges");
        let bytes = write(&Key::new(&matrix, 2), &svd).expect("fits the format");
        let other = Key::new(&WeightMatrix::row_major(2, 2, &two), 2);
        assert_eq!(
            parse(&bytes, &other),
            Err("its checksum does not match its content".into())
        );
    }
}
