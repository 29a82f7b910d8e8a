//! Writes a generated data set to a folder, in the layout that [`crate::Dataset::open`] reads.

use std::path::Path;

use rayon::prelude::*;

use super::vessels;
use crate::dataset::Split;
use crate::encode::{write_image, write_mask};
use crate::error::DataError;

/// Name of the file that says how a folder was generated.
const RECORD: &str = "synth.json";

/// What a generated folder holds; equal records mean equal files.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Record {
    generator: String,
    /// [`vessels::VERSION`].
    version: u32,
    count: usize,
    size: usize,
    seed: u64,
}

/// Draws `count` vessel images of `size` x `size` pixels into `dir`: `images/vessel_000.png`,
/// `masks/vessel_000_mask.png` ..., `data_split.csv` and `synth.json`.
///
/// About half of the images are for training, 15 % for validation, the rest for the test. A folder
/// that already holds exactly this set is left as it is; one with anything else in it is refused.
/// The table is written last: a folder whose writing was cut short has none, and is completed.
///
/// # Errors
/// [`DataError::Setting`] for fewer than 3 images or sides outside of 32 to 4096,
/// [`DataError::NotEmpty`], [`DataError::Io`].
pub fn write_dataset(dir: &Path, count: usize, size: usize, seed: u64) -> Result<(), DataError> {
    if !(3..=1_000_000).contains(&count) {
        return Err(DataError::Setting {
            name: "count",
            expected: "at least 3, one image per split",
            received: count.to_string(),
        });
    }
    if !(32..=4096).contains(&size) {
        return Err(DataError::Setting {
            name: "size",
            expected: "from 32 to 4096 pixels",
            received: size.to_string(),
        });
    }
    let record = Record {
        generator: "vessels".into(),
        version: vessels::VERSION,
        count,
        size,
        seed,
    };
    let table = dir.join("data_split.csv");
    if holds_other_files(dir, &record)? {
        return Err(DataError::NotEmpty {
            path: dir.to_owned(),
        });
    }
    if table.is_file() {
        return Ok(());
    }
    for folder in ["images", "masks"] {
        let path = dir.join(folder);
        std::fs::create_dir_all(&path).map_err(DataError::io("create", &path))?;
    }
    let text = serde_json::to_string_pretty(&record).map_err(std::io::Error::other);
    let path = dir.join(RECORD);
    text.and_then(|text| std::fs::write(&path, text + "\n"))
        .map_err(DataError::io("write", &path))?;
    let written: Vec<Result<String, DataError>> = (0..count)
        .into_par_iter()
        .map(|index| {
            let case = vessels::draw(size, seed, index as u64);
            write_image(
                &dir.join("images").join(format!("{}.png", case.id)),
                &case.image,
            )?;
            write_mask(
                &dir.join("masks").join(format!("{}_mask.png", case.id)),
                &case.labels,
                1,
            )?;
            Ok(format!("{}.png,{}\n", case.id, split_of(index, count)))
        })
        .collect();
    let lines = written.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    std::fs::write(&table, format!("imgs,split\n{lines}")).map_err(DataError::io("write", &table))
}

/// Training first, then validation, then test; each has at least one.
fn split_of(index: usize, count: usize) -> Split {
    let train = (count / 2).max(1);
    let val = (count * 3 / 20).max(1);
    match index {
        i if i < train => Split::Train,
        i if i < train + val => Split::Val,
        _ => Split::Test,
    }
}

/// Whether `dir` has content that is not this very set.
fn holds_other_files(dir: &Path, record: &Record) -> Result<bool, DataError> {
    if !dir.exists() {
        return Ok(false);
    }
    let mut entries = std::fs::read_dir(dir).map_err(DataError::io("read", dir))?;
    if entries.next().is_none() {
        return Ok(false);
    }
    let found = std::fs::read_to_string(dir.join(RECORD)).ok();
    let found: Option<Record> = found.and_then(|text| serde_json::from_str(&text).ok());
    Ok(found.as_ref() != Some(record))
}

#[cfg(test)]
mod tests {
    use super::{split_of, write_dataset};
    use crate::dataset::{Dataset, Split};
    use crate::error::DataError;

    #[test]
    fn forty_images_are_split_twenty_six_fourteen() {
        let count = |split| (0..40).filter(|&i| split_of(i, 40) == split).count();
        assert_eq!(Split::ALL.map(count), [20, 6, 14]);
        assert_eq!([0, 1, 2].map(|i| split_of(i, 3)), Split::ALL);
    }

    #[test]
    fn a_written_set_opens_and_is_not_overwritten() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("set");
        write_dataset(&path, 4, 48, 7).expect("written");
        let set = Dataset::open(&path).expect("opens");
        assert_eq!((set.cases.len(), set.n_classes), (4, 1));
        let loaded = set.load(&set.cases[1]).expect("loads");
        assert_eq!(loaded, super::vessels::draw(48, 7, 1));
        let hash = set.sha256().expect("readable");
        // The same set again is no work, another one is refused.
        write_dataset(&path, 4, 48, 7).expect("left as it is");
        assert_eq!(set.sha256().expect("readable"), hash);
        assert!(matches!(
            write_dataset(&path, 4, 48, 8),
            Err(DataError::NotEmpty { .. })
        ));
        assert!(matches!(
            write_dataset(&path, 2, 48, 8),
            Err(DataError::Setting { .. })
        ));
    }
}
