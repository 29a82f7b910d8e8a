//! Small data sets in temporary folders.

use std::path::{Path, PathBuf};

use png::{BitDepth, ColorType, Encoder};
use tempfile::TempDir;

/// A folder under construction; removed when dropped.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Three 8x6 pairs a, b, c of three patients in train, val and test.
    pub(crate) fn sound() -> Self {
        let folder = Self::empty();
        for (k, name) in ["a", "b", "c"].into_iter().enumerate() {
            folder.image(&format!("images/{name}.png"), 8, 6, k as u8);
            folder.mask(&format!("masks/{name}_mask.png"), 8, 6, 255);
        }
        folder.text(
            "data_split.csv",
            "imgs,split,group\na.jpg,train,1\nb.jpg,val,2\nc.jpg,test,3\n",
        );
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("inside the folder")).expect("created");
        path
    }

    pub(crate) fn text(&self, name: &str, text: &str) {
        std::fs::write(self.at(name), text).expect("written");
    }

    /// A picture that depends on `salt`, so that different salts are different pictures.
    pub(crate) fn image(&self, name: &str, width: u32, height: u32, salt: u8) {
        let data = (0..width * height * 3)
            .map(|i| (i % 50) as u8 + salt)
            .collect::<Vec<_>>();
        self.png(name, width, height, ColorType::Rgb, BitDepth::Eight, &data);
    }

    /// A grey mask whose first row is `value`.
    pub(crate) fn mask(&self, name: &str, width: u32, height: u32, value: u8) {
        let data: Vec<u8> = (0..width * height)
            .map(|i| if i < width { value } else { 0 })
            .collect();
        self.grey(name, width, height, &data);
    }

    pub(crate) fn grey(&self, name: &str, width: u32, height: u32, data: &[u8]) {
        let kind = (ColorType::Grayscale, BitDepth::Eight);
        self.png(name, width, height, kind.0, kind.1, data);
    }

    pub(crate) fn png(
        &self,
        name: &str,
        width: u32,
        height: u32,
        colour: ColorType,
        depth: BitDepth,
        data: &[u8],
    ) {
        let file = std::fs::File::create(self.at(name)).expect("created");
        let mut encoder = Encoder::new(file, width, height);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == ColorType::Indexed {
            // Colours that would mislead whoever looks them up: index 1 is black, 0 is white.
            encoder.set_palette([255, 255, 255, 0, 0, 0, 9, 9, 9, 200, 0, 0].as_slice());
        }
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(data).expect("written");
    }
}

/// A data set of the shared folder, or `None` with a line that says so.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    if path.is_dir() {
        return Some(path);
    }
    skipped(name);
    None
}

#[expect(clippy::print_stderr, reason = "a test that tests nothing must say so")]
fn skipped(name: &str) {
    eprintln!("SKIPPED: shared/data/{name} is not here");
}
