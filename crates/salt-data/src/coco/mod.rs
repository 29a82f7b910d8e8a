//! COCO annotation files to label maps.

mod document;
mod error;
mod polygon;
mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

pub use error::CocoError;

use crate::decode_image::MAX_PIXELS;
use crate::pixels::{IGNORE_LABEL, LabelMap};
use document::{Annotation, Document, Image, Segmentation};

/// Longest file that is read; the largest of COCO itself has 470 MB.
const MAX_FILE_BYTES: u64 = 1 << 29;

/// Outline points and filled pixels that an image of any size may need: about a second's work.
const FREE_WORK: u64 = 1 << 28;

/// How often a large image may be covered by its annotations if that is more than [`FREE_WORK`].
const MAX_COVERS: u64 = 64;

/// A picture of a COCO file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CocoImage {
    /// Its number.
    pub id: i64,
    /// Its file, relative to the folder of pictures; it does not lead out of it.
    pub file_name: String,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// A class of a COCO file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CocoCategory {
    /// Its number.
    pub id: i64,
    /// Its name, which may be empty.
    pub name: String,
}

/// A COCO file whose every entry has been checked.
#[derive(Debug)]
pub struct CocoFile {
    path: PathBuf,
    images: Vec<CocoImage>,
    place: BTreeMap<i64, usize>,
    categories: BTreeMap<i64, CocoCategory>,
    /// Per image, in the file's order.
    outlines: Vec<Vec<Outline>>,
}

/// An annotation's region.
#[derive(Debug)]
struct Outline {
    category: i64,
    crowd: bool,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Polygons(Vec<Vec<[f64; 2]>>),
    /// Pixel numbers `x * height + y`.
    Runs(Vec<Range<usize>>),
}

impl CocoFile {
    /// Reads and checks a whole file.
    ///
    /// # Errors
    /// [`CocoError`].
    pub fn read(path: &Path) -> Result<Self, CocoError> {
        let io = |source| CocoError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let received = file.metadata().map_err(io)?.len();
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(CocoError::FileSize {
                path: path.to_owned(),
                received,
                limit: MAX_FILE_BYTES,
            });
        }
        Self::parse(&bytes, path)
    }

    /// Reads a file from memory; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`CocoFile::read`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, CocoError> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| no_json(&error, bytes, path))?;
        let duplicate = |list, id| CocoError::DuplicateId {
            path: path.to_owned(),
            list,
            id,
        };
        let mut file = Self {
            path: path.to_owned(),
            images: Vec::new(),
            place: BTreeMap::new(),
            categories: BTreeMap::new(),
            outlines: Vec::new(),
        };
        for image in document.images.0 {
            let image = file.checked_image(image)?;
            if file.place.insert(image.id, file.images.len()).is_some() {
                return Err(duplicate("images", image.id));
            }
            file.images.push(image);
            file.outlines.push(Vec::new());
        }
        for document::Category { id, name } in document.categories.0 {
            if file
                .categories
                .insert(id, CocoCategory { id, name })
                .is_some()
            {
                return Err(duplicate("categories", id));
            }
        }
        let mut seen = BTreeSet::new();
        for annotation in document.annotations.0 {
            if !seen.insert(annotation.id) {
                return Err(duplicate("annotations", annotation.id));
            }
            file.add(annotation)?;
        }
        Ok(file)
    }

    /// The pictures, in the file's order.
    pub fn images(&self) -> &[CocoImage] {
        &self.images
    }

    /// The classes, by their number.
    pub fn categories(&self) -> impl Iterator<Item = &CocoCategory> {
        self.categories.values()
    }

    /// Pictures without any annotation: background, or forgotten.
    pub fn unannotated(&self) -> impl Iterator<Item = &CocoImage> {
        let counts = self.images.iter().zip(&self.outlines);
        counts
            .filter(|(_, outlines)| outlines.is_empty())
            .map(|(image, _)| image)
    }

    /// Confirms that the picture of `image_id` is as large as the file says.
    ///
    /// # Errors
    /// [`CocoError::UnknownImage`] or [`CocoError::SizeMismatch`].
    pub fn check_size(&self, image_id: i64, received: [usize; 2]) -> Result<(), CocoError> {
        let image = &self.images[self.find(image_id)?];
        let expected = [image.width, image.height];
        if expected == received {
            return Ok(());
        }
        Err(CocoError::SizeMismatch {
            path: self.path.clone(),
            id: image_id,
            expected,
            received,
        })
    }

    /// The label map of an image: all polygons and runs of all its annotations.
    ///
    /// `class_of` gives the class of a category, or `None` to leave its annotations out. Where
    /// annotations overlap, the later one in the file is on top. Crowds (`iscrowd` 1) mark regions
    /// that were not annotated one by one: their pixels become [`IGNORE_LABEL`] where nothing else
    /// lies. Pixels equal those of pycocotools' `annToMask`.
    ///
    /// # Errors
    /// [`CocoError::UnknownImage`]; [`CocoError::Unannotated`] if the image has no annotation at
    /// all; [`CocoError::TooComplex`].
    pub fn rasterise(
        &self,
        image_id: i64,
        class_of: impl Fn(&CocoCategory) -> Option<u8>,
    ) -> Result<LabelMap, CocoError> {
        let place = self.find(image_id)?;
        let (image, outlines) = (&self.images[place], &self.outlines[place]);
        if outlines.is_empty() {
            return Err(CocoError::Unannotated {
                path: self.path.clone(),
                id: image_id,
                file_name: image.file_name.clone(),
            });
        }
        let pixels = image.width * image.height;
        let mut labels = LabelMap {
            width: image.width,
            height: image.height,
            classes: vec![0; pixels],
        };
        let mut work = FREE_WORK.max(MAX_COVERS * pixels as u64);
        for crowd in [true, false] {
            for outline in outlines.iter().filter(|outline| outline.crowd == crowd) {
                let Some(class) = self.categories.get(&outline.category).and_then(&class_of) else {
                    continue;
                };
                let class = if crowd { IGNORE_LABEL } else { class };
                draw(&outline.shape, class, &mut labels, &mut work).ok_or_else(|| {
                    CocoError::TooComplex {
                        path: self.path.clone(),
                        id: image_id,
                    }
                })?;
            }
        }
        Ok(labels)
    }

    fn find(&self, id: i64) -> Result<usize, CocoError> {
        let unknown = || CocoError::UnknownImage {
            path: self.path.clone(),
            id,
        };
        self.place.get(&id).copied().ok_or_else(unknown)
    }

    fn checked_image(&self, image: Image) -> Result<CocoImage, CocoError> {
        let Image {
            id,
            file_name,
            width,
            height,
        } = image;
        if !(1..=MAX_PIXELS).contains(&width.saturating_mul(height)) {
            return Err(CocoError::ImageSize {
                path: self.path.clone(),
                id,
                width,
                height,
                limit: MAX_PIXELS,
            });
        }
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        let name = Path::new(&file_name);
        let plain = name.file_name().is_some() && !file_name.contains(['\\', ':', '\0']);
        if !plain || !name.components().all(inside) {
            return Err(CocoError::EscapingName {
                path: self.path.clone(),
                id,
                received: file_name,
            });
        }
        Ok(CocoImage {
            id,
            file_name,
            width: width as usize,
            height: height as usize,
        })
    }

    /// Checks an annotation and files it under its image.
    fn add(&mut self, annotation: Annotation) -> Result<(), CocoError> {
        let (path, number) = (|| self.path.clone(), annotation.id);
        let Some(&place) = self.place.get(&annotation.image_id) else {
            return Err(CocoError::OrphanAnnotation {
                path: path(),
                annotation: number,
                id: annotation.image_id,
            });
        };
        if !self.categories.contains_key(&annotation.category_id) {
            return Err(CocoError::UnknownCategory {
                path: path(),
                annotation: number,
                id: annotation.category_id,
            });
        }
        let image = &self.images[place];
        let shape = match annotation.segmentation {
            Segmentation::Polygons(polygons) if polygons.is_empty() => {
                return Err(CocoError::NoSegmentation {
                    path: path(),
                    annotation: number,
                });
            }
            Segmentation::Polygons(polygons) => {
                let points = polygons
                    .iter()
                    .map(|polygon| self.points(&polygon.0, image, number));
                Shape::Polygons(points.collect::<Result<_, _>>()?)
            }
            Segmentation::Runs { size, counts } => {
                let expected = [image.height, image.width];
                if size != expected.map(|extent| extent as u64) {
                    return Err(CocoError::RunsSize {
                        path: path(),
                        annotation: number,
                        expected,
                        received: size,
                    });
                }
                let runs = runs::runs(&counts, image.width * image.height);
                Shape::Runs(runs.map_err(|problem| CocoError::Runs {
                    path: path(),
                    annotation: number,
                    problem,
                })?)
            }
        };
        self.outlines[place].push(Outline {
            category: annotation.category_id,
            crowd: annotation.iscrowd != 0,
            shape,
        });
        Ok(())
    }

    fn points(
        &self,
        numbers: &[f64],
        image: &CocoImage,
        annotation: i64,
    ) -> Result<Vec<[f64; 2]>, CocoError> {
        let (points, rest) = numbers.as_chunks::<2>();
        if points.len() < 3 || !rest.is_empty() {
            return Err(CocoError::PolygonLength {
                path: self.path.clone(),
                annotation,
                received: numbers.len(),
            });
        }
        let (width, height) = (image.width as f64, image.height as f64);
        let near = |[x, y]: [f64; 2]| {
            (-width..=2.0 * width).contains(&x) && (-height..=2.0 * height).contains(&y)
        };
        match points.iter().find(|point| !near(**point)) {
            None => Ok(points.to_vec()),
            Some(&point) => Err(CocoError::FarOutside {
                path: self.path.clone(),
                annotation,
                size: [image.width, image.height],
                point,
            }),
        }
    }
}

/// Draws a shape, or says `None` when the work that is allowed is used up.
fn draw(shape: &Shape, class: u8, labels: &mut LabelMap, work: &mut u64) -> Option<()> {
    match shape {
        Shape::Runs(runs) => fill(runs, class, labels, work),
        Shape::Polygons(polygons) => polygons.iter().try_for_each(|points| {
            *work = work.checked_sub(polygon::steps(points))?;
            fill(
                &polygon::runs(points, labels.width, labels.height),
                class,
                labels,
                work,
            )
        }),
    }
}

fn fill(runs: &[Range<usize>], class: u8, labels: &mut LabelMap, work: &mut u64) -> Option<()> {
    for run in runs {
        *work = work.checked_sub(run.len() as u64)?;
        for pixel in run.clone() {
            let (x, y) = (pixel / labels.height, pixel % labels.height);
            labels.classes[y * labels.width + x] = class;
        }
    }
    Some(())
}

/// Tells numbers that JSON does not have from other mistakes.
fn no_json(error: &serde_json::Error, bytes: &[u8], path: &Path) -> CocoError {
    let line = error.line();
    let text = bytes
        .split(|&byte| byte == b'\n')
        .nth(line.saturating_sub(1))
        .unwrap_or_default();
    // The column of the error is that of the first character that cannot be.
    let from = error.column().saturating_sub(2).min(text.len());
    let near = String::from_utf8_lossy(&text[from..text.len().min(from + 12)]);
    let literal = ["NaN", "-Infinity", "Infinity"]
        .into_iter()
        .find(|word| near.contains(word));
    let message = error.to_string();
    let received = match literal {
        Some(literal) => literal,
        None if message.starts_with("number out of range") => "a number beyond f64",
        None => {
            return CocoError::Json {
                path: path.to_owned(),
                problem: message,
            };
        }
    };
    CocoError::NotFinite {
        path: path.to_owned(),
        line,
        received: received.to_owned(),
    }
}
