//! Which names of entries may become paths.
//!
//! A name is refused, not repaired: a repaired one would be another file on another system. Only what every tool
//! drops without a loss is dropped here too: `./` and doubled slashes.

use super::ExtractLimits;

/// The longest name that common file systems hold (ext4, APFS, NTFS), in bytes.
const MAX_COMPONENT_BYTES: usize = 255;

/// Names that are devices on Windows, in any folder and with any extension. From "Naming Files, Paths, and
/// Namespaces" of the Windows documentation; COM and LPT take a digit, superscript ones included.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// Why a name cannot become a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameProblem {
    /// Nothing is left of it.
    #[error("it is empty")]
    Empty,
    /// Bytes that are no UTF-8. Other encodings are not guessed: a wrong guess would be a wrong file name.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// A leading slash.
    #[error("it starts at the root of the disk")]
    Absolute,
    /// `..` as one of its parts.
    #[error("it leads upwards with `..`")]
    Upwards,
    /// A backslash, which separates on Windows and is a character elsewhere.
    #[error("it has a backslash, which is a folder on one system and a character on another")]
    Backslash,
    /// A colon: a drive, or a second stream of a file on NTFS.
    #[error("it has a colon, which names a drive or a hidden stream on Windows")]
    Colon,
    /// NUL or another control character.
    #[error("it has a control character")]
    Control,
    /// `CON`, `NUL`, `COM1` and the like.
    #[error("it is the name of a device on Windows")]
    Device,
    /// A part that Windows would shorten.
    #[error("a part of it ends with a dot or a space, which Windows drops")]
    TrailingDotOrSpace,
    /// Longer than [`ExtractLimits::max_name_bytes`], or one part longer than 255 bytes.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// Deeper than [`ExtractLimits::max_depth`].
    #[error("it is more than {limit} folders deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}

/// A name that is safe below any folder on any system: parts joined by `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryName(String);

impl EntryName {
    /// The name `raw`, if every part of it may become a path. A trailing slash is allowed, and dropped; the root of the
    /// archive itself (`./`) is [`NameProblem::Empty`].
    pub(super) fn parse(raw: &[u8], limits: &ExtractLimits) -> Result<Self, NameProblem> {
        let limit = limits.max_name_bytes;
        if raw.len() > limit {
            return Err(NameProblem::TooLong { limit });
        }
        let text = std::str::from_utf8(raw).map_err(|_| NameProblem::NotUtf8)?;
        if text.starts_with('/') {
            return Err(NameProblem::Absolute);
        }
        let mut name = String::with_capacity(text.len());
        let mut depth = 0;
        for part in text
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
        {
            check_part(part)?;
            depth += 1;
            if depth > limits.max_depth {
                return Err(NameProblem::TooDeep {
                    limit: limits.max_depth,
                });
            }
            if !name.is_empty() {
                name.push('/');
            }
            name.push_str(part);
        }
        match name.is_empty() {
            true => Err(NameProblem::Empty),
            false => Ok(Self(name)),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Everything above it, from the outermost folder on.
    pub(super) fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }

    /// Whether an operating system left it behind: nobody's data.
    pub(super) fn is_debris(&self) -> bool {
        self.0.split('/').any(|part| part == "__MACOSX")
            || self.0.rsplit('/').next().is_some_and(|last| {
                last == ".DS_Store"
                    || last.eq_ignore_ascii_case("Thumbs.db")
                    || last.starts_with("._")
            })
    }
}

/// Whether `raw` is the archive's own root, which tools write as a folder entry.
pub(super) fn is_root(raw: &[u8]) -> bool {
    !raw.starts_with(b"/")
        && raw
            .split(|byte| *byte == b'/')
            .all(|part| part.is_empty() || part == b".")
        && !raw.is_empty()
}

fn check_part(part: &str) -> Result<(), NameProblem> {
    match part {
        _ if part.len() > MAX_COMPONENT_BYTES => Err(NameProblem::TooLong {
            limit: MAX_COMPONENT_BYTES,
        }),
        ".." => Err(NameProblem::Upwards),
        _ if part.chars().any(char::is_control) => Err(NameProblem::Control),
        _ if part.contains('\\') => Err(NameProblem::Backslash),
        _ if part.contains(':') => Err(NameProblem::Colon),
        _ if part.ends_with(['.', ' ']) => Err(NameProblem::TrailingDotOrSpace),
        _ if is_device(part) => Err(NameProblem::Device),
        _ => Ok(()),
    }
}

fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end();
    let stem = stem.to_uppercase();
    if DEVICES.contains(&stem.as_str()) {
        return true;
    }
    let port = stem
        .strip_prefix("COM")
        .or_else(|| stem.strip_prefix("LPT"));
    port.is_some_and(|port| {
        let mut chars = port.chars();
        matches!(
            (chars.next(), chars.next()),
            (Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'), None)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &[u8]) -> Result<String, NameProblem> {
        EntryName::parse(raw, &ExtractLimits::default()).map(|name| name.0)
    }

    #[test]
    fn names_of_data_sets_are_kept() {
        for name in [
            "Image_01L.jpg",
            "benign/benign (1)_mask.png",
            "FIVES A Fundus/train/Ground truth/1_A.png",
            "images/\u{9aa8}.png",
            "a..b/c...d",
            ".hidden/..data",
            "~root/$HOME/%2e%2e/x",
            "console/comb/lpt10/aux1/nulls/com.png.x",
            " leading",
        ] {
            assert_eq!(parse(name.as_bytes()), Ok(name.to_owned()), "{name}");
        }
    }

    #[test]
    fn parts_without_a_meaning_are_dropped() {
        for (raw, expected) in [
            ("./a/b", "a/b"),
            ("a//b", "a/b"),
            ("a/./b/", "a/b"),
            ("a/b///", "a/b"),
        ] {
            assert_eq!(parse(raw.as_bytes()).as_deref(), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn names_that_mean_something_else_somewhere_are_refused() {
        use NameProblem as P;
        for (raw, expected) in [
            (&b""[..], P::Empty),
            (b"./", P::Empty),
            (b"..", P::Upwards),
            (b"../a", P::Upwards),
            (b"a/../../b", P::Upwards),
            (b"a/..", P::Upwards),
            (b"/etc/passwd", P::Absolute),
            (b"//server/share", P::Absolute),
            (b"\\\\server\\share", P::Backslash),
            (b"a\\b", P::Backslash),
            (b"..\\a", P::Backslash),
            (b"C:/a", P::Colon),
            (b"C:a", P::Colon),
            (b"a.png:hidden", P::Colon),
            (b"a\0b", P::Control),
            (b"a\nb", P::Control),
            (b"a\x7f", P::Control),
            (b"a\xc2\x85", P::Control),
            (b"caf\xe9.png", P::NotUtf8),
            (b"\xc0\xae\xc0\xae/a", P::NotUtf8),
            (b"NUL", P::Device),
            (b"a/con.png", P::Device),
            (b"aux .txt", P::Device),
            (b"Com1", P::Device),
            (b"lpt9.tar.gz", P::Device),
            (b"COM\xc2\xb2", P::Device),
            (b"conout$", P::Device),
            (b"a./b", P::TrailingDotOrSpace),
            (b"a /b", P::TrailingDotOrSpace),
            (b"...", P::TrailingDotOrSpace),
            (b"b.png ", P::TrailingDotOrSpace),
        ] {
            assert_eq!(parse(raw), Err(expected), "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn length_and_depth_have_an_end() {
        let limits = ExtractLimits {
            max_depth: 3,
            max_name_bytes: 300,
            ..ExtractLimits::default()
        };
        let of = |name: &str| EntryName::parse(name.as_bytes(), &limits).map(|_| ());
        assert_eq!(of("a/b/c"), Ok(()));
        assert_eq!(of("a/b/c/d"), Err(NameProblem::TooDeep { limit: 3 }));
        assert_eq!(of(&"a".repeat(255)), Ok(()));
        assert_eq!(
            of(&"a".repeat(256)),
            Err(NameProblem::TooLong { limit: 255 })
        );
        let long = format!("{}/{}", "a".repeat(200), "b".repeat(100));
        assert_eq!(of(&long), Err(NameProblem::TooLong { limit: 300 }));
    }

    #[test]
    fn folders_above_a_name_go_from_the_outside_in() {
        let name = EntryName::parse(b"a/bc/d", &ExtractLimits::default()).expect("a good name");
        assert_eq!(name.folders().collect::<Vec<_>>(), ["a", "a/bc"]);
    }

    #[test]
    fn debris_is_known_by_its_name() {
        let debris = |name: &str| {
            EntryName::parse(name.as_bytes(), &ExtractLimits::default())
                .expect("a good name")
                .is_debris()
        };
        for name in [
            "__MACOSX/a/b.png",
            "a/.DS_Store",
            "thumbs.db",
            "a/Thumbs.db",
            "a/._b.nii.gz",
        ] {
            assert!(debris(name), "{name}");
        }
        for name in ["MACOSX/a", "a/DS_Store", "a/__b.png", "Thumbs.db/a.png"] {
            assert!(!debris(name), "{name}");
        }
    }

    #[test]
    fn the_root_is_no_file() {
        for (raw, expected) in [
            (&b"./"[..], true),
            (b".", true),
            (b".//./", true),
            (b"", false),
            (b"/", false),
            (b"..", false),
            (b"a", false),
        ] {
            assert_eq!(is_root(raw), expected, "{}", raw.escape_ascii());
        }
    }
}
