//! One of the adapters that a model carries, and what belongs to it.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::Module;

use crate::adapter::{Adapter, DEFAULT_ADAPTER, Part};
use crate::error::PeftError;
use crate::inspect::adapters;
use crate::inventory::{FloatParam, inventory};
use crate::methods::Factors;
use crate::weight::WeightShape;

/// A model's parameters and the adapter of one name.
pub(crate) struct Carried {
    name: String,
    params: Vec<FloatParam>,
    adapters: BTreeMap<String, Adapter>,
}

impl Carried {
    /// Looks through a model.
    pub(crate) fn of<M: Module>(model: &M, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            params: inventory(model),
            adapters: adapters(model).into_iter().collect(),
        }
    }

    /// That the model carries factors of the adapter.
    ///
    /// # Errors
    /// [`PeftError::UnknownAdapter`].
    pub(crate) fn check_parts(&self) -> Result<(), PeftError> {
        if self.parts().next().is_some() {
            return Ok(());
        }
        let parts = self.adapters.values().flat_map(|adapter| &adapter.parts);
        let known: BTreeSet<&str> = parts.map(|part| part.name.as_str()).collect();
        let known: Vec<&str> = known.into_iter().collect();
        Err(PeftError::UnknownAdapter {
            name: self.name.clone(),
            known: match known.is_empty() {
                true => "none".into(),
                false => known.join(", "),
            },
        })
    }

    /// The model's own parameters.
    pub(crate) fn base(&self) -> impl Iterator<Item = &FloatParam> {
        self.params.iter().filter(|param| param.adapts.is_none())
    }

    /// The adapter's parts, with the paths of their weights.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&str, &Part)> {
        self.adapters.iter().flat_map(|(path, adapter)| {
            adapter
                .parts_of(&self.name)
                .map(move |p| (path.as_str(), p))
        })
    }

    /// The parts that adapt a weight, or rows of one, with the shape of what they adapt.
    pub(crate) fn factors(&self) -> impl Iterator<Item = (WeightShape, &Part)> {
        self.parts()
            .filter(|(_, part)| !matches!(part.factors, Factors::Whole(_)))
            .map(|(weight, part)| (self.shape(weight, part), part))
    }

    /// Paths of the parameters it has trained whole: beside the base's value, or in its place.
    pub(crate) fn whole(&self) -> Vec<String> {
        let beside = self
            .parts()
            .filter(|(_, part)| matches!(part.factors, Factors::Whole(_)));
        let beside = beside.map(|(path, _)| path.to_owned());
        let in_place = self
            .base()
            .filter(|param| self.owns_base() && param.trainable);
        beside
            .chain(in_place.map(|param| param.path.clone()))
            .collect()
    }

    /// The module of a parameter, when everything in it is trained whole: what HF peft's `modules_to_save`
    /// can name.
    pub(crate) fn whole_module<'a>(&self, path: &'a str, whole: &[String]) -> Option<&'a str> {
        let (module, _) = path.rsplit_once('.')?;
        let prefix = format!("{module}.");
        let mut below = self.base().filter(|p| p.path.starts_with(&prefix));
        below
            .all(|param| param.is_running_statistic() || whole.contains(&param.path))
            .then_some(module)
    }

    /// All such modules.
    pub(crate) fn whole_modules(&self) -> Vec<String> {
        let whole = self.whole();
        let modules = whole
            .iter()
            .filter_map(|path| self.whole_module(path, &whole));
        let modules: BTreeSet<String> = modules.map(str::to_owned).collect();
        modules.into_iter().collect()
    }

    /// Modules that HF peft would take for targets, because their paths end like one: it has to be told
    /// to leave them out.
    pub(crate) fn alike(&self, targets: &[String]) -> Vec<String> {
        let modules = self.base().filter_map(FloatParam::module_path);
        let alike = modules.filter(|module| {
            let ends = |target: &String| {
                let rest = module.strip_suffix(target.as_str());
                rest.is_some_and(|rest| rest.ends_with('.'))
            };
            targets.iter().any(ends) && !targets.iter().any(|target| target == module)
        });
        alike.map(str::to_owned).collect()
    }

    /// Whether what the model trains in place is the adapter's: it has no name then.
    pub(crate) fn owns_base(&self) -> bool {
        self.name == DEFAULT_ADAPTER
    }

    /// The parameters that are the adapter's.
    pub(crate) fn own(&self) -> impl Iterator<Item = &FloatParam> {
        self.params.iter().filter(|param| match &param.adapts {
            Some(_) => self.part(param).is_some(),
            None => self.owns_base() && param.trainable,
        })
    }

    /// The weight that a factor adapts, and the part of this adapter that holds it.
    pub(crate) fn part(&self, factor: &FloatParam) -> Option<(&str, &Part)> {
        let (weight, adapter) = self.adapters.get_key_value(factor.adapts.as_ref()?)?;
        let mut parts = adapter.parts_of(&self.name);
        let part = parts.find(|part| part.holds(weight, &factor.path))?;
        Some((weight, part))
    }

    /// A parameter of the model itself.
    pub(crate) fn param(&self, path: &str) -> &FloatParam {
        let mut base = self.base();
        base.find(|param| param.path == path)
            .expect("adapters sit on parameters of the model")
    }

    /// The shape of what a part adapts.
    pub(crate) fn shape(&self, weight: &str, part: &Part) -> WeightShape {
        let whole = self.param(weight).weight_shape();
        match &part.slice {
            Some(slice) => slice.shape(&whole),
            None => whole,
        }
    }
}
