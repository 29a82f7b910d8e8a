//! `lr_find.svg`: loss over the logarithm of the rate, as a picture without scripts.

use std::fmt::Write as _;

use super::curve::{Point, Suggestion};
use crate::curves::{DICE_COLOUR, HEIGHT, LOSS_COLOUR, MARGIN, WIDTH, canvas, polyline};

/// Of the losses as they came.
const RAW_COLOUR: &str = "#f4a582";

/// Losses as they came and smoothed, from `from` to `to`, with a vertical line at each suggestion and a circle at the
/// minimum. The axis spans the smoothed loss.
pub(super) fn render(
    points: &[Point],
    [from, to]: [f64; 2],
    suggestion: Option<&Suggestion>,
) -> String {
    let smoothed = || points.iter().map(|p| p.smoothed_loss);
    let floor = smoothed().fold(f64::INFINITY, f64::min);
    let top = smoothed().fold(f64::NEG_INFINITY, f64::max);
    let (floor, top) = match top > floor {
        true => (floor, top),
        // One value, or none.
        false => (0.0, if top > 0.0 { top } else { 1.0 }),
    };
    let decades = (to / from).log10();
    let x = |lr: f64| MARGIN + (lr / from).log10() / decades * (WIDTH - 2.0 * MARGIN);
    let y = |loss: f64| {
        let share = ((loss - floor) / (top - floor)).clamp(0.0, 1.0);
        HEIGHT - MARGIN - share * (HEIGHT - 2.0 * MARGIN)
    };

    let mut svg = canvas();
    // Writing to a String cannot fail, so the results carry nothing.
    for i in 0..=4 {
        let loss = floor + f64::from(i) / 4.0 * (top - floor);
        let level = y(loss);
        let _ = write!(
            svg,
            "<line x1=\"{MARGIN}\" y1=\"{level:.1}\" x2=\"{:.1}\" y2=\"{level:.1}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{LOSS_COLOUR}\">{loss:.3}</text>\n",
            WIDTH - MARGIN,
            MARGIN - 6.0,
            level + 4.0,
        );
    }
    for power in powers_of_ten(from, to) {
        let (place, bottom) = (x(10f64.powi(power)), HEIGHT - MARGIN);
        let _ = write!(
            svg,
            "<line x1=\"{place:.1}\" y1=\"{bottom:.1}\" x2=\"{place:.1}\" y2=\"{:.1}\" stroke=\"#888888\"/>\n\
             <text x=\"{place:.1}\" y=\"{:.1}\" text-anchor=\"middle\">1e{power}</text>\n",
            bottom + 4.0,
            bottom + 20.0,
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{MARGIN}\" y=\"20\" fill=\"{LOSS_COLOUR}\">training loss, smoothed</text>\n\
         <text x=\"{MARGIN}\" y=\"34\" fill=\"{RAW_COLOUR}\">of each step</text>\n\
         <text x=\"{:.1}\" y=\"20\" text-anchor=\"end\">learning rate</text>\n",
        WIDTH - MARGIN,
    );
    let line = |loss: fn(&Point) -> f64| -> Vec<_> {
        points.iter().map(|p| (x(p.lr), y(loss(p)))).collect()
    };
    polyline(&mut svg, &line(|p| p.loss), RAW_COLOUR);
    polyline(&mut svg, &line(|p| p.smoothed_loss), LOSS_COLOUR);
    if let Some(suggestion) = suggestion {
        mark(
            &mut svg,
            x(suggestion.steepest),
            32.0,
            "steepest",
            suggestion.steepest,
        );
        let tenth = suggestion.tenth_of_minimum;
        mark(&mut svg, x(tenth), 44.0, "minimum / 10", tenth);
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"none\" stroke=\"{LOSS_COLOUR}\"/>",
            x(suggestion.minimum),
            y(floor),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// A vertical line with its name and rate above it, on the side that has more room. One that lies left of the axis is
/// drawn on it.
fn mark(svg: &mut String, place: f64, level: f64, name: &str, lr: f64) {
    let place = place.max(MARGIN);
    let anchor = match place > WIDTH / 2.0 {
        true => "end",
        false => "start",
    };
    let _ = write!(
        svg,
        "<line x1=\"{place:.1}\" y1=\"{MARGIN:.1}\" x2=\"{place:.1}\" y2=\"{:.1}\" stroke=\"{DICE_COLOUR}\" \
         stroke-dasharray=\"4 3\"/>\n\
         <text x=\"{place:.1}\" y=\"{level:.1}\" text-anchor=\"{anchor}\" fill=\"{DICE_COLOUR}\">{name} {lr:.1e}</text>\n",
        HEIGHT - MARGIN,
    );
}

/// Powers of ten from `from` to `to`, no more than have room for their names.
fn powers_of_ten(from: f64, to: f64) -> impl Iterator<Item = i32> {
    let near = 1e-9;
    let first = (from.log10() - near).ceil() as i32;
    let last = (to.log10() + near).floor() as i32;
    let every = usize::try_from((last - first) / 9).unwrap_or(0) + 1;
    (first..=last).step_by(every)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(lr: f64, loss: f64, smoothed_loss: f64) -> Point {
        Point {
            step: 1,
            lr,
            loss,
            smoothed_loss,
        }
    }

    #[test]
    fn decades_are_equally_wide_and_the_suggestions_are_marked() {
        let points = [
            point(1e-4, 9.0, 2.0),
            point(1e-3, 1.5, 1.5),
            point(1e-2, 0.0, 1.0),
        ];
        let suggestion = Suggestion {
            steepest: 1e-3,
            tenth_of_minimum: 1e-3,
            minimum: 1e-2,
        };
        let svg = render(&points, [1e-4, 1e-2], Some(&suggestion));
        let line = "x1=\"320.0\" y1=\"48.0\" x2=\"320.0\" y2=\"272.0\"";
        assert_eq!(svg.matches(line).count(), 2, "{svg}");
        // What leaves the axis is drawn at its end.
        assert!(
            svg.contains("points=\"48.0,48.0 320.0,160.0 592.0,272.0\""),
            "{svg}"
        );
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(
            svg.contains("steepest 1.0e-3") && svg.contains("minimum / 10 1.0e-3"),
            "{svg}"
        );
        assert!(svg.contains("<circle cx=\"592.0\" cy=\"272.0\""), "{svg}");
        for rate in [">1e-4<", ">1e-3<", ">1e-2<"] {
            assert!(svg.contains(rate), "{rate}: {svg}");
        }
    }

    #[test]
    fn few_points_and_many_decades_still_make_a_picture_of_numbers() {
        for points in [
            vec![],
            vec![point(1e-7, 0.0, 0.0)],
            vec![point(1e-7, -1.0, -1.0)],
        ] {
            let svg = render(&points, [1e-12, 1e3], None);
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
            assert!(!svg.contains("inf") && !svg.contains("NaN"), "{svg}");
            assert!(svg.matches("text-anchor=\"middle\"").count() <= 9, "{svg}");
        }
    }
}
