//! The policy as it is written in TOML: one table of optional keys, of which each policy allows some.

use std::collections::BTreeMap;

use super::{Classes, Colour, Colours, MaskPolicy};
use crate::label_rule::MAX_CLASSES;

/// Keys of `[masks]`.
pub(crate) const KEYS: [&str; 7] = [
    "policy",
    "ignore",
    "at",
    "n_classes",
    "classes",
    "colours",
    "other",
];

/// A value or a colour of pixels without truth.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Ignore {
    Value(u16),
    Colour(String),
}

/// `[masks]` of `dataset.toml`.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    policy: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ignore: Option<Ignore>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n_classes: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    other: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<BTreeMap<String, u8>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    colours: Option<BTreeMap<String, u8>>,
}

impl Written {
    /// The value of `ignore`, where it must be a number.
    fn ignore_value(&self) -> Result<Option<u16>, String> {
        match &self.ignore {
            None => Ok(None),
            Some(Ignore::Value(value)) => Ok(Some(*value)),
            Some(Ignore::Colour(text)) => Err(format!(
                "ignore = \"{text}\" where the policy {} expects a value of 0 to 65535",
                self.policy
            )),
        }
    }

    /// Refuses keys that have no meaning under the policy.
    fn only(&self, allowed: &[&str]) -> Result<(), String> {
        let there = [
            ("ignore", self.ignore.is_some()),
            ("at", self.at.is_some()),
            ("n_classes", self.n_classes.is_some()),
            ("other", self.other.is_some()),
            ("classes", self.classes.is_some()),
            ("colours", self.colours.is_some()),
        ];
        match there
            .iter()
            .find(|(key, there)| *there && !allowed.contains(key))
        {
            None => Ok(()),
            Some((key, _)) => Err(format!(
                "`{key}`, which has no meaning under the policy {}",
                self.policy
            )),
        }
    }
}

impl TryFrom<Written> for MaskPolicy {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let policy = match written.policy.as_str() {
            "auto" => {
                written.only(&[])?;
                Self::Auto
            }
            "nonzero" => {
                written.only(&["ignore"])?;
                Self::Nonzero {
                    ignore: written.ignore_value()?,
                }
            }
            "threshold" => {
                written.only(&["ignore", "at"])?;
                let at = written.at.filter(|&at| at > 0);
                Self::Threshold {
                    at: at.ok_or("no `at` above 0 for the policy threshold")?,
                    ignore: written.ignore_value()?,
                }
            }
            "ids" => {
                written.only(&["ignore", "n_classes"])?;
                if let Some(n) = written.n_classes {
                    in_range("n_classes", n, 1)?;
                }
                Self::Ids {
                    n_classes: written.n_classes,
                    ignore: written.ignore_value()?,
                }
            }
            "classes" => {
                written.only(&["ignore", "classes", "other"])?;
                let key = |key: &str| {
                    key.parse::<u16>()
                        .map_err(|_| format!("`{key}` where a value of 0 to 65535 is expected"))
                };
                Self::Classes(Classes {
                    ignore: written.ignore_value()?,
                    classes: map(written.classes, written.other, "classes", key)?,
                    other: written.other,
                })
            }
            "colours" => {
                written.only(&["ignore", "colours", "other"])?;
                let ignore = match &written.ignore {
                    None => None,
                    Some(Ignore::Colour(text)) => Some(text.parse()?),
                    Some(Ignore::Value(value)) => {
                        return Err(format!(
                            "ignore = {value} where the policy colours expects \"#rrggbb\""
                        ));
                    }
                };
                Self::Colours(Colours {
                    ignore,
                    colours: map(
                        written.colours,
                        written.other,
                        "colours",
                        str::parse::<Colour>,
                    )?,
                    other: written.other,
                })
            }
            other => {
                const NAMES: [&str; 6] =
                    ["auto", "nonzero", "threshold", "ids", "classes", "colours"];
                return Err(format!("the policy `{other}`, which is none of {NAMES:?}"));
            }
        };
        Ok(policy)
    }
}

/// A map with keys of another type and with classes that are in range, one of them at least 1.
fn map<K: Ord>(
    written: Option<BTreeMap<String, u8>>,
    other: Option<u8>,
    name: &str,
    key: impl Fn(&str) -> Result<K, String>,
) -> Result<BTreeMap<K, u8>, String> {
    let written = written.unwrap_or_default();
    let mut map = BTreeMap::new();
    for (text, class) in &written {
        in_range(text, *class, 0)?;
        if map.insert(key(text)?, *class).is_some() {
            return Err(format!("`{text}` for the second time"));
        }
    }
    if let Some(other) = other {
        in_range("other", other, 0)?;
    }
    match map.values().chain(&other).any(|&class| class > 0) {
        true => Ok(map),
        false => Err(format!("no class of 1 or more in [masks.{name}]")),
    }
}

fn in_range(name: &str, number: u8, least: u8) -> Result<(), String> {
    match u16::from(number) <= MAX_CLASSES && number >= least {
        true => Ok(()),
        false => Err(format!(
            "{name} = {number}, which is not within {least} to {MAX_CLASSES}"
        )),
    }
}

impl From<MaskPolicy> for Written {
    fn from(policy: MaskPolicy) -> Self {
        let named = Self {
            policy: policy.name().to_owned(),
            ..Self::default()
        };
        match policy {
            MaskPolicy::Auto => named,
            MaskPolicy::Nonzero { ignore } => Self {
                ignore: ignore.map(Ignore::Value),
                ..named
            },
            MaskPolicy::Threshold { at, ignore } => Self {
                at: Some(at),
                ignore: ignore.map(Ignore::Value),
                ..named
            },
            MaskPolicy::Ids { n_classes, ignore } => Self {
                n_classes,
                ignore: ignore.map(Ignore::Value),
                ..named
            },
            MaskPolicy::Classes(classes) => Self {
                ignore: classes.ignore.map(Ignore::Value),
                other: classes.other,
                classes: Some(strings(classes.classes)),
                ..named
            },
            MaskPolicy::Colours(colours) => Self {
                ignore: colours.ignore.map(|c| Ignore::Colour(c.to_string())),
                other: colours.other,
                colours: Some(strings(colours.colours)),
                ..named
            },
        }
    }
}

fn strings<K: ToString>(map: BTreeMap<K, u8>) -> BTreeMap<String, u8> {
    let pairs = map.into_iter();
    pairs.map(|(key, class)| (key.to_string(), class)).collect()
}

#[cfg(test)]
mod tests {
    use crate::mask_policy::MaskPolicy;

    #[test]
    fn a_policy_comes_back_as_it_was_written() {
        for text in [
            "policy = \"auto\"\n",
            "policy = \"nonzero\"\nignore = 255\n",
            "policy = \"threshold\"\nat = 128\n",
            "policy = \"ids\"\nignore = 255\nn_classes = 3\n",
            "policy = \"classes\"\nother = 0\n\n[classes]\n128 = 2\n255 = 1\n",
            "policy = \"colours\"\nignore = \"#808080\"\n\n[colours]\n\"#ff0000\" = 1\n",
        ] {
            let policy: MaskPolicy = toml::from_str(text).expect(text);
            let written = toml::to_string(&policy).expect("writes");
            let again: MaskPolicy = toml::from_str(&written).expect("reads");
            assert_eq!(policy, again, "{text}");
            assert_eq!(written, text);
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_name() {
        let check = |text: &str, mention: &str| {
            let error = toml::from_str::<MaskPolicy>(text).expect_err(text);
            assert!(error.to_string().contains(mention), "{text}: {error}");
        };
        check("policy = \"non-zero\"", "`non-zero`");
        check("ignore = 3", "policy");
        check("policy = \"auto\"\nignore = 3", "`ignore`");
        check("policy = \"nonzero\"\nat = 3", "`at`");
        check("policy = \"nonzero\"\nignore = \"#000000\"", "#000000");
        check("policy = \"threshold\"", "`at`");
        check("policy = \"threshold\"\nat = 0", "`at`");
        check("policy = \"ids\"\nn_classes = 0", "n_classes = 0");
        check("policy = \"ids\"\nn_classes = 33", "n_classes = 33");
        check("policy = \"classes\"", "no class");
        check("policy = \"classes\"\n[classes]\n255 = 0", "no class");
        check("policy = \"classes\"\n[classes]\nred = 1", "`red`");
        check("policy = \"classes\"\n[classes]\n70000 = 1", "`70000`");
        check("policy = \"classes\"\n[classes]\n1 = 200", "1 = 200");
        check(
            "policy = \"classes\"\n[classes]\n1 = 1\n01 = 2",
            "second time",
        );
        check("policy = \"colours\"\n[colours]\nred = 1", "`red`");
        check(
            "policy = \"colours\"\nignore = 3\n[colours]\n\"#ff0000\" = 1",
            "ignore = 3",
        );
        check("policy = \"nonzero\"\nthreshold = 3", "threshold");
    }
}
