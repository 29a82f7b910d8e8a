//! Which parameters a configuration means: targets, exceptions and extras.

use std::collections::{BTreeMap, BTreeSet};

use fancy_regex::Regex;

use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::inventory::FloatParam;
use crate::method::Scope;
use crate::nearest::nearest;
use crate::slice::{Slice, split, split_path};
use crate::weight::WeightShape;

/// The target that stands for every linear layer.
pub(crate) const ALL_LINEAR: &str = "all-linear";

/// Names shown when nothing matches.
const SUGGESTIONS: usize = 3;

/// The parameters a configuration selects in a model.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// Weights to adapt, by parameter path, each whole or in rows.
    pub(crate) targets: BTreeMap<String, Vec<Target>>,
    /// Parameters to train whole, by path.
    pub(crate) trained: BTreeSet<String>,
}

/// A weight to adapt, or rows of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// Shape and path of what is adapted.
    pub(crate) shape: WeightShape,
    /// The rows, unless it is the whole weight.
    pub(crate) slice: Option<Slice>,
}

impl Selection {
    /// Everything that is adapted, in the model's order, so that the first error is the first layer's.
    pub(crate) fn in_order<'a>(
        &'a self,
        params: &'a [FloatParam],
    ) -> impl Iterator<Item = &'a Target> {
        let targets = params.iter().filter_map(|p| self.targets.get(&p.path));
        targets.flatten()
    }

    /// Everything that is adapted.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = &WeightShape> {
        self.targets.values().flatten().map(|target| &target.shape)
    }
}

/// Selects, refusing whatever would silently do nothing.
///
/// # Errors
/// [`PeftError::AlreadyAttached`], [`PeftError::NoMatch`], [`PeftError::UnsupportedTarget`],
/// [`PeftError::InvalidPattern`] and those of [`AdapterConfig::check`].
pub(crate) fn select(
    config: &AdapterConfig,
    params: &[FloatParam],
) -> Result<Selection, PeftError> {
    config.check()?;
    let trained = extras(config, params)?;
    let targets = match config.method.get().scope() {
        Scope::Targets => targets(config, params, &trained)?,
        Scope::Extras | Scope::Everything => BTreeMap::new(),
    };
    let ranks = config.rank_pattern.keys().map(|key| ("rank_pattern", key));
    let alphas = config.alpha_pattern.keys();
    for (setting, pattern) in ranks.chain(alphas.map(|key| ("alpha_pattern", key))) {
        let layer = LayerPattern::new(setting, pattern)?;
        let paths = || targets.values().flatten().map(|t| t.shape.path.as_str());
        if !paths().any(|path| layer.matches(path)) {
            return Err(no_match(setting, pattern, paths()));
        }
    }
    Ok(Selection { targets, trained })
}

/// The parameters trained whole. Like HF peft, they win over targets.
fn extras(config: &AdapterConfig, params: &[FloatParam]) -> Result<BTreeSet<String>, PeftError> {
    let method = config.method.get();
    let mut trained = BTreeSet::new();
    if method.scope() == Scope::Everything {
        trained.extend(
            params
                .iter()
                .filter(|p| p.trainable)
                .map(|p| p.path.clone()),
        );
    }
    let implied = method.extras().iter().copied();
    for pattern in implied.chain(config.modules_to_save.iter().map(String::as_str)) {
        let matches: Box<dyn Fn(&FloatParam) -> bool> = match pattern {
            "norms" => Box::new(FloatParam::is_norm),
            "biases" => Box::new(FloatParam::is_bias),
            "decoder" => Box::new(FloatParam::is_in_decoder),
            "pos_embed" => Box::new(|param| param.name() == "pos_embed"),
            "prompt_token" => {
                Box::new(|param| matches!(param.name(), "prompt_token" | "prompt_tokens"))
            }
            pattern => {
                let regex = compile_subtree(pattern)?;
                Box::new(move |param| regex.is_match(&param.path).unwrap_or(false))
            }
        };
        let found: Vec<String> = params
            .iter()
            .filter(|param| !param.is_running_statistic() && matches(param))
            .map(|param| param.path.clone())
            .collect();
        if found.is_empty() {
            let names = params.iter().map(|param| param.path.as_str());
            return Err(no_match("modules_to_save", pattern, names));
        }
        trained.extend(found);
    }
    let mut whole = params.iter().filter(|p| trained.contains(&p.path));
    match whole.find(|param| param.is_quantised()) {
        Some(param) => Err(PeftError::InvalidSetting {
            setting: "modules_to_save",
            value: format!("`{}`, which is quantised", param.path),
            expected: "parameters that can be trained whole: in f32, f16 or bf16",
        }),
        None => Ok(trained),
    }
}

fn targets(
    config: &AdapterConfig,
    params: &[FloatParam],
    trained: &BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<Target>>, PeftError> {
    let mut candidates: Vec<(&str, &FloatParam)> = params
        .iter()
        .filter(|param| !trained.contains(&param.path))
        .filter_map(|param| Some((param.module_path()?, param)))
        .collect();
    exclude(config, &mut candidates)?;
    keep_layers(config, &mut candidates)?;
    let mut targets = BTreeMap::new();
    for pattern in &config.targets {
        let (stem, rows) = split(pattern);
        let regex = match stem {
            ALL_LINEAR => None,
            stem => Some(compile("targets", stem)?),
        };
        let matches = |module: &str, param: &FloatParam| match &regex {
            None => param.container == "Linear",
            Some(regex) => names(regex, module, param),
        };
        let mut found = false;
        for (module, param) in &candidates {
            if !matches(module, param) {
                continue;
            }
            if !param.is_adaptable() {
                return Err(PeftError::UnsupportedTarget {
                    path: param.path.clone(),
                    container: param.container.clone(),
                    shape: param.dims.clone(),
                });
            }
            found = true;
            let whole = param.weight_shape();
            let slices = rows.iter().map(|rows| Some(rows.of(&whole)).transpose());
            let slices = match rows.is_empty() {
                true => vec![None],
                false => slices.collect::<Result<_, _>>()?,
            };
            let known: &mut Vec<Target> = targets.entry(param.path.clone()).or_default();
            for slice in slices {
                add(known, &whole, slice)?;
            }
        }
        if !found {
            let names = candidates
                .iter()
                .filter(|(_, p)| p.is_adaptable())
                .map(|(name, _)| *name);
            return Err(no_match("targets", pattern, names));
        }
    }
    Ok(targets)
}

/// Adds a target to those of its weight. The same one twice is one; two that share rows are refused.
fn add(
    known: &mut Vec<Target>,
    whole: &WeightShape,
    slice: Option<Slice>,
) -> Result<(), PeftError> {
    let shape = match &slice {
        Some(slice) => slice.shape(whole),
        None => whole.clone(),
    };
    let rows = |slice: &Option<Slice>| match slice {
        Some(slice) => slice.rows.clone(),
        None => 0..whole.out(),
    };
    let new = rows(&slice);
    if known.iter().any(|target| target.slice == slice) {
        return Ok(());
    }
    if let Some(other) = known.iter().find(|target| {
        let old = rows(&target.slice);
        new.start < old.end && old.start < new.end
    }) {
        return Err(PeftError::InvalidSetting {
            setting: "targets",
            value: format!(
                "`{}` and `{}`, which share rows",
                other.shape.path, shape.path
            ),
            expected: "every row of a weight in one target",
        });
    }
    known.push(Target { shape, slice });
    known.sort_by_key(|target| target.slice.as_ref().map(|slice| slice.rows.start));
    Ok(())
}

/// Takes out what `exclude` names; each expression has to name something.
fn exclude(
    config: &AdapterConfig,
    candidates: &mut Vec<(&str, &FloatParam)>,
) -> Result<(), PeftError> {
    let mut excluded = BTreeSet::new();
    for pattern in &config.exclude {
        let regex = compile("exclude", pattern)?;
        let found: Vec<String> = candidates
            .iter()
            .filter(|(module, param)| names(&regex, module, param))
            .map(|(module, _)| module.to_string())
            .collect();
        if found.is_empty() {
            let names = candidates.iter().map(|(module, _)| *module);
            return Err(no_match("exclude", pattern, names));
        }
        excluded.extend(found);
    }
    candidates.retain(|(module, _)| !excluded.contains(*module));
    Ok(())
}

/// Keeps the layers that `layers_to_transform` names; each number has to be one.
fn keep_layers(
    config: &AdapterConfig,
    candidates: &mut Vec<(&str, &FloatParam)>,
) -> Result<(), PeftError> {
    if config.layers_to_transform.is_empty() {
        return Ok(());
    }
    let layers: BTreeSet<usize> = candidates
        .iter()
        .filter_map(|(module, _)| layer(module))
        .collect();
    let mut wanted = config.layers_to_transform.iter();
    if let Some(absent) = wanted.find(|wanted| !layers.contains(wanted)) {
        return Err(PeftError::InvalidSetting {
            setting: "layers_to_transform",
            value: absent.to_string(),
            expected: "the number of a layer: the first number in the path of a module with a name on either side",
        });
    }
    candidates.retain(|(module, _)| {
        layer(module).is_some_and(|layer| config.layers_to_transform.contains(&layer))
    });
    Ok(())
}

/// The layer a module belongs to: the first number among the segments of its path that has a name on
/// either side, `3` of `blocks.3.attn.qkv`. HF peft wants two names before it, and so finds no layer in a
/// model that begins with its blocks.
fn layer(module: &str) -> Option<usize> {
    let (above, _) = module.rsplit_once('.')?;
    above
        .split('.')
        .skip(1)
        .find_map(|segment| segment.parse().ok())
}

/// The value of the first key, in alphabetical order, that covers the path.
///
/// # Errors
/// [`PeftError::InvalidPattern`].
pub(crate) fn first_match<T: Copy>(
    setting: &'static str,
    patterns: &BTreeMap<String, T>,
    path: &str,
) -> Result<Option<T>, PeftError> {
    for (pattern, value) in patterns {
        if LayerPattern::new(setting, pattern)?.matches(path) {
            return Ok(Some(*value));
        }
    }
    Ok(None)
}

/// A pattern over what is adapted: weights, and rows of them.
struct LayerPattern {
    regex: Regex,
    /// Labels of the rows it is about; empty for all.
    labels: Vec<String>,
}

impl LayerPattern {
    fn new(setting: &'static str, pattern: &str) -> Result<Self, PeftError> {
        let (stem, rows) = split(pattern);
        Ok(Self {
            regex: compile(setting, stem)?,
            labels: rows.iter().map(|rows| rows.label()).collect(),
        })
    }

    fn matches(&self, path: &str) -> bool {
        let (stem, label) = split_path(path);
        let is_meant = |label: &str| self.labels.iter().any(|own| own == label);
        covers(&self.regex, stem) && (self.labels.is_empty() || label.is_some_and(is_meant))
    }
}

/// A pattern that must cover a path from a segment boundary to its end, as HF peft's
/// `(.*\.)?(KEY)$`.
pub(crate) fn compile(setting: &'static str, pattern: &str) -> Result<Regex, PeftError> {
    build(setting, pattern, format!(r"^(?:.*\.)?(?:{pattern})$"))
}

/// The same, with everything below what it matches.
fn compile_subtree(pattern: &str) -> Result<Regex, PeftError> {
    build(
        "modules_to_save",
        pattern,
        format!(r"^(?:.*\.)?(?:{pattern})(?:\..*)?$"),
    )
}

fn build(setting: &'static str, pattern: &str, full: String) -> Result<Regex, PeftError> {
    let refuse = |error: fancy_regex::Error| PeftError::InvalidPattern {
        setting,
        pattern: pattern.into(),
        reason: error.to_string(),
    };
    // Alone first: what is wrong with it, and where, is to be told of the pattern as it was written.
    Regex::new(pattern).map_err(refuse)?;
    Regex::new(&full).map_err(refuse)
}

pub(crate) fn covers(regex: &Regex, path: &str) -> bool {
    // An error means the backtracking limit was hit: no match.
    regex.is_match(path).unwrap_or(false)
}

/// Whether a pattern means a weight: by its module or by its own path.
fn names(regex: &Regex, module: &str, param: &FloatParam) -> bool {
    covers(regex, module) || covers(regex, &param.path)
}

fn no_match<'a>(
    setting: &'static str,
    pattern: &str,
    names: impl Iterator<Item = &'a str>,
) -> PeftError {
    PeftError::NoMatch {
        setting,
        pattern: pattern.into(),
        nearest: nearest(pattern, names, SUGGESTIONS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, path: &str, expected: bool) {
        let regex = compile("targets", pattern).expect("valid");
        assert_eq!(covers(&regex, path), expected, "{pattern} on {path}");
    }

    #[test]
    fn patterns_cover_whole_segments_to_the_end() {
        check(r"attn\.(qkv|proj)", "blocks.0.attn.qkv", true);
        check(
            r"blocks\.\d+\.attn\.(qkv|proj)",
            "image_encoder.blocks.11.attn.proj",
            true,
        );
        check("qkv", "blocks.0.attn.qkv", true);
        check("kv", "blocks.0.attn.qkv", false);
        check("attn", "blocks.0.attn.qkv", false);
        check("a|b", "x.b", true);
        check(r"(?!lin2)\w+", "mlp.lin2", false);
    }

    #[test]
    fn the_layer_is_the_first_number_of_a_path() {
        assert_eq!(layer("image_encoder.blocks.11.attn.qkv"), Some(11));
        assert_eq!(layer("blocks.3.mlp.0.lin1"), Some(3));
        assert_eq!(layer("neck.lin1"), None);
        assert_eq!(layer("neck.0"), None);
        assert_eq!(layer("0"), None);
    }

    #[test]
    fn what_is_wrong_is_told_of_the_pattern_itself() {
        for (pattern, reason) in [("ab(", "position 3"), ("a)|(b", "position 1")] {
            let error = compile("targets", pattern)
                .expect_err("invalid")
                .to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn an_extra_takes_its_subtree() {
        let regex = compile_subtree("mask_decoder").expect("valid");
        assert!(covers(&regex, "sam.mask_decoder.iou_token.weight"));
        assert!(!covers(&regex, "sam.mask_decoder2.iou_token.weight"));
    }
}
