//! The data sets of a benchmark: the generated vessels by name, any other by its folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use salt_data::synth::vessels::VERSION;
use salt_data::{Dataset, Split};
use toml::{Table, Value};

use super::preset::{Preset, Vessels};
use crate::usage::UsageError;
use crate::workspace;

/// Name of the generated set.
pub(crate) const VESSELS: &str = "vessels";

/// Images are cut into tiles at native resolution up to this many inputs a side, and at half
/// resolution beyond: then a tile sees enough of a large image, and an epoch stays short.
const NATIVE_UP_TO: u32 = 4;

/// A data set of the matrix.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    /// What folders and tables call it.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) path: PathBuf,
    /// How its images become network inputs.
    pub(crate) view: View,
}

/// How images become network inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum View {
    /// Whole images, scaled to the input.
    Resize,
    /// Windows of the input's size, cut from the image at this scale.
    Tiles { scale: f64 },
}

impl View {
    /// Small images are seen whole, larger ones in tiles.
    fn of(longest_px: u32, input_px: u32) -> Self {
        if longest_px <= input_px {
            Self::Resize
        } else if longest_px <= NATIVE_UP_TO * input_px {
            Self::Tiles { scale: 1.0 }
        } else {
            Self::Tiles { scale: 0.5 }
        }
    }

    /// The keys of the recipe's `[data]` section.
    pub(crate) fn keys(self) -> Table {
        let mut keys = Table::new();
        match self {
            Self::Resize => {
                keys.insert("view".into(), "resize".into());
            }
            Self::Tiles { scale } => {
                keys.insert("view".into(), "tiles".into());
                keys.insert("scale".into(), Value::Float(scale));
            }
        }
        keys
    }
}

/// What `--datasets` means: a folder that exists, or the name of a generated set.
pub(crate) fn resolve(
    names: &[String],
    preset: &Preset,
    out: &Path,
) -> anyhow::Result<Vec<Source>> {
    let mut sources: Vec<Source> = Vec::new();
    for name in names {
        let folder = Path::new(name);
        let source = if name == VESSELS && !folder.is_dir() {
            let vessels = preset.vessels.ok_or_else(|| {
                UsageError(format!(
                    "the preset has no `{VESSELS}`; name a folder instead"
                ))
            })?;
            generated(vessels, preset, out)
        } else {
            in_folder(folder, preset)?
        };
        if let Some(other) = sources.iter().find(|other| other.name == source.name) {
            let (one, two) = (other.path.display(), source.path.display());
            let message = format!("{one} and {two} would both be called `{}`", source.name);
            return Err(UsageError(message).into());
        }
        sources.push(source);
    }
    if sources.is_empty() {
        return Err(UsageError(
            "this preset brings no data set: name folders with --datasets".into(),
        )
        .into());
    }
    Ok(sources)
}

fn generated(vessels: Vessels, preset: &Preset, out: &Path) -> Source {
    let Vessels {
        count,
        size_px,
        seed,
    } = vessels;
    // The parameters are in the name, so that other parameters make another set.
    let folder = format!("{VESSELS}-v{VERSION}-{count}x{size_px}px-s{seed}");
    Source {
        name: VESSELS.to_owned(),
        path: out.join("data").join(folder),
        view: View::of(size_px, preset.image_size),
    }
}

fn in_folder(folder: &Path, preset: &Preset) -> anyhow::Result<Source> {
    if !folder.is_dir() {
        let shown = folder.display();
        let message = format!(
            "`{shown}` is neither `{VESSELS}` nor a folder with images, masks and a split file"
        );
        return Err(UsageError(message).into());
    }
    let dataset = open(folder)?;
    let first = dataset
        .cases
        .first()
        .context("a data set has at least one case")?;
    let image = dataset
        .load(first)
        .with_context(|| format!("case `{}`", first.id))?
        .image;
    let longest = u32::try_from(image.width.max(image.height)).unwrap_or(u32::MAX);
    let named = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = named
        .filter(|name| name != ".")
        .unwrap_or_else(|| dataset.name.clone());
    // Two underscores separate the parts of a cell's name.
    let name = name.replace("__", "-").replace(char::is_whitespace, "-");
    Ok(Source {
        name,
        path: folder.to_owned(),
        view: View::of(longest, preset.image_size),
    })
}

/// Open a folder and make sure that there is something to train on and something to test on.
fn open(folder: &Path) -> anyhow::Result<Dataset> {
    let dataset =
        Dataset::open(folder).with_context(|| format!("data set `{}`", folder.display()))?;
    for (split, name) in [(Split::Train, "train"), (Split::Test, "test")] {
        ensure!(
            !dataset.split(split).is_empty(),
            "data set `{}` has no case in its {name} split; `salt data verify` tells more",
            folder.display()
        );
    }
    Ok(dataset)
}

/// Hash of everything in a data set that a run reads, `None` when it has not been generated yet.
pub(crate) fn sha256(source: &Source) -> anyhow::Result<Option<String>> {
    if !source.path.is_dir() {
        return Ok(None);
    }
    let dataset = open(&source.path)?;
    let hash = dataset
        .sha256()
        .with_context(|| format!("data set `{}`", source.path.display()))?;
    Ok(Some(hash))
}

/// Draw the generated set unless it is there. It appears under its name only when it is complete.
pub(crate) fn generate(salt: &Path, source: &Source, vessels: Vessels) -> anyhow::Result<()> {
    if source.path.is_dir() {
        return Ok(());
    }
    let partial = source
        .path
        .with_extension(format!("partial-{}", std::process::id()));
    let parent = partial
        .parent()
        .context("a generated set lies in the output folder")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let mut command = Command::new(salt);
    command
        .args(["data", "synth", "vessels", "--out"])
        .arg(&partial);
    command.args(["--count", &vessels.count.to_string()]);
    command.args(["--size", &vessels.size_px.to_string()]);
    command.args(["--seed", &vessels.seed.to_string()]);
    workspace::step(&mut command)?;
    match fs::rename(&partial, &source.path) {
        // Another shard was faster, and drew the same images.
        Err(_) if source.path.is_dir() => fs::remove_dir_all(&partial).map_err(Into::into),
        moved => moved.with_context(|| format!("cannot put {} in place", source.path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::preset::PresetName;

    #[test]
    fn the_view_follows_the_size_of_the_images() {
        assert_eq!(View::of(128, 128), View::Resize);
        assert_eq!(View::of(320, 128), View::Tiles { scale: 1.0 });
        assert_eq!(View::of(999, 128), View::Tiles { scale: 0.5 });
        assert_eq!(View::of(999, 512), View::Tiles { scale: 1.0 });
    }

    #[test]
    fn the_generated_set_has_its_parameters_in_its_folder() {
        let out = Path::new("out");
        let sources = resolve(&[VESSELS.to_owned()], PresetName::Quick.get(), out).unwrap();
        let name = sources[0].path.file_name().unwrap().to_string_lossy();
        assert!(
            name.starts_with(&format!("vessels-v{VERSION}-")) && name.contains("px-s"),
            "{name}"
        );
        assert_eq!(sources[0].name, VESSELS);
    }

    #[test]
    fn a_name_that_is_no_folder_is_wrong_use() {
        let out = Path::new("out");
        let error = resolve(&["no-such-set".to_owned()], PresetName::Quick.get(), out).unwrap_err();
        assert!(error.downcast_ref::<UsageError>().is_some(), "{error:?}");
        assert!(error.to_string().contains("no-such-set"), "{error}");
        let error = resolve(&[], PresetName::Paper.get(), out).unwrap_err();
        assert!(error.to_string().contains("--datasets"), "{error}");
    }

    #[test]
    fn a_folder_that_is_no_data_set_is_named_in_the_error() {
        let tmp = tempfile::tempdir().unwrap();
        let name = tmp.path().display().to_string();
        let error = resolve(
            std::slice::from_ref(&name),
            PresetName::Quick.get(),
            Path::new("out"),
        )
        .unwrap_err();
        assert!(format!("{error:#}").contains(&name), "{error:#}");
    }
}
