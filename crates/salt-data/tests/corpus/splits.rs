//! The fuzz target `splits`: any bytes as the table of a data set.

use std::path::{Component, Path};

use salt_data::parse_table;

/// Parses `data` as both kinds of table; returns whether either was accepted. Panics when a path leads out of the
/// folder or a size of a pixel is none.
pub(crate) fn run(data: &[u8]) -> bool {
    let mut any = false;
    for name in ["pairs.csv", "data_split.csv"] {
        match parse_table(Path::new(name), data) {
            Ok(lines) => {
                any = true;
                assert!(!lines.is_empty());
                for line in lines {
                    let mut paths = [Some(&line.image), line.mask.as_ref()]
                        .into_iter()
                        .flatten();
                    let inside = |path: &Path| {
                        path.components()
                            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
                    };
                    assert!(paths.all(|path| inside(path)), "{line:?}");
                    let spacing = line.spacing_mm.into_iter().flatten();
                    assert!(
                        spacing
                            .into_iter()
                            .all(|side| side.is_finite() && side > 0.0)
                    );
                }
            }
            Err(error) => {
                let message = error.to_string();
                assert!(
                    message.starts_with("expected ") && message.contains("; "),
                    "{message}"
                );
            }
        }
    }
    any
}
