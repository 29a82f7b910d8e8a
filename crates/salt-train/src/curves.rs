//! `curves.svg`: training loss and validation Dice over epochs, as a picture without scripts.

use std::fmt::Write as _;

use crate::epoch_table::EpochRow;

pub(crate) const WIDTH: f64 = 640.0;
pub(crate) const HEIGHT: f64 = 320.0;
pub(crate) const MARGIN: f64 = 48.0;
pub(crate) const LOSS_COLOUR: &str = "#b2182b";
pub(crate) const DICE_COLOUR: &str = "#2166ac";

/// The curves of a run: loss on the left axis (from 0, or its minimum if that is below, to its maximum), Dice on
/// the right (0 to 1).
pub fn render(rows: &[EpochRow]) -> String {
    let last = rows.last().map_or(1, |row| row.epoch).max(2);
    let finite = || rows.iter().map(|r| r.train_loss).filter(|l| l.is_finite());
    let floor = finite().fold(0.0, f64::min);
    let top = finite().fold(0.0, f64::max);
    let top = if top > floor { top } else { 1.0 };
    let x = |epoch: u64| MARGIN + (epoch - 1) as f64 / (last - 1) as f64 * (WIDTH - 2.0 * MARGIN);
    let y = |share: f64| HEIGHT - MARGIN - share.clamp(0.0, 1.0) * (HEIGHT - 2.0 * MARGIN);
    let loss: Vec<_> = rows
        .iter()
        .map(|r| (x(r.epoch), y((r.train_loss - floor) / (top - floor))))
        .collect();
    let dice: Vec<_> = rows
        .iter()
        .filter_map(|r| Some((x(r.epoch), y(r.val_dice?))))
        .collect();

    let mut svg = canvas();
    // Writing to a String cannot fail, so the results carry nothing.
    for i in 0..=4 {
        let share = f64::from(i) / 4.0;
        let level = y(share);
        let _ = write!(
            svg,
            "<line x1=\"{MARGIN}\" y1=\"{level:.1}\" x2=\"{:.1}\" y2=\"{level:.1}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{LOSS_COLOUR}\">{:.3}</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{DICE_COLOUR}\">{share:.2}</text>\n",
            WIDTH - MARGIN,
            MARGIN - 6.0,
            level + 4.0,
            floor + share * (top - floor),
            WIDTH - MARGIN + 6.0,
            level + 4.0,
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{MARGIN}\" y=\"{0:.1}\">epoch 1</text>\n\
         <text x=\"{1:.1}\" y=\"{0:.1}\" text-anchor=\"end\">epoch {last}</text>\n\
         <text x=\"{MARGIN}\" y=\"20\" fill=\"{LOSS_COLOUR}\">training loss</text>\n\
         <text x=\"{1:.1}\" y=\"20\" text-anchor=\"end\" fill=\"{DICE_COLOUR}\">validation Dice</text>\n",
        HEIGHT - MARGIN + 20.0,
        WIDTH - MARGIN,
    );
    polyline(&mut svg, &loss, LOSS_COLOUR);
    polyline(&mut svg, &dice, DICE_COLOUR);
    if let Some(best) = rows.iter().rev().find(|r| r.best)
        && let Some(value) = best.val_dice
    {
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"none\" stroke=\"{DICE_COLOUR}\"/>",
            x(best.epoch),
            y(value),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The beginning of a picture.
pub(crate) fn canvas() -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    )
}

pub(crate) fn polyline(svg: &mut String, points: &[(f64, f64)], colour: &str) {
    if points.is_empty() {
        return;
    }
    let path: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
        path.join(" ")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: u64, train_loss: f64, val_dice: Option<f64>, best: bool) -> EpochRow {
        EpochRow {
            epoch,
            step: epoch,
            lr: 1.0,
            train_loss,
            grad_norm: 1.0,
            val_dice,
            val_iou: None,
            best,
            full: None,
        }
    }

    #[test]
    fn draws_a_point_per_epoch_and_marks_the_best() {
        let svg = render(&[
            row(1, 2.0, Some(0.0), true),
            row(2, 1.0, None, false),
            row(3, 0.0, Some(1.0), true),
        ]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        // Loss: from the top line down to the bottom one; Dice the other way round.
        assert!(
            svg.contains("points=\"48.0,48.0 320.0,160.0 592.0,272.0\""),
            "{svg}"
        );
        assert!(svg.contains("points=\"48.0,272.0 592.0,48.0\""), "{svg}");
        assert!(svg.contains("<circle cx=\"592.0\" cy=\"48.0\""), "{svg}");
    }

    #[test]
    fn losses_below_zero_have_room() {
        let svg = render(&[row(1, 1.0, None, false), row(2, -3.0, None, false)]);
        // From the top line to the bottom one, which is not 0.
        assert!(svg.contains("points=\"48.0,48.0 592.0,272.0\""), "{svg}");
        assert!(svg.contains(">-3.000<") && svg.contains(">1.000<"), "{svg}");
        let svg = render(&[row(1, -1.0, None, false), row(2, -2.0, None, false)]);
        assert!(svg.contains("points=\"48.0,160.0 592.0,272.0\""), "{svg}");
    }

    #[test]
    fn no_rows_and_one_row_still_make_a_picture_of_numbers() {
        for rows in [
            vec![],
            vec![row(1, 0.0, Some(0.5), true)],
            vec![row(1, f64::NAN, None, false)],
        ] {
            let svg = render(&rows);
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
            assert!(!svg.contains("inf"), "{svg}");
        }
    }
}
