//! Polygons to runs of pixels, equal to `annToMask` of pycocotools pixel by pixel.
//!
//! The rule (Lin et al., "Microsoft COCO", and the documentation of its mask API): the polygon is
//! drawn on a grid five times as fine, as a closed chain of grid points; where the chain passes from
//! one fine column to the next in the middle of a coarse column, everything below that point in
//! that column changes between outside and inside. So pixels are inside by the even-odd rule at
//! their centre line, and a pixel whose centre the outline touches belongs to the inside from above.
//!
//! A pixel has the number `x * height + y`. Since a change that holds to the end of its column is
//! undone by the change at the outline's other side, all changes together are one list of numbers:
//! a pixel is inside if an odd number of changes lies at or before it.

use std::ops::Range;

/// Fine columns and rows per pixel.
const FINE: f64 = 5.0;

/// Grid points on the outline: what [`runs`] has to visit.
pub(super) fn steps(points: &[[f64; 2]]) -> u64 {
    let fine: Vec<[i64; 2]> = points.iter().map(|&point| point.map(to_fine)).collect();
    edges(&fine)
        .map(|[from, to]| (to[0] - from[0]).abs().max((to[1] - from[1]).abs()) as u64 + 1)
        .sum()
}

/// The numbers of the pixels inside, as runs in growing order.
pub(super) fn runs(points: &[[f64; 2]], width: usize, height: usize) -> Vec<Range<usize>> {
    let fine: Vec<[i64; 2]> = points.iter().map(|&point| point.map(to_fine)).collect();
    let mut changes = Vec::new();
    let mut last: Option<[i64; 2]> = None;
    for [from, to] in edges(&fine) {
        walk(from, to, |point| {
            if let Some(last) = last.replace(point) {
                changes.extend(change(last, point, width, height));
            }
        });
    }
    // The outline is closed, so the changes of a column come in pairs, but one at the height of the
    // last column may be beyond the last pixel.
    changes.sort_unstable();
    let end = width * height;
    changes
        .chunks(2)
        .map(|pair| pair[0]..pair.get(1).copied().unwrap_or(end))
        .filter(|run| !run.is_empty())
        .collect()
}

/// To the fine grid; the cast cuts towards zero, as in the original, also left of the picture.
fn to_fine(coordinate: f64) -> i64 {
    (FINE * coordinate + 0.5) as i64
}

fn edges(points: &[[i64; 2]]) -> impl Iterator<Item = [[i64; 2]; 2]> + '_ {
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|(&from, &to)| [from, to])
}

/// Visits the grid points of an edge, both ends included. They do not depend on the edge's
/// direction: it is computed along its longer side in growing order and visited as asked.
fn walk(from: [i64; 2], to: [i64; 2], mut visit: impl FnMut([i64; 2])) {
    let extent = [(to[0] - from[0]).abs(), (to[1] - from[1]).abs()];
    let long = usize::from(extent[0] < extent[1]);
    let short = 1 - long;
    let backwards = from[long] > to[long];
    let [low, high] = if backwards { [to, from] } else { [from, to] };
    let slope = match extent[long] {
        0 => 0.0,
        length => (high[short] - low[short]) as f64 / length as f64,
    };
    for i in 0..=extent[long] {
        let along = if backwards { extent[long] - i } else { i };
        let mut point = [0; 2];
        point[long] = low[long] + along;
        point[short] = (low[short] as f64 + slope * along as f64 + 0.5) as i64;
        visit(point);
    }
}

/// The pixel number from which a step of the chain changes the rest of the column, if it does.
fn change(from: [i64; 2], to: [i64; 2], width: usize, height: usize) -> Option<usize> {
    if from[0] == to[0] {
        return None;
    }
    let column = if to[0] < from[0] { to[0] } else { to[0] - 1 };
    let x = (column as f64 + 0.5) / FINE - 0.5;
    if x.floor() != x || x < 0.0 || x > width as f64 - 1.0 {
        return None;
    }
    let row = if to[1] < from[1] { to[1] } else { from[1] };
    let y = ((row as f64 + 0.5) / FINE - 0.5)
        .clamp(0.0, height as f64)
        .ceil();
    Some(x as usize * height + y as usize)
}
