//! A class for each colour.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::{PolicyError, largest_class};
use crate::error::DataError;
use crate::pixels::IGNORE_LABEL;
use crate::raster::{Raster, Samples};

/// An 8-bit RGB colour, written `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Colour(pub [u8; 3]);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl FromStr for Colour {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text
            .strip_prefix('#')
            .filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match number {
            Some(number) => {
                let [_, r, g, b] = number.to_be_bytes();
                Ok(Self([r, g, b]))
            }
            None => Err(format!(
                "`{text}` where a colour like \"#ff0000\" is expected"
            )),
        }
    }
}

/// The policy `colours`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colours {
    /// The class of each colour.
    pub colours: BTreeMap<Colour, u8>,
    /// The class of colours that are not mentioned; without it they are errors.
    pub other: Option<u8>,
    /// Colour of pixels without truth.
    pub ignore: Option<Colour>,
}

impl Colours {
    pub(super) fn n_classes(&self) -> usize {
        largest_class(self.colours.values().chain(&self.other))
    }

    fn label(&self, colour: Colour) -> Option<u8> {
        if self.ignore == Some(colour) {
            return Some(IGNORE_LABEL);
        }
        let background = (colour == Colour([0; 3])).then_some(0);
        self.colours
            .get(&colour)
            .copied()
            .or(background)
            .or(self.other)
    }

    /// The label of each pixel of a picture. Palettes are looked up, grey counts as three channels.
    pub(crate) fn labels_of(&self, raster: &Raster, path: &Path) -> Result<Vec<u16>, DataError> {
        let kind = |received, remedy| PolicyError::Kind {
            path: path.to_owned(),
            policy: "colours",
            received,
            remedy,
        };
        if raster.is_lossy() {
            let received = "the disturbed colours of a JPEG file";
            return Err(kind(received, "export the masks as PNG").into());
        }
        if matches!(raster.samples, Samples::U16(_)) {
            let received = "colours of 16 bits";
            return Err(kind(received, "export the masks with 8 bits").into());
        }
        let rgb = raster.to_rgb8();
        let mut unmapped: BTreeMap<Colour, u64> = BTreeMap::new();
        let mut labels = Vec::with_capacity(rgb.len() / 3);
        // Masks are made of areas: most pixels have the colour of the one before.
        let mut last = None;
        for pixel in rgb.chunks_exact(3) {
            let colour = Colour([pixel[0], pixel[1], pixel[2]]);
            let label = match last {
                Some((same, label)) if same == colour => label,
                _ => self.label(colour),
            };
            last = Some((colour, label));
            if label.is_none() {
                *unmapped.entry(colour).or_default() += 1;
            }
            labels.push(u16::from(label.unwrap_or(IGNORE_LABEL)));
        }
        match unmapped.into_iter().max_by_key(|(_, count)| *count) {
            None => Ok(labels),
            Some((colour, count)) => Err(PolicyError::Unmapped {
                path: path.to_owned(),
                value: format!("the colour {colour}"),
                count,
                known: self.known(),
            }
            .into()),
        }
    }

    fn known(&self) -> String {
        let known = self.colours.keys().copied().chain(self.ignore);
        let known: Vec<String> = known.map(|colour| colour.to_string()).collect();
        format!("black and the colours {}", known.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::Colour;

    #[test]
    fn colours_are_read_as_they_are_written() {
        assert_eq!("#Ff8000".parse(), Ok(Colour([255, 128, 0])));
        assert_eq!(Colour([255, 128, 0]).to_string(), "#ff8000");
        for wrong in ["ff8000", "#ff800", "#ff80000", "#+f8000", "red", ""] {
            assert!(wrong.parse::<Colour>().is_err(), "{wrong}");
        }
    }
}
