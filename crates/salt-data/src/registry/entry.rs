//! What is known of a published data set.

use super::error::RegistryError;
use super::found::FoundCase;
use super::tree::Tree;
use crate::download::{Checksum, Remote};

/// A published data set.
#[derive(Debug)]
pub struct DatasetEntry {
    /// What users type.
    pub name: &'static str,
    /// What its authors call it.
    pub title: &'static str,
    /// What the pictures are.
    pub modality: &'static str,
    /// What the masks show, one name per class.
    pub classes: &'static [&'static str],
    /// Number of labelled pictures of the whole set in its first variant.
    pub cases: usize,
    /// Width and height in pixels, in words.
    pub size: &'static str,
    /// What is allowed.
    pub licence: Licence,
    /// Whom to cite.
    pub citation: &'static str,
    /// The set's page.
    pub home: &'static str,
    /// How to get it.
    pub access: Access,
    /// Folders and names inside of the archives.
    pub layout: &'static str,
    /// What is never divided between splits; `None` where nothing is known of it.
    pub grouping: Option<&'static str>,
    /// The authors' (or the customary) split in words; `None` where there is none.
    pub official: Option<&'static str>,
    /// How large the parts of that split are in a whole copy; several where several copies count as whole.
    pub parts: &'static [PartCounts],
    /// The numbers of SALT's experiments (arXiv 2503.16055, section 4.1), where it used the set.
    pub paper: Option<PaperSizes>,
    /// Ways to read it, the usual one first; empty where there is only one.
    pub variants: &'static [Variant],
    /// Finds the cases of a variant among unpacked files.
    pub(crate) import:
        fn(&Tree, &Variant, &mut Advance<'_>) -> Result<Vec<FoundCase>, RegistryError>,
}

/// Hears from an importer that reads pixels how far it is: pieces read, and pieces in all. Its error ends the import.
pub(crate) type Advance<'a> = dyn FnMut(usize, usize) -> Result<(), RegistryError> + 'a;

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Licence {
    /// Its name, or what stands in for one.
    pub name: &'static str,
    /// What it asks for, in a sentence.
    pub terms: &'static str,
    /// Whether a public licence lets anybody use it; the others need `--accept-terms`.
    pub open: bool,
}

impl Licence {
    pub(crate) const CC0: Self = Self {
        name: "CC0 1.0",
        terms: "free for any use",
        open: true,
    };
    pub(crate) const CC_BY: Self = Self {
        name: "CC BY 4.0",
        terms: "free to use, change and pass on when the authors are named and changes are marked",
        open: true,
    };
    pub(crate) const CC_BY_NC: Self = Self {
        name: "CC BY-NC 4.0",
        terms: "free to use and change for what is not commercial, when the authors are named",
        open: false,
    };
    pub(crate) const RESEARCH: Self = Self {
        name: "research only",
        terms: "for research and education; not to be passed on; cite the authors",
        open: false,
    };
    pub(crate) const MIT: Self = Self {
        name: "MIT",
        terms: "free to use, change and pass on with its notice",
        open: true,
    };
}

/// How to get a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Its archives are downloaded.
    Automatic(&'static [Archive]),
    /// Its archives are downloaded, but are of a kind that has to be unpacked by hand.
    Unpack(&'static [Archive]),
    /// Its archives are behind a login, a form or a browser check, and are brought with `--archive`.
    ByHand {
        /// How to get them, as a sentence.
        how: &'static str,
        /// The archives, as far as they are known.
        archives: &'static [Archive],
    },
}

impl Access {
    /// The archives.
    pub fn archives(&self) -> &'static [Archive] {
        match self {
            Self::Automatic(archives) | Self::Unpack(archives) | Self::ByHand { archives, .. } => {
                archives
            }
        }
    }

    /// `automatic`, `unpack by hand` or `by hand`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Automatic(_) => "automatic",
            Self::Unpack(_) => "unpack by hand",
            Self::ByHand { .. } => "by hand",
        }
    }
}

/// A published archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    /// Its name on a disk.
    pub file_name: &'static str,
    /// Where it is, the publisher's own address first; empty where it cannot be fetched.
    pub urls: &'static [&'static str],
    /// Its size, where known.
    pub bytes: Option<u64>,
    /// What its content hashes to; `None` where nobody has published it.
    pub checksum: Option<Checksum<'static>>,
}

impl Archive {
    /// As a download; `None` where it cannot be fetched and checked.
    pub(crate) fn remote(&self) -> Option<Remote<'static>> {
        let checksum = self.checksum?;
        (!self.urls.is_empty()).then_some(Remote {
            urls: self.urls,
            file_name: self.file_name,
            bytes: self.bytes,
            checksum,
        })
    }
}

/// How much there is in the parts of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartCounts {
    /// Variants that this is said of; empty for all.
    pub variants: &'static [&'static str],
    /// What is counted: groups where the set has them, and else pictures.
    pub unit: &'static str,
    /// For training, validation and test.
    pub counts: [usize; 3],
}

impl PartCounts {
    /// Of every variant.
    pub(crate) const fn new(unit: &'static str, counts: [usize; 3]) -> Self {
        Self {
            variants: &[],
            unit,
            counts,
        }
    }

    /// Of some variants only.
    pub(crate) const fn of(self, variants: &'static [&'static str]) -> Self {
        Self { variants, ..self }
    }

    pub(crate) fn are_of(&self, variant: &Variant) -> bool {
        self.variants.is_empty() || self.variants.contains(&variant.name)
    }
}

/// Numbers of SALT's experiments; of groups, where the set has groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaperSizes {
    /// For training.
    pub train: usize,
    /// For the test.
    pub test: usize,
    /// Whether they are drawn from the official training part alone.
    pub of_training_part: bool,
}

/// A way to read a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// What users type.
    pub name: &'static str,
    /// What it means.
    pub title: &'static str,
    /// Its classes, where they are not those of the entry.
    pub classes: Option<&'static [&'static str]>,
    /// Number of labelled pictures of the whole set.
    pub cases: usize,
}

impl DatasetEntry {
    /// The variant of that name, or the usual one.
    ///
    /// # Errors
    /// [`RegistryError::UnknownVariant`].
    pub fn variant(&self, name: Option<&str>) -> Result<Variant, RegistryError> {
        let usual = Variant {
            name: "whole",
            title: self.title,
            classes: None,
            cases: self.cases,
        };
        let Some(name) = name else {
            return Ok(self.variants.first().copied().unwrap_or(usual));
        };
        if name == usual.name && self.variants.is_empty() {
            return Ok(usual);
        }
        let found = self.variants.iter().find(|variant| variant.name == name);
        found.copied().ok_or_else(|| RegistryError::UnknownVariant {
            set: self.name,
            received: name.to_owned(),
            known: self.variants.iter().map(|variant| variant.name).collect(),
        })
    }

    /// The classes of a variant.
    pub fn classes_of(&self, variant: &Variant) -> &'static [&'static str] {
        variant.classes.unwrap_or(self.classes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{RegistryError, SETS, by_name};
    use super::Access;

    #[test]
    fn every_entry_is_whole() {
        let mut names = BTreeSet::new();
        for entry in SETS {
            let name = entry.name;
            assert!(names.insert(name), "{name} twice");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
            assert!(
                by_name(name).is_ok_and(|found| found.name == name),
                "{name}"
            );
            for text in [
                entry.title,
                entry.modality,
                entry.size,
                entry.citation,
                entry.home,
                entry.layout,
                entry.licence.name,
                entry.licence.terms,
            ] {
                assert!(!text.is_empty() && text.trim() == text, "{name}: `{text}`");
            }
            assert!(!entry.classes.is_empty() && entry.cases > 0, "{name}");
            let mut variants = BTreeSet::new();
            for (k, variant) in entry.variants.iter().enumerate() {
                assert!(variants.insert(variant.name), "{name}: {}", variant.name);
                assert!(variant.cases > 0 && !variant.title.is_empty(), "{name}");
                assert!(
                    k > 0 || variant.cases == entry.cases,
                    "{name}: the first is the usual one"
                );
                assert!(entry.variant(Some(variant.name)).is_ok());
            }
            assert!(matches!(
                entry.variant(Some("no such")),
                Err(RegistryError::UnknownVariant { .. })
            ));
            for archive in entry.access.archives() {
                for url in archive.urls {
                    assert!(
                        url.starts_with("https://") || url.starts_with("http://"),
                        "{url}"
                    );
                }
                match &entry.access {
                    // Nothing is downloaded that could not be checked.
                    Access::Automatic(_) | Access::Unpack(_) => {
                        assert!(archive.remote().is_some(), "{name}: {}", archive.file_name);
                    }
                    Access::ByHand { how, .. } => assert!(!how.is_empty(), "{name}"),
                }
                if let Some(checksum) = archive.checksum {
                    let digits = if checksum.kind() == "md5" { 32 } else { 64 };
                    assert_eq!(
                        checksum.hex().len(),
                        digits,
                        "{name}: {}",
                        archive.file_name
                    );
                }
            }
            for parts in entry.parts {
                assert!(!parts.unit.is_empty() && entry.official.is_some(), "{name}");
                for variant in parts.variants {
                    assert!(entry.variant(Some(variant)).is_ok(), "{name}: {variant}");
                }
            }
            if let Some(paper) = entry.paper {
                assert!(paper.train > 0 && paper.test > 0, "{name}");
            }
        }
    }

    #[test]
    fn names_are_found_in_other_spellings_and_typos_are_told() {
        assert!(by_name("CHASE-DB1").is_ok());
        let Err(RegistryError::UnknownSet { nearest, .. }) = by_name("chase") else {
            panic!("`chase` is no name");
        };
        assert_eq!(nearest[0], "chase_db1");
    }
}
