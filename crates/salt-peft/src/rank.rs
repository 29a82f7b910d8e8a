//! Ranks: how they are asked for, and what a layer got.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::PeftError;
use crate::svd::energy;

/// How a rank is chosen.
///
/// Written as an integer (absolute), a fraction in (0, 1] (share of k, the smaller side of the
/// matrix) or `"energy:0.9"` (the smallest rank whose singular values hold that share of the sum of
/// squares).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rank {
    /// This many, for every layer.
    Absolute(usize),
    /// `max(1, floor(ratio * k))`.
    Ratio(f64),
    /// The smallest r with `sum_{i<r} s_i^2 >= share * sum_i s_i^2`.
    Energy(f64),
}

impl Rank {
    /// Whether the singular values decide.
    pub(crate) fn is_of_spectrum(self) -> bool {
        matches!(self, Rank::Energy(_))
    }

    /// The rank for a matrix whose smaller side is `k` and whose singular values are `values`.
    /// Without values an energy rank is `None`. The result may exceed `k`.
    pub(crate) fn resolve(self, k: usize, values: Option<&[f32]>) -> Option<usize> {
        match self {
            Rank::Absolute(rank) => Some(rank),
            // The small slack keeps e.g. 0.3 * 10 at 3 although the product rounds below it.
            Rank::Ratio(ratio) => Some(((ratio * k as f64 + 1e-9) as usize).max(1)),
            Rank::Energy(share) => values.map(|values| energy_rank(values, share)),
        }
    }

    pub(crate) fn check(self, setting: &'static str) -> Result<(), PeftError> {
        let ok = match self {
            Rank::Absolute(_) => true,
            Rank::Ratio(share) | Rank::Energy(share) => share > 0.0 && share <= 1.0,
        };
        if ok {
            return Ok(());
        }
        Err(PeftError::InvalidSetting {
            setting,
            value: self.to_string(),
            expected: "an integer, a fraction in (0, 1], or \"energy:SHARE\" with SHARE in (0, 1]",
        })
    }
}

/// The smallest count of leading values that holds `share` of the energy; at least 1.
fn energy_rank(values: &[f32], share: f64) -> usize {
    let squares = values.iter().map(|v| f64::from(*v) * f64::from(*v));
    let wanted = share * energy(values);
    let mut held = 0.0;
    for (index, square) in squares.enumerate() {
        held += square;
        if held >= wanted {
            return index + 1;
        }
    }
    values.len()
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rank::Absolute(rank) => write!(f, "{rank}"),
            Rank::Ratio(ratio) => write!(f, "{ratio:?}"),
            Rank::Energy(share) => write!(f, "energy:{share}"),
        }
    }
}

impl Serialize for Rank {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Rank::Absolute(rank) => serializer.serialize_u64(*rank as u64),
            Rank::Ratio(ratio) => serializer.serialize_f64(*ratio),
            Rank::Energy(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Rank {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RankVisitor;

        impl Visitor<'_> for RankVisitor {
            type Value = Rank;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rank: an integer, a fraction in (0, 1], or \"energy:SHARE\"")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Rank, E> {
                usize::try_from(value)
                    .map(Rank::Absolute)
                    .map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Rank, E> {
                usize::try_from(value)
                    .map(Rank::Absolute)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Rank, E> {
                Ok(Rank::Ratio(value))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Rank, E> {
                value
                    .strip_prefix("energy:")
                    .and_then(|share| share.trim().parse().ok())
                    .map(Rank::Energy)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(value), &self))
            }
        }

        deserializer.deserialize_any(RankVisitor)
    }
}

/// The rank that one layer's factors have: what [`Rank`]s, budgets and a schedule come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LayerRank {
    /// Rank r of the update.
    Single(usize),
    /// SALT: r scaled and shifted singular values, inner dimension d of the tail's factors.
    HeadTail {
        /// r.
        head: usize,
        /// d.
        tail: usize,
    },
    /// SVFT: all k singular values with so many off-diagonals on either side.
    Banded {
        /// Singular values.
        k: usize,
        /// Off-diagonals on either side.
        band: usize,
    },
}

impl LayerRank {
    /// The part of the rank that a budget decides: the tail, or all of it.
    pub(crate) fn shared(self) -> usize {
        match self {
            LayerRank::Single(rank) => rank,
            LayerRank::HeadTail { tail, .. } => tail,
            LayerRank::Banded { band, .. } => band,
        }
    }

    /// The same with another value of that part.
    pub(crate) fn with_shared(self, value: usize) -> Self {
        match self {
            LayerRank::Single(_) => LayerRank::Single(value),
            LayerRank::HeadTail { head, .. } => LayerRank::HeadTail { head, tail: value },
            LayerRank::Banded { k, .. } => LayerRank::Banded { k, band: value },
        }
    }
}

impl fmt::Display for LayerRank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerRank::Single(rank) => write!(f, "{rank}"),
            LayerRank::HeadTail { head, tail } => write!(f, "{head}+{tail}"),
            LayerRank::Banded { k, band } => write!(f, "{k}, band {band}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Result<Rank, &str>) {
        let got: Result<Rank, _> = serde_json::from_str(input);
        match (got, expected) {
            (Ok(rank), Ok(expected)) => {
                assert_eq!(rank, expected);
                let back = serde_json::to_string(&rank).expect("ranks serialise");
                assert_eq!(
                    serde_json::from_str::<Rank>(&back).expect("and read back"),
                    rank
                );
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, expected) => panic!("{input}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn ranks_are_written_three_ways() {
        check("8", Ok(Rank::Absolute(8)));
        check("0.1", Ok(Rank::Ratio(0.1)));
        check("1.0", Ok(Rank::Ratio(1.0)));
        check("\"energy:0.9\"", Ok(Rank::Energy(0.9)));
        check("-1", Err("integer"));
        check("\"energy\"", Err("energy:SHARE"));
        check("true", Err("a rank"));
    }

    #[test]
    fn ranks_resolve() {
        assert_eq!(Rank::Ratio(0.1).resolve(192, None), Some(19));
        assert_eq!(Rank::Ratio(0.3).resolve(10, None), Some(3));
        assert_eq!(Rank::Ratio(0.1).resolve(4, None), Some(1));
        assert_eq!(Rank::Energy(0.5).resolve(3, None), None);
        // Energies 16, 4, 1: two of them hold 20 / 21 = 0.952.
        let values = [4.0, 2.0, 1.0];
        assert_eq!(Rank::Energy(0.76).resolve(3, Some(&values)), Some(1));
        assert_eq!(Rank::Energy(0.95).resolve(3, Some(&values)), Some(2));
        assert_eq!(Rank::Energy(1.0).resolve(3, Some(&values)), Some(3));
        assert_eq!(Rank::Energy(0.9).resolve(2, Some(&[0.0, 0.0])), Some(1));
    }

    #[test]
    fn ranks_of_layers_are_written_and_read() {
        for (rank, text, shown) in [
            (LayerRank::Single(4), "4", "4"),
            (
                LayerRank::HeadTail { head: 19, tail: 4 },
                r#"{"head":19,"tail":4}"#,
                "19+4",
            ),
            (
                LayerRank::Banded { k: 14, band: 2 },
                r#"{"k":14,"band":2}"#,
                "14, band 2",
            ),
        ] {
            assert_eq!(serde_json::to_string(&rank).expect("plain data"), text);
            let read: LayerRank = serde_json::from_str(text).expect("written by us");
            assert_eq!(read, rank);
            assert_eq!(read.to_string(), shown);
            assert_eq!(read.with_shared(7).shared(), 7);
        }
        serde_json::from_str::<LayerRank>(r#"{"head":-1,"tail":4}"#).expect_err("negative");
    }
}
