//! Numbers with their nouns in messages: `1 file`, `2 files`.

/// Verb after a number of things.
pub(crate) const HAVE: [&str; 2] = ["has", "have"];

/// Verb after a number of things.
pub(crate) const ARE: [&str; 2] = ["is", "are"];

/// A number with its noun, whose plural ends in `s`.
pub fn counted(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// The form of a verb that fits a number: of one, of many.
pub(crate) fn agreeing(number: usize, [one, many]: [&'static str; 2]) -> &'static str {
    if number == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::{HAVE, agreeing, counted};

    #[test]
    fn one_is_not_many() {
        for (number, noun, verb) in [
            (0, "0 masks", "have"),
            (1, "1 mask", "has"),
            (2, "2 masks", "have"),
        ] {
            assert_eq!(
                (counted(number, "mask").as_str(), agreeing(number, HAVE)),
                (noun, verb)
            );
        }
    }
}
