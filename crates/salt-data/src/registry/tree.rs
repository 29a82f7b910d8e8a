//! The files of an unpacked archive, and how an importer finds its own among them.
//!
//! Archives are passed on with and without their outermost folder, so importers name the end of a path
//! (`training/images`) and not the whole of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::RegistryError;
use crate::counted::counted;
use crate::error::DataError;

/// Files that systems leave behind.
const LITTER: [&str; 4] = ["Thumbs.db", "desktop.ini", "__MACOSX", ".DS_Store"];

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its folder inside of the tree, with `/` between the parts; empty at the top.
    pub(crate) folder: String,
    /// Its name.
    pub(crate) name: String,
}

impl TreeFile {
    /// The name without its extension; `.gz` around another one goes with it.
    pub(crate) fn stem(&self) -> &str {
        let name = self.name.strip_suffix(".gz").unwrap_or(&self.name);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// The stem's rest after `prefix` and before `suffix`.
    pub(crate) fn between(&self, prefix: &str, suffix: &str) -> Option<&str> {
        self.stem().strip_prefix(prefix)?.strip_suffix(suffix)
    }
}

/// All files of one or several unpacked archives.
#[derive(Debug)]
pub(crate) struct Tree {
    set: &'static str,
    files: Vec<TreeFile>,
    partial: bool,
    scratch: PathBuf,
}

impl Tree {
    /// Lists the files below `roots`, in the order of their names (numbers by value). Links are followed where
    /// the user's own folder has some. With `partial`, pictures without a mask are left out. What an importer has
    /// to put down goes to `scratch`.
    pub(crate) fn read(
        set: &'static str,
        roots: &[PathBuf],
        partial: bool,
        scratch: &Path,
    ) -> Result<Self, RegistryError> {
        let mut files = Vec::new();
        for root in roots {
            for entry in walkdir::WalkDir::new(root).follow_links(true) {
                let entry = entry.map_err(|error| {
                    let path = error.path().unwrap_or(root).to_owned();
                    let error = std::io::Error::other(error.to_string());
                    RegistryError::io("list", &path)(error)
                })?;
                // A root may be a file, which is its own name.
                let top = if root.is_file() {
                    root.parent()
                } else {
                    Some(root.as_path())
                };
                let below = top.and_then(|top| entry.path().strip_prefix(top).ok());
                let below = below.unwrap_or(entry.path());
                if entry.file_type().is_file()
                    && let Some(file) = listed(entry.path(), below)?
                {
                    files.push(file);
                }
            }
        }
        files.sort_by(|a, b| {
            natural(&a.folder)
                .cmp(&natural(&b.folder))
                .then_with(|| natural(&a.name).cmp(&natural(&b.name)))
        });
        Ok(Self {
            set,
            files,
            partial,
            scratch: scratch.to_owned(),
        })
    }

    /// Every file.
    pub(crate) fn files(&self) -> &[TreeFile] {
        &self.files
    }

    /// Whether an incomplete copy will do.
    pub(crate) fn is_partial(&self) -> bool {
        self.partial
    }

    /// Where an importer may put files; it goes away when the set is prepared.
    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The files that lie in a folder whose path ends with `folder`. There may be none.
    ///
    /// # Errors
    /// [`RegistryError::Ambiguous`] when two folders fit.
    pub(crate) fn folder(&self, folder: &str) -> Result<Vec<&TreeFile>, RegistryError> {
        let fits = |file: &&TreeFile| {
            let rest = file.folder.strip_suffix(folder);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        let files: Vec<&TreeFile> = self.files.iter().filter(fits).collect();
        if let [first, ..] = files[..]
            && let Some(other) = files.iter().find(|file| file.folder != first.folder)
        {
            return Err(RegistryError::Ambiguous {
                set: self.set,
                what: format!("the folder {folder}"),
                first: folder_of(first),
                second: folder_of(other),
            });
        }
        Ok(files)
    }

    /// The same, of a folder that must be there.
    ///
    /// # Errors
    /// [`RegistryError::Layout`], [`RegistryError::Ambiguous`].
    pub(crate) fn required(&self, folder: &str) -> Result<Vec<&TreeFile>, RegistryError> {
        let files = self.folder(folder)?;
        if files.is_empty() {
            return Err(self.lacks(format!("a folder {folder}")));
        }
        Ok(files)
    }

    /// The one file of that name, where it is.
    ///
    /// # Errors
    /// [`RegistryError::Ambiguous`].
    pub(crate) fn named(&self, name: &str) -> Result<Option<&TreeFile>, RegistryError> {
        let mut found = self.files.iter().filter(|file| file.name == name);
        let first = found.next();
        if let (Some(first), Some(second)) = (first, found.next()) {
            return Err(RegistryError::Ambiguous {
                set: self.set,
                what: format!("the file {name}"),
                first: first.path.clone(),
                second: second.path.clone(),
            });
        }
        Ok(first)
    }

    /// Pictures with their masks, in the order of the pictures. `mask_stem` names the mask of a picture (without
    /// extension); files for which it has no name are no pictures of the set and are passed over.
    ///
    /// # Errors
    /// [`RegistryError::Unpaired`] for a picture without a mask, unless a part is enough.
    pub(crate) fn pairs<'t>(
        &self,
        images: &[&'t TreeFile],
        masks: &[&'t TreeFile],
        mask_stem: impl Fn(&TreeFile) -> Option<String>,
    ) -> Result<Vec<(&'t TreeFile, &'t TreeFile)>, RegistryError> {
        let by_stem: BTreeMap<&str, &'t TreeFile> =
            masks.iter().map(|mask| (mask.stem(), *mask)).collect();
        let mut pairs = Vec::new();
        for image in images {
            let Some(stem) = mask_stem(image) else {
                continue;
            };
            match by_stem.get(stem.as_str()) {
                Some(mask) => pairs.push((*image, *mask)),
                None if self.partial => {}
                None => {
                    return Err(RegistryError::Unpaired {
                        set: self.set,
                        image: image.path.clone(),
                        expected: stem,
                    });
                }
            }
        }
        Ok(pairs)
    }

    /// What is said when something is not there: what is, instead.
    pub(crate) fn lacks(&self, what: String) -> RegistryError {
        const SHOWN: usize = 3;
        let names = self.files.iter().take(SHOWN).map(|file| {
            let slash = if file.folder.is_empty() { "" } else { "/" };
            format!("{}{slash}{}", file.folder, file.name)
        });
        let names: Vec<String> = names.collect();
        let received = match self.files.len() {
            0 => "no file".to_owned(),
            n if n <= SHOWN => names.join(", "),
            n => format!(
                "{} and {}",
                names.join(", "),
                counted(n - SHOWN, "more file")
            ),
        };
        RegistryError::Layout {
            set: self.set,
            what,
            received,
        }
    }
}

fn folder_of(file: &TreeFile) -> PathBuf {
    file.path.parent().unwrap_or(&file.path).to_owned()
}

/// `None` for what systems leave behind.
fn listed(path: &Path, below: &Path) -> Result<Option<TreeFile>, RegistryError> {
    let mut parts = Vec::new();
    for part in below {
        let Some(part) = part.to_str() else {
            let error =
                std::io::Error::new(std::io::ErrorKind::InvalidData, "a name that is not UTF-8");
            return Err(RegistryError::Data(DataError::io("list", path)(error)));
        };
        if LITTER.contains(&part) || part.starts_with("._") {
            return Ok(None);
        }
        parts.push(part);
    }
    let name = parts.pop().unwrap_or_default().to_owned();
    Ok(Some(TreeFile {
        path: path.to_owned(),
        folder: parts.join("/"),
        name,
    }))
}

/// A name cut into texts and numbers, so that 2 comes before 10.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0_u64)];
    let mut in_number = false;
    for c in name.chars() {
        match c.to_digit(10) {
            Some(digit) => {
                if let Some((_, number)) = parts.last_mut() {
                    // A number too long for this still has its place, after all others.
                    *number = number.saturating_mul(10).saturating_add(u64::from(digit));
                }
                in_number = true;
            }
            None => {
                if in_number {
                    parts.push((String::new(), 0));
                    in_number = false;
                }
                if let Some((text, _)) = parts.last_mut() {
                    text.push(c);
                }
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{RegistryError, Tree};

    fn tree(names: &[&str]) -> (tempfile::TempDir, Result<Tree, RegistryError>) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for name in names {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("created");
            std::fs::write(path, b"x").expect("written");
        }
        let tree = Tree::read("a set", &[dir.path().to_owned()], false, dir.path());
        (dir, tree)
    }

    #[test]
    fn folders_are_known_by_the_end_of_their_path() {
        let (_dir, tree) = tree(&[
            "DRIVE/training/images/10.tif",
            "DRIVE/training/images/2.tif",
            "DRIVE/training/images/.DS_Store",
            "DRIVE/training/images/Thumbs.db",
            "__MACOSX/training/images/2.tif",
            "DRIVE/training/more_images/3.tif",
            "DRIVE/test/images/1.tif",
        ]);
        let tree = tree.expect("listed");
        let names = |folder: &str| -> Vec<String> {
            let files = tree.folder(folder).expect("one folder");
            files.iter().map(|file| file.name.clone()).collect()
        };
        assert_eq!(names("training/images"), ["2.tif", "10.tif"]);
        assert_eq!(names("training/labels"), [""; 0]);
        assert!(matches!(
            tree.folder("images"),
            Err(RegistryError::Ambiguous { .. })
        ));
        let Err(RegistryError::Layout { received, .. }) = tree.required("training/labels") else {
            panic!("must be refused");
        };
        assert!(
            received.ends_with("training/images/10.tif and 1 more file"),
            "{received}"
        );
    }

    #[test]
    fn a_file_is_found_once_or_not_at_all() {
        let (_dir, tree) = tree(&["a/x.json", "b/y.json", "c/y.json"]);
        let tree = tree.expect("listed");
        assert!(tree.named("x.json").is_ok_and(|file| file.is_some()));
        assert!(tree.named("z.json").is_ok_and(|file| file.is_none()));
        assert!(matches!(
            tree.named("y.json"),
            Err(RegistryError::Ambiguous { .. })
        ));
    }

    #[test]
    fn names_are_taken_apart() {
        let (_dir, tree) = tree(&["image_s12_i3.png", "1.ah.ppm.gz"]);
        let tree = tree.expect("listed");
        let file = |k: usize| &tree.files()[k];
        assert_eq!(file(1).between("image_s", "_i3"), Some("12"));
        assert_eq!(file(0).stem(), "1.ah");
    }
}
