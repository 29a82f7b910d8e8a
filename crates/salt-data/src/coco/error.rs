//! Everything that can be wrong with a COCO file, and what to do.

use std::path::{Path, PathBuf};

/// Why a COCO file gives no label map.
///
/// Every message reads "expected ..., received ...; remedy".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CocoError {
    /// Reading failed.
    #[error("expected to read {}, received: {source}; check the path and permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file larger than any we know.
    #[error("expected at most {limit} bytes in {}, received {received}; split the file", path.display())]
    FileSize {
        /// The file.
        path: PathBuf,
        /// Its length.
        received: u64,
        /// The longest allowed.
        limit: u64,
    },
    /// No JSON, a field of the wrong kind, or a list over its cap.
    #[error(
        "expected {} to be a COCO file (images, annotations, categories), received: {problem}; export it again",
        path.display()
    )]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        problem: String,
    },
    /// `NaN`, `Infinity` or a number beyond f64, which Python writes into JSON.
    #[error(
        "expected finite numbers in {}, received {received} on line {line}; \
         remove that annotation or correct its coordinates", path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What stands there.
        received: String,
    },
    /// An id twice in the same list.
    #[error("expected every id once in `{list}` of {}, received {id} again; renumber the list", path.display())]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// `images`, `annotations` or `categories`.
        list: &'static str,
        /// The id.
        id: i64,
    },
    /// A picture without pixels or with too many.
    #[error(
        "expected image {id} of {} to have 1 to {limit} pixels, received {width} x {height}; correct its entry",
        path.display()
    )]
    ImageSize {
        /// The file.
        path: PathBuf,
        /// The image.
        id: i64,
        /// Width in the file.
        width: u64,
        /// Height in the file.
        height: u64,
        /// Largest allowed number of pixels.
        limit: u64,
    },
    /// A file name that leads out of the folder.
    #[error(
        "expected a file name inside of the images' folder for image {id} of {}, received `{received}`; \
         write it relative, without `..`", path.display()
    )]
    EscapingName {
        /// The file.
        path: PathBuf,
        /// The image.
        id: i64,
        /// The name.
        received: String,
    },
    /// The picture is not as large as the file says.
    #[error(
        "expected image {id} of {} to be {} x {} (width x height) as its entry says, received a picture of {} x {}; \
         use the pictures that were annotated", path.display(), expected[0], expected[1], received[0], received[1]
    )]
    SizeMismatch {
        /// The file.
        path: PathBuf,
        /// The image.
        id: i64,
        /// Width and height in the file.
        expected: [usize; 2],
        /// Width and height of the picture.
        received: [usize; 2],
    },
    /// An id that is no image's.
    #[error("expected the id of an image in {}, received {id}; compare with the list `images`", path.display())]
    UnknownImage {
        /// The file.
        path: PathBuf,
        /// The id asked for.
        id: i64,
    },
    /// An annotation of an image that is not in the file.
    #[error(
        "expected annotation {annotation} of {} to belong to one of its images, received image_id {id}; \
         add the image or remove the annotation", path.display()
    )]
    OrphanAnnotation {
        /// The file.
        path: PathBuf,
        /// The annotation.
        annotation: i64,
        /// The image that is not there.
        id: i64,
    },
    /// An annotation of a category that is not in the file.
    #[error(
        "expected annotation {annotation} of {} to have one of its categories, received category_id {id}; \
         add it to `categories`", path.display()
    )]
    UnknownCategory {
        /// The file.
        path: PathBuf,
        /// The annotation.
        annotation: i64,
        /// The category that is not there.
        id: i64,
    },
    /// An image that nobody annotated; whether it is empty or was forgotten is not known.
    #[error(
        "expected annotations of image {id} ({file_name}) in {}, received none; \
         leave the image out, or take its mask as empty if you know that it is", path.display()
    )]
    Unannotated {
        /// The file.
        path: PathBuf,
        /// The image.
        id: i64,
        /// Its file name.
        file_name: String,
    },
    /// An annotation that has a box but no outline.
    #[error(
        "expected polygons or runs in annotation {annotation} of {}, received an empty segmentation; \
         annotate the outline or remove the annotation", path.display()
    )]
    NoSegmentation {
        /// The file.
        path: PathBuf,
        /// The annotation.
        annotation: i64,
    },
    /// A list of coordinates that is no polygon.
    #[error(
        "expected pairs x, y of at least three points in annotation {annotation} of {}, received {received} numbers; \
         correct the polygon", path.display()
    )]
    PolygonLength {
        /// The file.
        path: PathBuf,
        /// The annotation.
        annotation: i64,
        /// How many numbers the polygon has.
        received: usize,
    },
    /// A point further from the image than the image is large.
    #[error(
        "expected the polygon of annotation {annotation} in {} to lie on its image of {} x {}, received the point \
         ({}, {}); check that image and annotation belong together", path.display(), size[0], size[1], point[0], point[1]
    )]
    FarOutside {
        /// The file.
        path: PathBuf,
        /// The annotation.
        annotation: i64,
        /// Width and height of the image.
        size: [usize; 2],
        /// The point.
        point: [f64; 2],
    },
    /// Runs of another picture.
    #[error(
        "expected runs of size [{}, {}] (height, width) in annotation {annotation} of {}, received [{}, {}]; \
         export the runs at the image's own size", expected[0], expected[1], path.display(), received[0], received[1]
    )]
    RunsSize {
        /// The file.
        path: PathBuf,
        /// The annotation.
        annotation: i64,
        /// Height and width of the image.
        expected: [usize; 2],
        /// Height and width of the runs.
        received: [u64; 2],
    },
    /// Runs that do not cover the picture.
    #[error(
        "expected runs that cover the image in annotation {annotation} of {}, received {problem}; export them again",
        path.display()
    )]
    Runs {
        /// The file.
        path: PathBuf,
        /// The annotation.
        annotation: i64,
        /// What is wrong.
        problem: &'static str,
    },
    /// Outlines that would take minutes to fill.
    #[error(
        "expected outlines of image {id} in {} that can be filled within seconds, received more; \
         remove repeated annotations", path.display()
    )]
    TooComplex {
        /// The file.
        path: PathBuf,
        /// The image.
        id: i64,
    },
}

impl CocoError {
    /// The file the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::FileSize { path, .. }
            | Self::Json { path, .. }
            | Self::NotFinite { path, .. }
            | Self::DuplicateId { path, .. }
            | Self::ImageSize { path, .. }
            | Self::EscapingName { path, .. }
            | Self::SizeMismatch { path, .. }
            | Self::UnknownImage { path, .. }
            | Self::OrphanAnnotation { path, .. }
            | Self::UnknownCategory { path, .. }
            | Self::Unannotated { path, .. }
            | Self::NoSegmentation { path, .. }
            | Self::PolygonLength { path, .. }
            | Self::FarOutside { path, .. }
            | Self::RunsSize { path, .. }
            | Self::Runs { path, .. }
            | Self::TooComplex { path, .. } => path,
        }
    }
}
