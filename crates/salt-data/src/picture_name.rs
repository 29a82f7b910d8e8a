//! Names of picture files: their stems, and the file of a stem whatever its extension.

use std::path::{Path, PathBuf};

/// Extensions of pictures, in any case; where several files exist, the first of the list counts.
const EXTENSIONS: [&str; 15] = [
    "png", "jpg", "jpeg", "tif", "tiff", "gif", "bmp", "pgm", "ppm", "pbm", "pgm.gz", "ppm.gz",
    "pbm.gz", "dcm", "dicom",
];

/// The name of a file without its extension; `.ppm.gz` and its like are one extension.
pub(crate) fn stem_of(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    let whole = name.unwrap_or_default();
    let compressed = EXTENSIONS.iter().filter(|e| e.ends_with(".gz"));
    let cut = compressed
        .filter_map(|extension| split_extension(whole, extension))
        .next();
    let plain = path.file_stem().and_then(|stem| stem.to_str());
    cut.or(plain).unwrap_or_default()
}

/// The part of a name before `.<extension>`, in any case, unless nothing is before it.
fn split_extension<'a>(name: &'a str, extension: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(extension.len() + 1)?;
    let (stem, rest) = (name.get(..at)?, name.get(at..)?);
    let ends = rest.strip_prefix('.')?.eq_ignore_ascii_case(extension);
    (ends && !stem.is_empty()).then_some(stem)
}

/// Whether a file is called as pictures are.
pub fn is_picture_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default();
    EXTENSIONS
        .iter()
        .any(|extension| split_extension(name, extension).is_some())
}

/// The first of `<folder>/<stem>.<extension>` that exists, or the first one tried.
pub(crate) fn find(folder: &Path, stems: &[&str]) -> PathBuf {
    let tried = stems.iter().flat_map(|stem| {
        EXTENSIONS
            .iter()
            .flat_map(|extension| [(*extension).to_owned(), extension.to_uppercase()])
            .map(move |extension| folder.join(format!("{stem}.{extension}")))
    });
    let mut first = None;
    for path in tried {
        if path.is_file() {
            return path;
        }
        first.get_or_insert(path);
    }
    stems
        .iter()
        .find_map(|stem| find_in_any_case(folder, stem))
        .or(first)
        .unwrap_or_else(|| folder.to_owned())
}

/// An extension such as `Tif`. The whole folder is listed for it, so it comes last.
fn find_in_any_case(folder: &Path, stem: &str) -> Option<PathBuf> {
    let rank = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        let is = |extension: &&str| split_extension(name, extension) == Some(stem);
        EXTENSIONS.iter().position(is)
    };
    let files = std::fs::read_dir(folder).ok()?.flatten();
    let named = files
        .map(|entry| entry.path())
        .filter(|path| rank(path).is_some() && path.is_file());
    // Names break ties: the order of a listing is not the same everywhere.
    named.min_by_key(|path| (rank(path), path.clone()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{find, stem_of};

    #[test]
    fn stems_lose_compressed_extensions_whole() {
        let check = |name: &str, stem: &str| assert_eq!(stem_of(Path::new(name)), stem);
        check("images/im0001.ppm.gz", "im0001");
        check("im0001.PPM.GZ", "im0001");
        check("eye.000.png", "eye.000");
        check("volume.nii.gz", "volume.nii");
        check("eye", "eye");
        check(".ppm.gz", ".ppm");
    }

    #[test]
    fn any_extension_in_any_case_is_found_and_png_comes_first() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let make = |name: &str| std::fs::write(dir.path().join(name), "").expect("written");
        let check = |stems: &[&str], name: &str| {
            assert_eq!(find(dir.path(), stems), dir.path().join(name));
        };
        check(&["a_mask", "a"], "a_mask.png");
        make("a.Tif");
        check(&["a_mask", "a"], "a.Tif");
        make("a.PPM.gz");
        check(&["a"], "a.Tif");
        make("a.GIF");
        check(&["a"], "a.GIF");
        make("a.png");
        check(&["a"], "a.png");
        make("a_mask.bmp");
        check(&["a_mask", "a"], "a_mask.bmp");
    }
}
