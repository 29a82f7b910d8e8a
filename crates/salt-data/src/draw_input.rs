//! One case to one training input: the draw, the reading and the filters in their order.

use crate::augment::{Augment, Bend, ForegroundRows, Sight};
use crate::draw_rng::DrawRng;
use crate::pixels::{ImageRgb, LabelMap};
use crate::sample::{Look, sample};

/// Fills one input of side `side` from a case at the view's scale: a pure function of what is given,
/// the state of `rng` included. `mean` is the mean intensity of the picture at its native size, 0 to 1: contrast turns
/// around it.
///
/// # Shapes
/// * `pixels_chw`: `[3, side, side]`, RGB in 0 to 255
/// * `labels_hw`: `[side, side]`
pub(crate) fn draw_input(
    (image, labels, mean): (&ImageRgb, &LabelMap, f64),
    augment: &Augment,
    side: usize,
    rng: &mut DrawRng,
    (pixels_chw, labels_hw): (&mut [f32], &mut [u8]),
) {
    let size = [image.width, image.height];
    // In a resized view there is no room, and the origin is the corner.
    let room = size.map(|length| length.saturating_sub(side));
    let origin = room.map(|room| rng.int(0, room));
    let content = size.map(|length| length.min(side));
    let drawn = augment.draw(rng);
    let bend = drawn
        .elastic
        .map(|(strength, step)| Bend::new(strength, step, side));
    let mut warp = drawn.warp(origin, content, side);
    if let Some([which, column, row]) = drawn.foreground
        && let Some(pixel) = ForegroundRows::of(labels).choose(labels, which)
    {
        let shown_at = [column, row].map(|bits| ((u64::from(bits) * side as u64) >> 32) as usize);
        let sight = Sight {
            pixel,
            shown_at,
            room,
        };
        warp = drawn
            .warp([0, 0], content, side)
            .showing(sight, side, bend.as_ref());
    }
    let look = Look {
        warp,
        bend: bend.as_ref(),
        intensities: drawn.intensities(mean),
    };
    sample(image, labels, &look, side, pixels_chw, labels_hw);
    drawn.filter(pixels_chw, side);
}
