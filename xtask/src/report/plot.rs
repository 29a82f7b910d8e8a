//! One figure per data set, as SVG text: Dice with its interval, and beside it how much was
//! trained for it, on a logarithmic scale.

use std::fmt::Write as _;

use super::cells_in_words::percent;
use super::html::escaped;
use super::table::Row;

/// Width of the figure.
const WIDTH: f64 = 860.0;
/// Height of a row.
const ROW: f64 = 30.0;
/// Height of the headings.
const TOP: f64 = 34.0;
/// Where the Dice axis starts and ends.
const DICE: [f64; 2] = [130.0, 560.0];
/// Where the bars of the trained share start and end.
const SHARE: [f64; 2] = [610.0, 790.0];
/// Shares in percent at those ends; smaller ones are drawn as the smallest.
const SHARE_RANGE: [f64; 2] = [0.01, 100.0];
/// At most this many ticks.
const MOST_TICKS: f64 = 7.0;

/// The figure of one data set.
pub(super) fn svg(rows: &[&Row]) -> String {
    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = draw(&mut svg, rows);
    svg
}

fn draw(svg: &mut String, rows: &[&Row]) -> std::fmt::Result {
    let axis = Axis::over(
        rows.iter()
            .filter_map(|row| row.dice)
            .flat_map(|dice| dice.ci95),
    );
    let bottom = TOP + ROW * rows.len() as f64;
    let height = bottom + 34.0;
    writeln!(
        svg,
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Dice and trained share per method\">"
    )?;
    writeln!(
        svg,
        "<text class=\"head\" x=\"{}\" y=\"16\">Dice, mean and 95% CI</text>",
        DICE[0]
    )?;
    writeln!(
        svg,
        "<text class=\"head\" x=\"{}\" y=\"16\">trained share, log scale</text>",
        SHARE[0]
    )?;
    for tick in axis.ticks() {
        let x = axis.place(tick);
        writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>"
        )?;
        let y = bottom + 18.0;
        writeln!(
            svg,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{y}\">{tick:.2}</text>"
        )?;
    }
    for (index, row) in rows.iter().enumerate() {
        let y = TOP + ROW * (index as f64 + 0.5);
        let baseline = y + 5.0;
        let label = DICE[0] - 12.0;
        writeln!(
            svg,
            "<text class=\"name\" x=\"{label}\" y=\"{baseline}\">{}</text>",
            escaped(&row.method)
        )?;
        if let Some(dice) = row.dice {
            let [low, high] = dice.ci95.map(|end| axis.place(end));
            let x = axis.place(dice.mean);
            writeln!(
                svg,
                "<line class=\"ci\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{y}\" y2=\"{y}\"/>"
            )?;
            writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"5\"><title>{}: {:.3} [{:.3}, {:.3}]</title></circle>",
                escaped(&row.method),
                dice.mean,
                dice.ci95[0],
                dice.ci95[1]
            )?;
        }
        let (width, top) = (share_width(row.trainable_percent), y - 7.0);
        writeln!(
            svg,
            "<rect x=\"{}\" y=\"{top}\" width=\"{width:.1}\" height=\"14\"/>",
            SHARE[0]
        )?;
        let x = SHARE[0] + width + 6.0;
        let percent = percent(row.trainable_percent);
        writeln!(
            svg,
            "<text class=\"value\" x=\"{x:.1}\" y=\"{baseline}\">{percent}%</text>"
        )?;
    }
    writeln!(svg, "</svg>")
}

/// Length of a bar on the logarithmic scale; nothing trained is no bar.
fn share_width(percent: f64) -> f64 {
    let [least, most] = SHARE_RANGE;
    if percent <= 0.0 {
        return 0.0;
    }
    let share = (percent.clamp(least, most) / least).ln() / (most / least).ln();
    // A bar of the smallest share is still seen.
    (share * (SHARE[1] - SHARE[0])).max(2.0)
}

/// A linear axis with round ends.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    from: f64,
    to: f64,
    step: f64,
}

impl Axis {
    /// The axis that holds all values, from a round number to a round number.
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let fold = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((1.0, 0.0), fold);
        // No values: the whole range of a Dice.
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let steps = [0.01, 0.02, 0.05, 0.1, 0.2];
        let fits = |step: &f64| (high / step).ceil() - (low / step).floor() < MOST_TICKS;
        let step = steps.into_iter().find(fits).unwrap_or(0.2);
        let from = (low / step).floor() * step;
        let to = ((high / step).ceil() * step).max(from + step);
        Self { from, to, step }
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        let n = ((self.to - self.from) / self.step).round() as u32;
        (0..=n).map(move |i| self.from + f64::from(i) * self.step)
    }

    fn place(self, value: f64) -> f64 {
        let [left, right] = DICE;
        left + (value - self.from) / (self.to - self.from) * (right - left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::cells_in_words::tests::row;

    #[test]
    fn the_axis_has_round_ends_around_all_values() {
        for values in [vec![0.613, 0.702], vec![0.0, 0.98], vec![0.5, 0.5], vec![]] {
            let axis = Axis::over(values.iter().copied());
            assert!(
                values
                    .iter()
                    .all(|v| axis.from - 1e-9 <= *v && *v <= axis.to + 1e-9),
                "{axis:?}"
            );
            let ticks: Vec<_> = axis.ticks().collect();
            assert!((2..=8).contains(&ticks.len()), "{values:?}: {ticks:?}");
            assert!((axis.place(axis.to) - DICE[1]).abs() < 1e-9);
        }
    }

    #[test]
    fn bars_are_logarithmic_and_nothing_is_no_bar() {
        let whole = SHARE[1] - SHARE[0];
        assert!((share_width(100.0) - whole).abs() < 1e-9);
        assert!((share_width(1.0) - whole / 2.0).abs() < 1e-9);
        assert_eq!(share_width(0.0), 0.0);
        assert!(share_width(1e-6) > 0.0);
    }

    #[test]
    fn every_row_has_a_label_a_dot_and_a_bar() {
        let (a, b) = (row("salt", 0.7, 4.0), row("<b>", 0.6, 0.0));
        let svg = svg(&[&a, &b]);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>"), "{svg}");
        let open = svg.matches("<text").count();
        assert_eq!(open, svg.matches("</text>").count());
    }
}
