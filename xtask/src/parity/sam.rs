//! The original Segment Anything and transformers' make a model of full size with random weights and say
//! what it computes; salt-sam loads its files and has to answer the same, from the picture to the masks.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::Parity;
use crate::workspace::{root, step};

/// Where the other side lives.
const FULL_SIZE: &str = "crates/salt-sam/tests/full_size";

/// What precedes the sections of the models in the report.
const INTRODUCTION: &str = "# Parity with the original Segment Anything\n\n\
    `cargo xtask parity sam --model NAME` writes the section of a model. Weights are random, pictures are \
    generated, and everything in the tables is a largest absolute difference. salt-sam's answers are compared \
    with those of transformers' `SamModel` (eager attention, f32; embeddings, low-resolution logits, IoU \
    predictions) and of the original code's `SamPredictor` (logits at the image's size), which are \
    compared with each other first. Both checkpoint files, with the original's names and with transformers', \
    have to be equal. Every prompt is asked for one mask and for three.\n\n\
    Limits: scaled pixels equal, embeddings (of order one) within 1e-3, logits (of order ten) within 1e-2, IoU \
    predictions within 1e-3, every mask's IoU with the oracle's at least 0.999. What a mistake looks like: \
    scaled pixels that were another by one level in one of twelve moved embeddings by 3e-2 and logits by 0.2, \
    and masks had IoUs of 0.998.\n\n\
    At the image's size PyTorch computes the positions between logits in f32: by that alone its logits of this \
    order are up to 7e-4 from those in double.\n";

const DEFAULT_OUT: &str = "docs/results/parity-sam.md";

/// Compare Segment Anything with the original code and with transformers, at full size
#[derive(Debug, clap::Args)]
#[command(
    after_help = "vit_h takes 15 GB of memory and 6 GB of disk; the weights are deleted after a run that \
                  succeeds.\n\nExample:\n  cargo xtask parity sam --model vit_l"
)]
pub(super) struct Args {
    /// The model's size
    #[arg(long, value_enum, default_value_t = Model::VitB)]
    model: Model,
    /// File for the figures; the sections of other models stay in it
    #[arg(long, value_name = "FILE.md", default_value = DEFAULT_OUT)]
    out: PathBuf,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            model: Model::VitB,
            out: DEFAULT_OUT.into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Model {
    VitB,
    VitL,
    VitH,
}

impl Model {
    /// In the order of their sections.
    const ALL: [Self; 3] = [Self::VitB, Self::VitL, Self::VitH];

    fn name(self) -> &'static str {
        match self {
            Self::VitB => "vit_b",
            Self::VitL => "vit_l",
            Self::VitH => "vit_h",
        }
    }
}

/// Run this half.
pub(super) fn run(parity: &Parity, args: &Args) -> anyhow::Result<()> {
    let requirements = format!("{FULL_SIZE}/requirements.txt");
    let modules = "torch, torchvision, transformers, segment_anything, safetensors";
    let python = parity.python(modules, &requirements)?;
    let name = args.model.name();
    let folder = parity.folder.join(name);
    super::clear(&folder)?;
    let mut oracle = Command::new(&python);
    oracle.arg(root().join(FULL_SIZE).join("oracle.py"));
    step(oracle.arg("write").arg(&folder).args(["--model", name]))?;
    super::tests("salt-sam", "full_size::", "SALT_SAM_PARITY", &folder)?;

    let oracles = super::read(&folder.join("oracle.md"))?;
    let (versions, oracles) = oracles.split_once('\n').unwrap_or((&oracles, ""));
    let figures = super::read(&folder.join("figures.md"))?;
    let commit = super::commit()?;
    let section = format!(
        "At {commit}, {versions}; flex, f32.\n\nThe oracles:\n\n{}\n\nsalt-sam:\n\n{}\n",
        oracles.trim(),
        figures.trim()
    );
    let out = root().join(&args.out);
    let before = if out.exists() {
        super::read(&out)?
    } else {
        String::new()
    };
    super::publish(&args.out, &with_section(&before, args.model, &section))?;
    delete_weights(&folder)
}

/// Gigabytes that a seed makes again.
fn delete_weights(folder: &Path) -> anyhow::Result<()> {
    for file in ["original.pth", "hf/model.safetensors"] {
        let file = folder.join(file);
        std::fs::remove_file(&file).with_context(|| format!("cannot delete {file:?}"))?;
    }
    Ok(())
}

/// The report with the section of one model exchanged.
fn with_section(before: &str, model: Model, section: &str) -> String {
    let mut report = INTRODUCTION.to_owned();
    for other in Model::ALL {
        let heading = format!("\n## {}\n", other.name());
        let kept = before.split_once(&heading).map(|(_, rest)| {
            let end = rest.find("\n## ").unwrap_or(rest.len());
            rest[..end].trim()
        });
        let text = if other == model {
            Some(section.trim())
        } else {
            kept
        };
        if let Some(text) = text {
            report += &format!("{heading}\n{text}\n");
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_exchanged_and_the_others_stay_in_order() {
        let large = with_section("", Model::VitL, "large");
        assert_eq!(large, format!("{INTRODUCTION}\n## vit_l\n\nlarge\n"));
        let two = with_section(&large, Model::VitB, "base");
        assert_eq!(
            two,
            format!("{INTRODUCTION}\n## vit_b\n\nbase\n\n## vit_l\n\nlarge\n")
        );
        let again = with_section(&two, Model::VitB, "again\n\n| a |\n");
        assert_eq!(
            again,
            format!("{INTRODUCTION}\n## vit_b\n\nagain\n\n| a |\n\n## vit_l\n\nlarge\n")
        );
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        use clap::ValueEnum as _;
        for model in Model::ALL {
            let value = model.to_possible_value().expect("not skipped");
            assert_eq!(value.get_name(), model.name());
        }
    }
}
