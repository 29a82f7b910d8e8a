//! `salt adapter inspect`: what an adapter is.

use std::path::PathBuf;

use safetensors::SafeTensors;
use salt_peft::AdapterHeader;
use salt_peft::adapter_file::{TENSOR_FILE, read_header};
use serde::Serialize;

use super::folder;
use crate::failure::Failure;
use crate::screen;

/// Options of `salt adapter inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt adapter inspect runs/vessels")]
pub(crate) struct Args {
    /// Adapter folder or run directory
    #[arg(value_name = "DIR|RUN")]
    path: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// The JSON document.
#[derive(Serialize)]
struct Document {
    path: String,
    #[serde(flatten)]
    header: AdapterHeader,
    parameters: usize,
    bytes: usize,
    tensors: Vec<TensorFacts>,
}

#[derive(Serialize)]
struct TensorFacts {
    name: String,
    shape: Vec<usize>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let folder = folder(&args.path)?;
    let header = read_header(&folder)?;
    let path = folder.join(TENSOR_FILE);
    let bytes = std::fs::read(&path).map_err(|error| Failure::io("read", &path, &error))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| {
        Failure::usage(
            format!("`{}` is no safetensors file: {error}", path.display()),
            "copy the adapter folder again",
        )
    })?;
    let mut tensors: Vec<TensorFacts> = file
        .iter()
        .map(|(name, view)| TensorFacts {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
        })
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let document = Document {
        path: folder.display().to_string(),
        header,
        parameters: tensors
            .iter()
            .map(|t| t.shape.iter().product::<usize>())
            .sum(),
        bytes: bytes.len(),
        tensors,
    };
    if args.json {
        return screen::json(&document);
    }
    show(&document)
}

fn show(document: &Document) -> Result<(), Failure> {
    let rows = document.tensors.iter().map(|tensor| {
        let shape: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
        let count: usize = tensor.shape.iter().product();
        [
            tensor.name.clone(),
            shape.join(" x "),
            screen::count(count as u64),
        ]
    });
    screen::result(screen::table(
        ["tensor", "shape", "#values"],
        rows.collect(),
    ))?;
    let header = &document.header;
    if !header.ranks.is_empty() {
        let ranks = header.ranks.iter();
        let ranks = ranks.map(|(module, rank)| [module.clone(), rank.to_string()]);
        screen::result(format_args!(
            "\n{}",
            screen::table(["module", "rank"], ranks.collect())
        ))?;
    }
    let settings = toml::to_string(&header.config)
        .map_err(|error| Failure::job(format!("cannot show the configuration: {error}"), None))?;
    screen::result(format_args!("\n{}", settings.trim_end()))?;
    screen::result(format_args!(
        "\n{} adapted modules, {} parameters trained whole, {} values in {} bytes",
        header.target_modules.len(),
        header.trained_parameters.len(),
        screen::count(document.parameters as u64),
        screen::count(document.bytes as u64),
    ))?;
    screen::result(match &header.base_sha256 {
        _ if header.imported => "base weights: not known, the adapter was imported".to_owned(),
        Some(sha256) => format!("base weights: sha256 {sha256}"),
        None => "base weights: none, the adapter holds every parameter".to_owned(),
    })
}
