//! How the cost of a training step grows with one thing while all else stays: tokens, rank, batch, classes.
//!
//! It begins at [`ABOUT`] and goes along one axis each; SALT along the rank of its tail. Every point is one process that warms
//! up once and takes medians; a point that several series share is measured once. What grows with the
//! data set is the loader, which its own work measures.

use std::collections::BTreeMap;

use super::row::Measured;
use super::series::{Point, Series};
use super::{Bench, Compared};

/// [`START`] in words.
pub(super) const ABOUT: &str =
    "ViT-B at 256 pixels (256 tokens), adapters of rank 16 on qkv and proj, one image, one class";

/// What a step is measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Setting {
    method: &'static str,
    /// Side of the input in tokens of 16 pixels.
    grid: usize,
    batch: usize,
    /// Of the low-rank factors, of SALT its tail.
    rank: usize,
    classes: usize,
}

/// Where every axis begins.
const START: Setting = Setting {
    method: "lora",
    grid: 16,
    batch: 1,
    rank: 16,
    classes: 1,
};

/// Side of a token in pixels.
const PATCH: usize = 16;

/// One thing that grows.
struct Axis {
    method: &'static str,
    of: &'static str,
    values: &'static [usize],
    /// Makes a setting that has this much of it.
    set: fn(&mut Setting, usize),
}

const RANKS: &[usize] = &[4, 16, 64, 256];

/// What is measured; a new axis is an entry here.
const AXES: [Axis; 5] = [
    Axis {
        method: "lora",
        of: "tokens",
        // At 256, 512, 768 and 1024 pixels.
        values: &[256, 1024, 2304, 4096],
        set: |setting, tokens| setting.grid = tokens.isqrt(),
    },
    Axis {
        method: "lora",
        of: "rank",
        values: RANKS,
        set: |setting, rank| setting.rank = rank,
    },
    Axis {
        method: "salt",
        of: "rank of the tail",
        values: RANKS,
        set: |setting, rank| setting.rank = rank,
    },
    Axis {
        method: "lora",
        of: "batch",
        values: &[1, 2, 4],
        set: |setting, batch| setting.batch = batch,
    },
    Axis {
        method: "lora",
        of: "classes",
        values: &[1, 2, 4, 8],
        set: |setting, classes| setting.classes = classes,
    },
];

impl Axis {
    fn setting(&self, value: usize) -> Setting {
        let mut setting = START;
        setting.method = self.method;
        (self.set)(&mut setting, value);
        setting
    }
}

impl Setting {
    /// As `model_speed` takes it.
    fn arguments(self, repeats: usize) -> Vec<String> {
        let numbers = [
            ("--size", PATCH * self.grid),
            ("--batch", self.batch),
            ("--rank", self.rank),
            ("--classes", self.classes),
            ("--repeats", repeats),
        ];
        let words = ["--work", "step", "--method", self.method].map(str::to_owned);
        let numbers = numbers.map(|(name, value)| [name.to_owned(), value.to_string()]);
        words
            .into_iter()
            .chain(numbers.into_iter().flatten())
            .collect()
    }
}

/// Measure all of them.
pub(super) fn series(bench: &Bench) -> anyhow::Result<Compared> {
    let series = along_axes(bench.device.name(), |setting| {
        let arguments = setting.arguments(bench.repeats);
        eprintln!("growth: {}", arguments.join(" "));
        Measured::by(bench.programs.ours(bench.device)?.args(arguments))
    })?;
    Ok(Compared {
        series,
        ..Compared::default()
    })
}

/// Every axis, no setting measured twice.
fn along_axes(
    backend: &str,
    mut measure: impl FnMut(Setting) -> anyhow::Result<Measured>,
) -> anyhow::Result<Vec<Series>> {
    let mut known = BTreeMap::<Setting, Measured>::new();
    let mut all = Vec::new();
    for axis in &AXES {
        let mut points = Vec::new();
        for &value in axis.values {
            let setting = axis.setting(value);
            let measured = match known.get(&setting) {
                Some(measured) => measured.clone(),
                None => measure(setting)?,
            };
            points.push(Point {
                value,
                seconds: measured.each_s(),
                repeats: measured.samples as usize,
                rss_mb: measured.rss_mb,
                parts: measured.parts.clone(),
            });
            known.insert(setting, measured);
        }
        let work = format!("step_{}", axis.method);
        all.push(Series::new(work, axis.of, backend, points));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_given_to_the_program_as_arguments() {
        let received = AXES[0].setting(1024).arguments(3).join(" ");
        let expected =
            "--work step --method lora --size 512 --batch 1 --rank 16 --classes 1 --repeats 3";
        assert_eq!(received, expected);
    }

    #[test]
    fn an_axis_changes_one_thing_alone() {
        for axis in &AXES {
            for &value in axis.values {
                let (from, to) = (START, axis.setting(value));
                assert!(axis.of != "tokens" || to.grid.pow(2) == value, "{to:?}");
                let changed = [
                    from.grid != to.grid,
                    from.batch != to.batch,
                    from.rank != to.rank,
                    from.classes != to.classes,
                ];
                let changes = changed.into_iter().filter(|changed| *changed).count();
                assert!(changes <= 1, "{} at {value}: {to:?}", axis.of);
            }
        }
    }

    #[test]
    fn what_axes_share_is_measured_once() {
        let mut settings = Vec::new();
        let all = along_axes("flex", |setting| {
            settings.push(setting);
            let seconds = (setting.grid * setting.grid * setting.batch) as f64;
            let text = format!(r#"{{"seconds":{seconds},"samples":1,"rss_mb":1,"program":"x"}}"#);
            Ok(serde_json::from_str(&text)?)
        })
        .unwrap();
        let points: usize = AXES.iter().map(|axis| axis.values.len()).sum();
        // Four axes begin at the same point.
        assert_eq!(settings.len(), points - 3);
        settings.sort();
        settings.dedup();
        assert_eq!(settings.len(), points - 3);
        let exponents = all
            .iter()
            .map(|series| series.exponents[0].1.unwrap().round());
        assert_eq!(exponents.collect::<Vec<_>>(), [1.0, 0.0, 0.0, 1.0, 0.0]);
    }
}
