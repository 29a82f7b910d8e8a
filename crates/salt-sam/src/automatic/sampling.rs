//! Where an image is asked: a grid of points over the image and over overlapping crops of it.

/// Points in the unit square, evenly spaced, row by row: the centres of `per_side` by `per_side` cells.
pub(super) fn point_grid(per_side: usize) -> Vec<[f64; 2]> {
    let centre = |i: usize| (i as f64 + 0.5) / per_side as f64;
    let row = |y: usize| (0..per_side).map(move |x| [centre(x), centre(y)]);
    (0..per_side).flat_map(row).collect()
}

/// A part of the image, `[x0, y0, x1, y1]` in pixels, and the layer it belongs to: 0 is the image itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Crop {
    pub(super) bounds: [usize; 4],
    pub(super) layer: u32,
}

/// The image and, for each of `layers`, `2^layer` by `2^layer` crops that share `overlap_ratio` of the
/// image's shorter side, halved with every layer.
pub(super) fn crops([width, height]: [usize; 2], layers: u32, overlap_ratio: f64) -> Vec<Crop> {
    let whole = [0, 0, width, height];
    let mut crops = vec![Crop {
        bounds: whole,
        layer: 0,
    }];
    for layer in 1..=layers {
        let per_side = 1_usize << layer;
        let shared = overlap_ratio * width.min(height) as f64 * (2.0 / per_side as f64);
        let shared = shared as usize;
        let length = |side: usize| (shared * (per_side - 1) + side).div_ceil(per_side);
        let (crop_width, crop_height) = (length(width), length(height));
        for column in 0..per_side {
            for row in 0..per_side {
                let x0 = (crop_width - shared.min(crop_width)) * column;
                let y0 = (crop_height - shared.min(crop_height)) * row;
                let bounds = [
                    x0,
                    y0,
                    (x0 + crop_width).min(width),
                    (y0 + crop_height).min(height),
                ];
                // Images of a few pixels have no room for every crop.
                if bounds[0] < bounds[2] && bounds[1] < bounds[3] {
                    crops.push(Crop { bounds, layer });
                }
            }
        }
    }
    crops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_cell_centres_row_by_row() {
        assert_eq!(
            point_grid(2),
            [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
        );
    }

    /// Numbers of `generate_crop_boxes((600, 800), 2, 512 / 1500)` of the original.
    #[test]
    fn crops_are_those_of_the_original() {
        let crops = crops([800, 600], 2, 512.0 / 1500.0);
        assert_eq!(crops.len(), 1 + 4 + 16);
        let bounds: Vec<[usize; 4]> = crops.iter().map(|crop| crop.bounds).collect();
        assert_eq!(bounds[0], [0, 0, 800, 600]);
        assert_eq!(
            bounds[1..5],
            [
                [0, 0, 502, 402],
                [0, 198, 502, 600],
                [298, 0, 800, 402],
                [298, 198, 800, 600]
            ]
        );
        assert_eq!(bounds[5], [0, 0, 277, 227]);
        assert_eq!(bounds[20], [525, 375, 800, 600]);
    }

    #[test]
    fn an_image_of_one_pixel_is_its_only_crop() {
        let crops = crops([1, 1], 3, 0.34);
        assert!(
            crops.iter().all(|crop| crop.bounds == [0, 0, 1, 1]),
            "{crops:?}"
        );
    }
}
