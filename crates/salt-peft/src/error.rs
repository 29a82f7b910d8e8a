//! Everything that can go wrong, each with what was expected, what was met and what to do.

use std::path::PathBuf;

use thiserror::Error;

use crate::base_precision::BasePrecision;

/// The error of this crate. Every message ends with a way out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeftError {
    /// The method is in no line of the list in [`methods`](mod@crate::methods).
    #[error("unknown adapter method `{name}`; known methods are {known}. Did you mean {nearest}?")]
    UnknownMethod {
        /// What was asked for.
        name: String,
        /// All registered names.
        known: String,
        /// The registered names most like it.
        nearest: String,
    },
    /// The preset does not exist.
    #[error("unknown preset `{name}`; known presets are {known}. Did you mean {nearest}?")]
    UnknownPreset {
        /// What was asked for.
        name: String,
        /// All presets.
        known: String,
        /// The preset most like it.
        nearest: String,
    },
    /// A setting is given that the chosen method does not read.
    #[error(
        "`{setting}` is no setting of method `{method}`, which reads {known}. \
         Remove it, or choose another method"
    )]
    UnusedSetting {
        /// The setting that would have been ignored.
        setting: &'static str,
        /// The chosen method.
        method: &'static str,
        /// The settings it reads.
        known: String,
    },
    /// A setting has a value outside its range.
    #[error("`{setting}` is {value}, expected {expected}")]
    InvalidSetting {
        /// The setting.
        setting: &'static str,
        /// The value received.
        value: String,
        /// The values that are accepted.
        expected: &'static str,
    },
    /// The device has no such numbers.
    #[error(
        "`base_precision` is {precision}, and {device} cannot keep such numbers and compute with them. Leave it \
         out, or train on another device"
    )]
    UnsupportedPrecision {
        /// What was asked for.
        precision: BasePrecision,
        /// Where the base lies.
        device: String,
    },
    /// A pattern is no regular expression.
    #[error("`{pattern}` in `{setting}` is no valid regular expression: {reason}")]
    InvalidPattern {
        /// The setting that holds the pattern.
        setting: &'static str,
        /// The pattern.
        pattern: String,
        /// What the expression parser says.
        reason: String,
    },
    /// A pattern selects nothing, so that the setting would do nothing.
    #[error(
        "`{pattern}` in `{setting}` matches nothing in this model; the nearest names are {nearest}. \
         A pattern matches from a segment boundary to the end of a path"
    )]
    NoMatch {
        /// The setting that holds the pattern.
        setting: &'static str,
        /// The pattern.
        pattern: String,
        /// The most similar paths.
        nearest: String,
    },
    /// A target is no weight that an adapter can change.
    #[error(
        "target `{path}` is a {container} parameter of shape {shape:?}; adapters change the weight \
         of Linear, Conv2d and ConvTranspose2d layers. Narrow `targets`, or name it \
         in `modules_to_save` to train it whole"
    )]
    UnsupportedTarget {
        /// The parameter's path.
        path: String,
        /// The type that holds it.
        container: String,
        /// Its shape in Burn's layout.
        shape: Vec<usize>,
    },
    /// A rank exceeds the smaller side of the weight.
    #[error(
        "`{setting}` is {rank} at `{path}`, but the smaller side of its matrix is {limit}. \
         Choose at most {limit}, or leave this layer out with `exclude`"
    )]
    RankAboveLimit {
        /// The setting that holds the rank.
        setting: &'static str,
        /// The layer.
        path: String,
        /// The rank asked for.
        rank: usize,
        /// The largest possible rank.
        limit: usize,
    },
    /// The model already carries an adapter.
    #[error(
        "`{path}` already carries an adapter; adapters do not nest. Merge it first, or attach to \
         the base model"
    )]
    AlreadyAttached {
        /// The first adapted parameter.
        path: String,
    },
    /// A value is NaN or infinite.
    #[error("`{path}` holds a value that is NaN or infinite{context}; check where it came from")]
    NonFinite {
        /// The parameter or tensor.
        path: String,
        /// Where it was met.
        context: &'static str,
    },
    /// The singular value decomposition did not converge.
    #[error(
        "the singular value decomposition of `{path}` ({rows} x {cols}) did not converge; exclude \
         the layer from `targets`"
    )]
    NoConvergence {
        /// The layer.
        path: String,
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        cols: usize,
    },
    /// The values of a parameter could not be read from its device.
    #[error("cannot read `{path}` from its device: {reason}")]
    Unreadable {
        /// The parameter.
        path: String,
        /// What the backend says.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}. Check the path and its permissions", path.display())]
    Io {
        /// `read`, `write`, `create` or `remove`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// `adapter_config.json` is not what this crate writes.
    #[error("{} is no adapter configuration: {reason}. Expected a folder written by save_adapter", path.display())]
    BadConfigFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// `adapter_model.safetensors` is not a safetensors file.
    #[error("{} is no safetensors file: {reason}. Copy the adapter folder again", path.display())]
    BadTensorFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The adapter was made by a method other than the one expected here.
    #[error(
        "expected an adapter of method `{expected}`, received one of `{found}`. Use the \
         configuration that belongs to it"
    )]
    OtherMethod {
        /// The expected method.
        expected: String,
        /// The method met.
        found: String,
    },
    /// The adapter was trained over other base weights.
    #[error(
        "the adapter was made over base weights with sha256 {expected}, this model's are {found}. \
         Load the base model named in the run's recipe, unchanged"
    )]
    WrongBase {
        /// The fingerprint in the file.
        expected: String,
        /// The fingerprint of this model.
        found: String,
    },
    /// The singular vectors of a layer differ from those the adapter was trained in.
    #[error(
        "the singular vectors of `{path}` differ from those the adapter was trained in (its weight \
         has equal or vanishing singular values), so its tail factors mean nothing here. Use the \
         merged weights instead"
    )]
    WrongBasis {
        /// The layer.
        path: String,
    },
    /// A layer has no rank, or one that its factors cannot have.
    #[error(
        "the rank of `{path}` is {rank}, expected one that this method can have there, at most {limit}. \
         Use the adapter folder as it was written"
    )]
    OtherRank {
        /// The layer.
        path: String,
        /// The rank received.
        rank: String,
        /// The largest possible rank.
        limit: usize,
    },
    /// The model carries no adapter of that name.
    #[error("the model carries no adapter named `{name}`; it carries: {known}")]
    UnknownAdapter {
        /// What was asked for.
        name: String,
        /// The names it carries.
        known: String,
    },
    /// An adapter trains a parameter of the model in place, so that other adapters would have no fixed
    /// base.
    #[error(
        "the attached adapter trains `{path}` in place, and with it the base of every other adapter. \
         Load or add it under a name instead, or merge it first"
    )]
    TrainedInPlace {
        /// The first such parameter.
        path: String,
    },
    /// An adapter of HF peft uses something that is not known here and changes what it computes.
    #[error(
        "{} uses `{feature}` ({value}), which is not supported and would change the result. Merge the \
         adapter with HF peft (`merge_and_unload`), or convert it to a plain LoRA there", path.display()
    )]
    UnsupportedFeature {
        /// The field or tensor.
        feature: String,
        /// Its value.
        value: String,
        /// The configuration.
        path: PathBuf,
    },
    /// The configuration to save with is not the one the adapter was attached with.
    #[error(
        "the adapter was attached with `{setting}` {attached}, the given configuration has {given}. Save it with the \
         configuration it was attached with; `carried_adapters` has it"
    )]
    OtherSettings {
        /// The first setting that differs.
        setting: String,
        /// Its value at the adapter.
        attached: String,
        /// Its value in the given configuration.
        given: String,
    },
    /// A file of tensors is sound and is not the one that was written.
    #[error(
        "the bytes of {} are not those that were written (their sha256 is another). Copy the adapter folder \
         again; if the change is meant, put the new one into `{field}` of its adapter_config.json", path.display()
    )]
    ChangedTensors {
        /// The file.
        path: PathBuf,
        /// The field that holds the hash.
        field: &'static str,
    },
    /// An update is not what HF peft's LoRA can express.
    #[error("`{path}` cannot be written as a LoRA: {reason}. {hint}")]
    NoLowRank {
        /// The layer.
        path: String,
        /// Why.
        reason: String,
        /// What to do.
        hint: &'static str,
    },
    /// The adapter file names other layers than this model has.
    #[error(
        "the adapter changes layers that differ from this model's: `{name}` is only in {only_in}. \
         Load the model the adapter was made for"
    )]
    OtherLayers {
        /// The first layer that differs.
        name: String,
        /// Which side has it.
        only_in: &'static str,
    },
    /// A trained tensor is missing.
    #[error(
        "{source_name} lacks `{name}`, which this model trains; the nearest it holds is {nearest}. Use the adapter of this very configuration"
    )]
    MissingTensor {
        /// The tensor.
        name: String,
        /// The file or state.
        source_name: String,
        /// The most similar name.
        nearest: String,
    },
    /// A tensor has no place in the model.
    #[error(
        "{source_name} holds `{name}`, which this model does not train; the nearest it trains is {nearest}. Use the adapter of this very configuration"
    )]
    UnusedTensor {
        /// The tensor.
        name: String,
        /// The file or state.
        source_name: String,
        /// The most similar name.
        nearest: String,
    },
    /// A tensor of a directory of HF peft is none that its own configuration means.
    #[error(
        "{source_name} holds `{name}`, which the configuration beside it leaves out: HF peft would drop it. Correct \
         `target_modules`, `exclude_modules`, `layers_to_transform`, `modules_to_save` or `bias`, or remove the tensor"
    )]
    UnmeantTensor {
        /// The tensor.
        name: String,
        /// The file.
        source_name: String,
    },
    /// A tensor has another shape than the model's.
    #[error(
        "`{name}` in {source_name} has shape {found:?}, this model expects {expected:?}. Check rank and model size"
    )]
    Misshapen {
        /// The tensor.
        name: String,
        /// The file or state.
        source_name: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// The shape met.
        found: Vec<usize>,
    },
    /// A tensor has an element type that holds no trained values.
    #[error(
        "`{name}` in {source_name} has element type {found}, expected F32, F16, BF16 or F64. Write the adapter again"
    )]
    WrongDType {
        /// The tensor.
        name: String,
        /// The file or state.
        source_name: String,
        /// The type met.
        found: String,
    },
}
