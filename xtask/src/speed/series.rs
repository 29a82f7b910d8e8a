//! One thing that grows while all else stays, and the exponent with which the cost follows it.

use std::fmt::Write as _;

use serde::Serialize;

/// Several sizes of one thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Series {
    /// What was done, and with what beside the thing that grows.
    pub(super) work: String,
    /// What grows.
    pub(super) of: String,
    /// Where it computed.
    pub(super) backend: String,
    pub(super) points: Vec<Point>,
    /// By what of a point, in its order; nothing where no line can be fitted.
    pub(super) exponents: Vec<(String, Option<f64>)>,
}

/// Medians at one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Point {
    pub(super) value: usize,
    pub(super) seconds: f64,
    /// Of how many runs these are medians.
    pub(super) repeats: usize,
    pub(super) rss_mb: Option<f64>,
    /// Seconds by name.
    pub(super) parts: Vec<(String, f64)>,
}

/// Columns of every table, before and after those of the parts.
const WHOLE: &str = "time";
const MEMORY: &str = "memory";

impl Series {
    /// With the exponents of the whole, of every part that all points have, and of the peak of memory.
    pub(super) fn new(work: String, of: &str, backend: &str, points: Vec<Point>) -> Self {
        let fitted = |of: &dyn Fn(&Point) -> Option<f64>| {
            let pair = |point: &Point| Some((point.value as f64, of(point)?));
            exponent(&points.iter().map(pair).collect::<Option<Vec<_>>>()?)
        };
        let mut exponents = vec![(WHOLE.to_owned(), fitted(&|point| Some(point.seconds)))];
        for name in points.first().iter().flat_map(|point| names(point)) {
            exponents.push((name.to_owned(), fitted(&|point| part(point, name))));
        }
        exponents.push((MEMORY.to_owned(), fitted(&|point| point.rss_mb)));
        Self {
            work,
            of: of.to_owned(),
            backend: backend.to_owned(),
            points,
            exponents,
        }
    }

    fn exponent(&self, name: &str) -> Option<f64> {
        self.exponents.iter().find(|(known, _)| known == name)?.1
    }
}

fn names(point: &Point) -> impl Iterator<Item = &str> {
    point.parts.iter().map(|(name, _)| name.as_str())
}

fn part(point: &Point, name: &str) -> Option<f64> {
    let found = point.parts.iter().find(|(known, _)| known == name);
    found.map(|(_, seconds)| *seconds)
}

/// The `b` of `cost = a * size^b`: the slope of `log cost` on `log size` with the least squared error.
/// Nothing for fewer than two different sizes, and for sizes or costs that have no logarithm.
fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let logs: Vec<_> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / n;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / n;
    let spread = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
    let common = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y));
    let slope = common.sum::<f64>() / spread;
    slope.is_finite().then_some(slope)
}

/// All of them in one table of Markdown; the last row of each holds its exponents.
pub(super) fn table(all: &[Series]) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for name in all.iter().flat_map(|series| &series.points).flat_map(names) {
        if !parts.contains(&name) {
            parts.push(name);
        }
    }
    let columns: String = parts.iter().map(|name| format!(" {name} ms |")).collect();
    let mut text = format!("| work | grows | value | ms |{columns} MiB |\n|---|---|---:|---:|");
    text += &"---:|".repeat(parts.len() + 1);
    text.push('\n');
    let shown = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
    };
    for series in all {
        let (work, of) = (&series.work, &series.of);
        // Writing to a string cannot fail.
        for point in &series.points {
            let _ = write!(text, "| {work} | {of} | {} |", point.value);
            let _ = write!(text, " {:.1} |", 1e3 * point.seconds);
            for name in &parts {
                let seconds = part(point, name);
                let _ = write!(text, " {} |", shown(seconds.map(|s| 1e3 * s), 1));
            }
            let _ = writeln!(text, " {} |", shown(point.rss_mb, 0));
        }
        let _ = write!(text, "| {work} | {of} | **exponent** |");
        for name in [WHOLE].iter().chain(&parts).chain(&[MEMORY]) {
            let _ = write!(text, " {} |", shown(series.exponent(name), 2));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_exponent(points: &[(f64, f64)], expected: Option<f64>) {
        let received = exponent(points);
        let close = match (received, expected) {
            (Some(received), Some(expected)) => (received - expected).abs() < 1e-12,
            (received, expected) => received == expected,
        };
        assert!(close, "{points:?}: {received:?}, expected {expected:?}");
    }

    #[test]
    fn the_exponent_of_a_power_is_that_power() {
        let of = |power: f64| [1.0, 2.0, 4.0, 10.0].map(|x: f64| (x, 3.0 * x.powf(power)));
        for power in [0.0, 1.0, 1.5, -0.5] {
            check_exponent(&of(power), Some(power));
        }
    }

    #[test]
    fn the_exponent_of_scattered_points_has_the_least_squared_error() {
        // In logarithms to the base 2: (0, 0), (1, 2), (2, 1); the slope is 1/2.
        check_exponent(&[(1.0, 1.0), (2.0, 4.0), (4.0, 2.0)], Some(0.5));
    }

    #[test]
    fn without_two_sizes_or_a_logarithm_there_is_no_exponent() {
        check_exponent(&[], None);
        check_exponent(&[(2.0, 1.0)], None);
        check_exponent(&[(2.0, 1.0), (2.0, 3.0)], None);
        check_exponent(&[(1.0, 0.0), (2.0, 3.0)], None);
        check_exponent(&[(0.0, 1.0), (2.0, 3.0)], None);
        check_exponent(&[(1.0, f64::NAN), (2.0, 3.0)], None);
    }

    fn series(of: &str, rss_mb: [Option<f64>; 2]) -> Series {
        let point = |value: usize, rss_mb| Point {
            value,
            seconds: 0.1 * value as f64,
            repeats: 3,
            rss_mb,
            parts: vec![
                ("forward".into(), 0.04),
                ("backward".into(), 0.01 * (value * value) as f64),
            ],
        };
        let points = vec![point(1, rss_mb[0]), point(4, rss_mb[1])];
        Series::new("step_lora".into(), of, "flex", points)
    }

    #[test]
    fn a_table_has_a_row_for_each_point_and_one_for_the_exponents() {
        let text = table(&[
            series("tokens", [Some(100.0), Some(200.0)]),
            series("batch", [Some(100.0), None]),
        ]);
        let expected = "\
| work | grows | value | ms | forward ms | backward ms | MiB |
|---|---|---:|---:|---:|---:|---:|
| step_lora | tokens | 1 | 100.0 | 40.0 | 10.0 | 100 |
| step_lora | tokens | 4 | 400.0 | 40.0 | 160.0 | 200 |
| step_lora | tokens | **exponent** | 1.00 | 0.00 | 2.00 | 0.50 |
| step_lora | batch | 1 | 100.0 | 40.0 | 10.0 | 100 |
| step_lora | batch | 4 | 400.0 | 40.0 | 160.0 | - |
| step_lora | batch | **exponent** | 1.00 | 0.00 | 2.00 | - |
";
        assert_eq!(text, expected);
    }

    #[test]
    fn exponents_are_written_by_name() {
        let written = serde_json::to_value(series("tokens", [None, None])).unwrap();
        let pairs = written["exponents"].as_array().unwrap();
        let names: Vec<_> = pairs.iter().map(|pair| pair[0].as_str().unwrap()).collect();
        assert_eq!(names, ["time", "forward", "backward", "memory"]);
        assert!(written["exponents"][3][1].is_null());
        assert_eq!(written["points"][1]["value"], 4);
    }
}
