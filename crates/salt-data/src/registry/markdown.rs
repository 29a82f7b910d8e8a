//! The part of `datasets/README.md` that lists the published sets.

use super::SETS;
use super::entry::{Access, Archive, DatasetEntry};

/// The list as Markdown.
pub fn markdown() -> String {
    let mut text = String::from(
        "| name | pictures | masks | cases | size | licence | fetched |\n|---|---|---|---|---|---|---|\n",
    );
    for entry in SETS {
        text.push_str(&format!(
            "| [{name}](#{name}) | {} | {} | {} | {} | {} | {} |\n",
            entry.modality,
            entry.classes.join(", "),
            entry.cases,
            entry.size,
            entry.licence.name,
            entry.access.name(),
            name = entry.name,
        ));
    }
    for entry in SETS {
        text.push_str(&section(entry));
    }
    text
}

fn section(entry: &DatasetEntry) -> String {
    let mut lines = vec![format!("**{}.** {}.", entry.title, entry.home)];
    lines.push(format!(
        "Terms: {}, {}. Cite {}.",
        entry.licence.name, entry.licence.terms, entry.citation
    ));
    lines.push(match entry.access {
        Access::Automatic(archives) => format!("Fetched: {}.", names(archives)),
        Access::Unpack(archives) => format!(
            "Fetched, then unpacked by you: {}; pass the folder with `--archive`.",
            names(archives)
        ),
        Access::ByHand { how, archives } => {
            let names = names(archives);
            let known = if names.is_empty() {
                names
            } else {
                format!(" Known: {names}.")
            };
            format!("By hand: {how}; pass it with `--archive`.{known}")
        }
    });
    lines.push(format!("Layout: `{}`.", entry.layout));
    let official = entry.official.unwrap_or("none, so the default is `seed:0`");
    lines.push(format!("Official split: {official}."));
    if let Some(paper) = entry.paper {
        let of = if paper.of_training_part {
            " of the official training part"
        } else {
            ""
        };
        lines.push(format!(
            "`--split paper`: {} for training and {} for the test{of}, drawn by seed (SALT's own lists are not public).",
            paper.train, paper.test
        ));
    }
    if let Some(grouping) = entry.grouping {
        lines.push(format!("Never divided: {grouping}."));
    }
    if !entry.variants.is_empty() {
        let each = entry
            .variants
            .iter()
            .map(|v| format!("`{}` ({}; {} cases)", v.name, v.title, v.cases));
        lines.push(format!(
            "`--variant`: {}.",
            each.collect::<Vec<_>>().join(", ")
        ));
    }
    format!("\n### {}\n{}\n", entry.name, lines.join("\n"))
}

fn names(archives: &[Archive]) -> String {
    let each = archives.iter().map(|archive| {
        let size = archive
            .bytes
            .map_or_else(String::new, |bytes| format!(", {bytes} bytes"));
        let checksum = archive
            .checksum
            .map_or_else(|| "no published checksum".to_owned(), |c| c.to_string());
        format!("`{}` ({checksum}{size})", archive.file_name)
    });
    each.collect::<Vec<_>>().join(", ")
}
