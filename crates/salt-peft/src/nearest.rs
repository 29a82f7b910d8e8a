//! The names most like a mistyped one.

use strsim::{jaro_winkler, normalized_levenshtein};

/// The `count` names most similar to `wanted`, best first, quoted and joined for a message.
///
/// Regular expression punctuation in `wanted` is ignored, and a name is also compared by as many of
/// its last dot-separated segments as `wanted` has: targets are usually written as suffixes.
pub(crate) fn nearest<'a>(
    wanted: &str,
    names: impl IntoIterator<Item = &'a str>,
    count: usize,
) -> String {
    let wanted = wanted.replace(r"\d+", "0").replace('\\', "");
    let segments = wanted.split('.').count();
    let mut scored: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| {
            (
                score(&wanted, name).max(score(&wanted, last(name, segments))),
                name,
            )
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    if scored.is_empty() {
        return "none".into();
    }
    let quoted: Vec<String> = scored
        .iter()
        .take(count)
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    quoted.join(", ")
}

fn score(a: &str, b: &str) -> f64 {
    jaro_winkler(a, b) + normalized_levenshtein(a, b)
}

fn last(name: &str, segments: usize) -> &str {
    let mut cut = name.len();
    for _ in 0..segments {
        match name[..cut].rfind('.') {
            Some(dot) => cut = dot,
            None => return name,
        }
    }
    &name[cut + 1..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_count() {
        let names = [
            "encoder.blocks.0.attn.qkv",
            "encoder.blocks.0.mlp.lin1",
            "head",
        ];
        assert_eq!(
            nearest(r"blocks\.\d+\.attn\.qvk", names, 1),
            "`encoder.blocks.0.attn.qkv`"
        );
        assert_eq!(nearest("heed", names, 1), "`head`");
        assert_eq!(nearest("x", [], 3), "none");
    }

    #[test]
    fn last_segments() {
        assert_eq!(last("a.b.c", 1), "c");
        assert_eq!(last("a.b.c", 2), "b.c");
        assert_eq!(last("a.b.c", 5), "a.b.c");
    }
}
