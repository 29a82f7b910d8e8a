//! How the files store their samples: bits, palettes, transparency, EXIF orientation.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use super::facts::Facts;
use super::report::{Check, Finding};
use super::{counted, together};
use crate::counted::HAVE;
use crate::decode_image::MAX_PIXELS;
use crate::decode_mask::MaskSource;

/// What a file's header says, and what its samples say about that. Everything is unknown for formats
/// other than those of the crates `png` and `image`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Storage {
    /// Bits of a sample or palette index.
    pub(super) bits: Option<u8>,
    /// Bits that the largest sample needs, for files of 16 bits.
    pub(super) used_bits: Option<u8>,
    /// Whether some pixel is transparent to some degree.
    pub(super) transparent: bool,
    /// EXIF orientation, 1 for none.
    pub(super) orientation: u8,
    /// Colours of a palette.
    pub(super) palette: Vec<[u8; 3]>,
}

impl Storage {
    /// Looks at a file that could be decoded. What cannot be found out stays unknown.
    pub(super) fn of(path: &Path) -> Self {
        let mut storage = Self {
            orientation: 1,
            ..Self::default()
        };
        let deep = storage.read_header(path).unwrap_or(false);
        if deep {
            storage.read_samples(path);
        }
        storage
    }

    /// Whether the samples have more to say: they have 16 bits or transparency.
    fn read_header(&mut self, path: &Path) -> Option<bool> {
        let mut decoder = reader(path)?.into_decoder().ok()?;
        let colour = decoder.color_type();
        let bits = 8 * colour.bytes_per_pixel() / colour.channel_count().max(1);
        self.bits = Some(bits);
        self.orientation = decoder
            .orientation()
            .map_or(1, |orientation| orientation.to_exif());
        // The decoder of PNG announces what it makes of a palette and of small samples.
        let png = png::Decoder::new(BufReader::new(File::open(path).ok()?));
        if let Ok(png) = png.read_info() {
            self.bits = Some(png.info().bit_depth as u8);
            let palette = png.info().palette.as_deref().unwrap_or_default();
            if png.info().color_type == png::ColorType::Indexed {
                let colours = palette.chunks_exact(3);
                self.palette = colours.map(|c| [c[0], c[1], c[2]]).collect();
            }
        }
        Some(bits > 8 || colour.has_alpha())
    }

    fn read_samples(&mut self, path: &Path) {
        let Some(Ok(picture)) = reader(path).map(ImageReader::decode) else {
            return;
        };
        self.transparent = match &picture {
            DynamicImage::ImageLumaA8(p) => p.pixels().any(|p| p.0[1] < u8::MAX),
            DynamicImage::ImageRgba8(p) => p.pixels().any(|p| p.0[3] < u8::MAX),
            DynamicImage::ImageLumaA16(p) => p.pixels().any(|p| p.0[1] < u16::MAX),
            DynamicImage::ImageRgba16(p) => p.pixels().any(|p| p.0[3] < u16::MAX),
            _ => false,
        };
        let largest = match &picture {
            DynamicImage::ImageLuma16(p) => p.pixels().map(|p| p.0[0]).max(),
            DynamicImage::ImageLumaA16(p) => p.pixels().map(|p| p.0[0]).max(),
            DynamicImage::ImageRgb16(p) => p.pixels().flat_map(|p| p.0).max(),
            DynamicImage::ImageRgba16(p) => p.pixels().flat_map(|p| p.0.into_iter().take(3)).max(),
            _ => None,
        };
        self.used_bits = largest.map(|value| (u16::BITS - value.leading_zeros()) as u8);
    }

    /// Whether a file of 16 bits leaves the upper ones empty: its picture comes out dark.
    pub(super) fn wastes_bits(&self) -> bool {
        self.used_bits.is_some_and(|bits| bits > 0 && bits <= 14)
    }
}

fn reader(path: &Path) -> Option<ImageReader<BufReader<File>>> {
    let file = BufReader::new(File::open(path).ok()?);
    let mut reader = ImageReader::new(file).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(8 * MAX_PIXELS);
    reader.limits(limits);
    Some(reader)
}

/// All findings about how samples are stored.
pub(super) fn check(seen: &[Facts]) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(together(
        seen,
        Check::Alpha,
        |one| one.image_storage.transparent,
        |one| &one.case.image,
        (
            "image",
            HAVE,
            "transparent pixels; transparency is dropped, which shows colours that no viewer shows",
        ),
        "export them without an alpha channel, on the background they are meant for",
    ));
    findings.extend(together(
        seen,
        Check::Alpha,
        |one| one.mask_storage.transparent,
        |one| &one.case.mask,
        (
            "mask",
            HAVE,
            "transparent pixels; transparency is dropped, only colours or grey levels count",
        ),
        "export them without an alpha channel",
    ));
    findings.extend(together(
        seen,
        Check::Orientation,
        |one| one.image_storage.orientation != one.mask_storage.orientation,
        |one| &one.case.image,
        (
            "image",
            HAVE,
            "an EXIF orientation other than the mask's; pixels are taken as stored",
        ),
        "lay mask and image over each other: if they do not fit, rotate the image's pixels and remove the EXIF tag",
    ));
    findings.extend(used_bits(seen));
    let depths = [
        (
            "images",
            depths(seen, |one| (&one.case.image, &one.image_storage)),
        ),
        (
            "masks",
            depths(seen, |one| (&one.case.mask, &one.mask_storage)),
        ),
    ];
    for (what, depths) in depths {
        findings.extend(mixed_depths(what, &depths));
    }
    findings.extend(palettes(seen));
    findings
}

fn used_bits(seen: &[Facts]) -> Option<Finding> {
    let wasteful = |one: &&Facts| one.image_storage.wastes_bits();
    let most = seen
        .iter()
        .filter(wasteful)
        .filter_map(|one| one.image_storage.used_bits)
        .max()?;
    together(
        seen,
        Check::BitDepth,
        |one| wasteful(&one),
        |one| &one.case.image,
        (
            "image",
            HAVE,
            &format!(
                "16 bits of which only the lower {most} are used; scaled to 8 bits that is nearly black"
            ),
        ),
        &format!(
            "divide by {} instead of 65535 when exporting",
            (1_u32 << most) - 1
        ),
    )
}

type Depths<'a> = BTreeMap<u8, Vec<&'a Path>>;

fn depths<'a>(
    seen: &'a [Facts],
    of: impl Fn(&'a Facts) -> (&'a std::path::PathBuf, &'a Storage),
) -> Depths<'a> {
    let mut depths = Depths::new();
    for one in seen {
        let (path, storage) = of(one);
        if let Some(bits) = storage.bits {
            depths.entry(bits).or_default().push(path);
        }
    }
    depths
}

fn mixed_depths(what: &str, depths: &Depths<'_>) -> Option<Finding> {
    if depths.len() < 2 {
        return None;
    }
    let rare = depths.values().min_by_key(|files| files.len())?.first()?;
    let counts: Vec<String> = depths
        .iter()
        .map(|(bits, files)| {
            format!(
                "{} ({})",
                counted(usize::from(*bits), "bit"),
                counted(files.len(), "file")
            )
        })
        .collect();
    Some(Finding::warning(
        Check::BitDepth,
        Some(rare),
        format!("{what} have different bit depths: {}", counts.join(", ")),
        "confirm that they come from one source, and export all of them alike",
    ))
}

/// Brightness of a colour (ITU-R BT.601).
fn luma(colour: [u8; 3]) -> u32 {
    let [r, g, b] = colour.map(u32::from);
    (299 * r + 587 * g + 114 * b) / 1000
}

/// Masks count by index; their colours may say something else.
fn palettes(seen: &[Facts]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let indexed = || seen.iter().filter(|one| one.source == MaskSource::Indices);
    let colour = |one: &Facts, value: u16| {
        let palette = &one.mask_storage.palette;
        palette.get(usize::from(value)).copied()
    };
    // 0 is the lightest of the used colours, and light.
    let inverted = |one: &Facts| {
        let ground = colour(one, 0).map_or(0, luma);
        let mut used = one
            .nonzero()
            .filter_map(|value| colour(one, value))
            .peekable();
        ground >= 128 && used.peek().is_some() && used.all(|c| luma(c) < ground)
    };
    findings.extend(together(
        seen,
        Check::Palette,
        |one| one.source == MaskSource::Indices && inverted(one),
        |one| &one.case.mask,
        (
            "mask",
            HAVE,
            "a palette whose index 0, the background, is lighter than the rest",
        ),
        "look at one of them: if the light part is meant as foreground, swap the indices",
    ));
    let mut first = BTreeMap::<u16, ([u8; 3], &Facts)>::new();
    for one in indexed() {
        for value in one.nonzero() {
            let Some(here) = colour(one, value) else {
                continue;
            };
            let (there, other) = *first.entry(value).or_insert((here, one));
            if there != here {
                findings.push(Finding::warning(
                    Check::Palette,
                    Some(&one.case.mask),
                    format!(
                        "index {value} has the colour {here:?} here and {there:?} in the mask of {}",
                        other.case.id
                    ),
                    "confirm that one index is one class in all files, whatever its colour",
                ));
                return findings;
            }
        }
    }
    findings
}
