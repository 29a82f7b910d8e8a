//! Which input of the network keeps the thinnest structures visible.

use super::widths::WidthStats;

/// Width in pixels of the input that a structure must keep. Masks come out of the decoder at a
/// quarter of the input's size and are enlarged, so a line of one pixel is lost.
const VISIBLE_PX: f64 = 2.0;

/// Input that is always affordable.
const SMALL: usize = 256;

/// Largest input for whole images; it is the one SAM was trained with.
const LARGEST: usize = 1024;

/// Side of a tile where whole images do not fit.
const TILE: usize = 512;

/// Inputs are multiples of this: of the patch (16) and of a window of patches that is not padded much.
const STEP: usize = 64;

/// A recommended input.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Advice {
    /// Value of `image_size` in the recipe's section `[model]`.
    pub image_size: usize,
    /// Whether images are cut into tiles of that size instead of being scaled to it.
    pub tiles: bool,
    /// Scale of the images under the tiles; 1 for whole images.
    pub scale: f64,
    /// Why, in words.
    pub reason: String,
    /// Lines of a recipe.
    pub recipe: String,
}

/// Advice for images whose longest side is `longest_px` in the middle of the set.
pub(super) fn advise(longest_px: usize, widths: &WidthStats) -> Advice {
    let thin = widths.p10_px;
    let needed = (longest_px as f64 * VISIBLE_PX / thin).min(longest_px as f64);
    let image_size = (needed.ceil() as usize).next_multiple_of(STEP).max(SMALL);
    let in_input = |size: usize| thin * (size as f64 / longest_px as f64).min(1.0);
    let thinnest = format!("the thinnest tenth of the structures is up to {thin:.1} px wide");
    if image_size <= LARGEST {
        let small = in_input(SMALL);
        let mut reason = format!("{thinnest}; in a {SMALL} px input that is {small:.1} px");
        if image_size > SMALL {
            reason += &format!(
                ", in one of {image_size} px {:.1} px; where that is too much to compute, train on tiles: \
                 `view = \"tiles\"`, `tile = {SMALL}` in [data]",
                in_input(image_size)
            );
        } else {
            reason += ", which is enough";
        }
        return Advice {
            image_size,
            tiles: false,
            scale: 1.0,
            reason,
            recipe: format!("[model]\nimage_size = {image_size}\n"),
        };
    }
    // Halved as long as the thin ones stay visible.
    let mut scale = 1.0;
    while thin * scale >= 2.0 * VISIBLE_PX {
        scale /= 2.0;
    }
    Advice {
        image_size: TILE,
        tiles: true,
        scale,
        reason: format!(
            "{thinnest}; whole images of {longest_px} px would need an input of {image_size} px, in {LARGEST} px \
             it would be {:.1} px: train on tiles",
            in_input(LARGEST)
        ),
        recipe: format!(
            "[model]\nimage_size = {TILE}\n\n[data]\nview = \"tiles\"\ntile = {TILE}\nscale = {scale:?}\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::advise;
    use crate::verify::WidthStats;

    #[test]
    fn thin_structures_get_more_pixels() {
        for (longest, p10_px, expected) in [
            // Large objects: a small input.
            (999, 40.0, (256, false, 1.0)),
            (200, 1.0, (256, false, 1.0)),
            // Half of the resolution leaves 2 px of 4.
            (999, 4.0, (512, false, 1.0)),
            (999, 2.0, (1024, false, 1.0)),
            // No input is larger than the image.
            (999, 1.0, (1024, false, 1.0)),
            (3504, 2.0, (512, true, 1.0)),
            (3504, 5.0, (512, true, 0.5)),
        ] {
            let widths = WidthStats {
                p10_px,
                median_px: 50.0,
                masks: 1,
            };
            let advice = advise(longest, &widths);
            let got = (advice.image_size, advice.tiles, advice.scale);
            assert_eq!(got, expected, "{longest} {p10_px} {}", advice.reason);
            assert!(advice.recipe.contains(&format!("image_size = {}\n", got.0)));
            assert_eq!(advice.recipe.contains("view = \"tiles\""), advice.tiles);
        }
    }
}
