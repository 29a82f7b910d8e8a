//! The JSON of a COCO file, with a cap on every list.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most entries of the lists `images`, `annotations` and `categories`.
const MAX_ENTRIES: usize = 4_000_000;
/// Most polygons of an annotation.
const MAX_POLYGONS: usize = 100_000;
/// Most numbers of a polygon, or runs of a mask.
const MAX_NUMBERS: usize = 4_000_000;

/// A list that stops being read at its cap.
#[derive(Debug)]
pub(super) struct Capped<T, const CAP: usize>(pub(super) Vec<T>);

impl<T, const CAP: usize> Default for Capped<T, CAP> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const CAP: usize> Deserialize<'de> for Capped<T, CAP> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const CAP: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const CAP: usize> Visitor<'de> for List<T, CAP> {
            type Value = Capped<T, CAP>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {CAP} entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                collect::<_, _, CAP>(list).map(Capped)
            }
        }
        deserializer.deserialize_seq(List(PhantomData))
    }
}

fn collect<'de, T: Deserialize<'de>, A: SeqAccess<'de>, const CAP: usize>(
    mut list: A,
) -> Result<Vec<T>, A::Error> {
    let mut values = Vec::new();
    while let Some(value) = list.next_element()? {
        if values.len() == CAP {
            return Err(A::Error::custom(format_args!(
                "a list of more than {CAP} entries"
            )));
        }
        values.push(value);
    }
    Ok(values)
}

#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) images: Capped<Image, MAX_ENTRIES>,
    #[serde(default)]
    pub(super) annotations: Capped<Annotation, MAX_ENTRIES>,
    #[serde(default)]
    pub(super) categories: Capped<Category, MAX_ENTRIES>,
}

#[derive(Deserialize)]
pub(super) struct Image {
    pub(super) id: i64,
    pub(super) file_name: String,
    pub(super) width: u64,
    pub(super) height: u64,
}

#[derive(Deserialize)]
pub(super) struct Category {
    pub(super) id: i64,
    #[serde(default)]
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Annotation {
    pub(super) id: i64,
    pub(super) image_id: i64,
    pub(super) category_id: i64,
    #[serde(default)]
    pub(super) segmentation: Segmentation,
    #[serde(default)]
    pub(super) iscrowd: u8,
}

/// The three ways to write an outline.
#[derive(Debug)]
pub(super) enum Segmentation {
    Polygons(Vec<Capped<f64, MAX_NUMBERS>>),
    Runs { size: [u64; 2], counts: Counts },
}

impl Default for Segmentation {
    fn default() -> Self {
        Self::Polygons(Vec::new())
    }
}

/// Lengths of runs, column by column, plain or in COCO's text form.
#[derive(Debug)]
pub(super) enum Counts {
    Plain(Vec<u64>),
    Text(String),
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outline;
        impl<'de> Visitor<'de> for Outline {
            type Value = Segmentation;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of polygons, or size and counts of runs")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                collect::<_, _, MAX_POLYGONS>(list).map(Segmentation::Polygons)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut size, mut counts) = (None, None);
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "size" => size = Some(map.next_value()?),
                        "counts" => counts = Some(map.next_value()?),
                        _ => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(Segmentation::Runs {
                    size: size.ok_or_else(|| A::Error::missing_field("size"))?,
                    counts: counts.ok_or_else(|| A::Error::missing_field("counts"))?,
                })
            }
        }
        deserializer.deserialize_any(Outline)
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Runs;
        impl<'de> Visitor<'de> for Runs {
            type Value = Counts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of lengths, or a text")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                collect::<_, _, MAX_NUMBERS>(list).map(Counts::Plain)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Counts::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Runs)
    }
}
