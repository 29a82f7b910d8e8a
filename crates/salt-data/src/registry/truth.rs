//! Published masks to labels, each in the way its set needs. What a mask should not hold is an error and is not
//! guessed around.

use std::path::{Path, PathBuf};

use super::error::RegistryError;
use super::found::Make;
use crate::decode_mask::{RawMask, read_mask};
use crate::mask_policy::MaskPolicy;
use crate::pixels::LabelMap;

/// How the values of a mask become one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Two values, of which zero is background: 0 and 1, 0 and 255, palette indices.
    TwoValued,
    /// Grey levels, of which this and more are foreground.
    From(u16),
}

/// The labels of one mask file.
pub(crate) fn binary(path: impl Into<PathBuf>, cut: Cut) -> Make<LabelMap> {
    let path = path.into();
    Box::new(move || read_binary(&path, cut))
}

/// The labels of a mask file whose values are classes, such as one that an importer has put down.
pub(crate) fn stored(path: impl Into<PathBuf>) -> Make<LabelMap> {
    let path = path.into();
    Box::new(move || {
        let mask = read_mask(&path, &MaskPolicy::Auto)?;
        let class = |&value: &u16| {
            u8::try_from(value).map_err(|_| RegistryError::MaskValue {
                path: path.clone(),
                expected: "classes up to 255",
                received: value.to_string(),
            })
        };
        Ok(LabelMap {
            width: mask.width,
            height: mask.height,
            classes: mask.values.iter().map(class).collect::<Result<_, _>>()?,
        })
    })
}

/// The union of several masks of one picture.
pub(crate) fn union(paths: Vec<PathBuf>, cut: Cut) -> Make<LabelMap> {
    Box::new(move || {
        let mut parts = paths.iter();
        let Some(first) = parts.next() else {
            return Ok(LabelMap {
                width: 0,
                height: 0,
                classes: Vec::new(),
            });
        };
        let mut labels = read_binary(first, cut)?;
        for path in parts {
            let part = read_binary(path, cut)?;
            same_size(
                path,
                [labels.width, labels.height],
                [part.width, part.height],
            )?;
            for (label, more) in labels.classes.iter_mut().zip(part.classes) {
                *label |= more;
            }
        }
        Ok(labels)
    })
}

/// Refuses a part of another size.
pub(crate) fn same_size(
    path: &Path,
    expected: [usize; 2],
    received: [usize; 2],
) -> Result<(), RegistryError> {
    if expected == received {
        return Ok(());
    }
    Err(RegistryError::Size {
        path: path.to_owned(),
        expected,
        received,
    })
}

fn read_binary(path: &Path, cut: Cut) -> Result<LabelMap, RegistryError> {
    let mask = read_mask(path, &MaskPolicy::Auto)?;
    let foreground = match cut {
        Cut::From(least) => least,
        Cut::TwoValued => {
            two_valued(path, &mask)?;
            1
        }
    };
    Ok(LabelMap {
        width: mask.width,
        height: mask.height,
        classes: mask
            .values
            .iter()
            .map(|&value| u8::from(value >= foreground))
            .collect(),
    })
}

fn two_valued(path: &Path, mask: &RawMask) -> Result<(), RegistryError> {
    let mut values = mask.histogram().into_keys().filter(|&value| value > 0);
    let (first, second) = (values.next(), values.next());
    let (Some(first), Some(second)) = (first, second) else {
        return Ok(());
    };
    Err(RegistryError::MaskValue {
        path: path.to_owned(),
        expected: "zero and one other value",
        received: format!("zero, {first}, {second} and {} more", values.count()),
    })
}

#[cfg(test)]
mod tests {
    use super::{Cut, RegistryError, binary, union};
    use crate::encode::write_mask;
    use crate::pixels::LabelMap;

    fn file(
        dir: &tempfile::TempDir,
        name: &str,
        width: usize,
        values: &[u8],
    ) -> std::path::PathBuf {
        let path = dir.path().join(name);
        let labels = LabelMap::new(width, values.len() / width, values.to_vec()).expect("valid");
        write_mask(&path, &labels, 2).expect("written");
        path
    }

    #[test]
    fn two_values_and_grey_levels() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let two = file(&dir, "two.png", 2, &[0, 255, 255, 0]);
        let grey = file(&dir, "grey.png", 2, &[0, 127, 128, 255]);
        let of = |path: &std::path::Path, cut| binary(path, cut)().map(|labels| labels.classes);
        assert_eq!(of(&two, Cut::TwoValued).expect("two values"), [0, 1, 1, 0]);
        assert_eq!(of(&grey, Cut::From(128)).expect("grey"), [0, 0, 1, 1]);
        let error = of(&grey, Cut::TwoValued).expect_err("three values");
        assert!(
            matches!(&error, RegistryError::MaskValue { received, .. } if received.contains("127, 128 and 1 more")),
            "{error}"
        );
    }

    #[test]
    fn several_masks_of_one_picture_are_joined_when_they_fit() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let a = file(&dir, "a.png", 2, &[0, 255, 0, 0]);
        let b = file(&dir, "b.png", 2, &[0, 255, 255, 0]);
        let long = file(&dir, "c.png", 4, &[0, 255, 255, 0]);
        let joined = union(vec![a.clone(), b], Cut::TwoValued)().expect("of one size");
        assert_eq!(joined.classes, [0, 1, 1, 0]);
        let error = union(vec![a, long], Cut::TwoValued)().expect_err("another size");
        assert!(matches!(error, RegistryError::Size { .. }), "{error}");
    }
}
