//! Exact Euclidean distance transform of a binary image with anisotropic pixels.
//!
//! ```text
//! D(p) = min over sites q of  row^2 (p_row - q_row)^2 + column^2 (p_column - q_column)^2
//! ```
//!
//! Felzenszwalb & Huttenlocher, "Distance Transforms of Sampled Functions", Theory of Computing
//! 8 (2012): the minimum over rows is taken first, then each line is the lower envelope of the
//! parabolas standing on it. On a binary image the first minimum needs no envelope: two sweeps
//! count the steps to the nearest site of the column. Linear in the number of pixels.

use crate::error::{MetricError, check_spacing};
use crate::mask::MaskView;

/// Squared distance from every pixel centre to the nearest `true` pixel centre, in the squared
/// unit of `spacing = [row, column]`; infinite everywhere when no pixel is `true`.
///
/// # Shapes
/// - output: `[height * width]`, row after row
///
/// # Errors
/// [`MetricError::Spacing`] when a spacing is not a positive, finite length.
pub fn squared_distance_transform(
    sites: MaskView,
    spacing: [f64; 2],
) -> Result<Vec<f64>, MetricError> {
    check_spacing(spacing)?;
    Ok(transform(sites.data, sites.width, spacing))
}

/// [`squared_distance_transform`] of checked arguments; `sites` holds whole rows of `width`.
pub(crate) fn transform(sites: &[bool], width: usize, spacing: [f64; 2]) -> Vec<f64> {
    let mut squared = column_distances(sites, width);
    for steps in &mut squared {
        let distance = *steps * spacing[0];
        *steps = distance * distance;
    }
    let mut envelope = Envelope::with_capacity(width);
    for line in squared.chunks_exact_mut(width) {
        envelope.replace(line, spacing[1]);
    }
    squared
}

/// Steps from each pixel to the nearest site of its own column. Whole rows are swept, downwards
/// and back up, so that memory is read in order.
fn column_distances(sites: &[bool], width: usize) -> Vec<f64> {
    let mut steps: Vec<f64> = sites
        .iter()
        .map(|&site| if site { 0.0 } else { f64::INFINITY })
        .collect();
    for i in width..steps.len() {
        steps[i] = steps[i].min(steps[i - width] + 1.0);
    }
    for i in (width..steps.len()).rev() {
        steps[i - width] = steps[i - width].min(steps[i] + 1.0);
    }
    steps
}

/// Lower envelope of the parabolas `y = height + (x - apex)^2` over one line.
struct Envelope {
    apexes: Vec<f64>,
    heights: Vec<f64>,
    /// `starts[k]`: where parabola `k` becomes the lowest.
    starts: Vec<f64>,
}

impl Envelope {
    fn with_capacity(width: usize) -> Self {
        Self {
            apexes: Vec::with_capacity(width),
            heights: Vec::with_capacity(width),
            starts: Vec::with_capacity(width),
        }
    }

    /// Replaces the heights in `line` by the envelope of the parabolas that stand on them.
    fn replace(&mut self, line: &mut [f64], spacing: f64) {
        self.apexes.clear();
        self.heights.clear();
        self.starts.clear();
        for (column, &height) in line.iter().enumerate() {
            if height.is_finite() {
                self.push(column as f64 * spacing, height);
            }
        }
        if self.apexes.is_empty() {
            return; // no site in the whole image: the line stays infinite
        }
        let mut lowest = 0;
        for (column, value) in line.iter_mut().enumerate() {
            let x = column as f64 * spacing;
            while self.starts.get(lowest + 1).is_some_and(|&start| start < x) {
                lowest += 1;
            }
            let offset = x - self.apexes[lowest];
            *value = offset * offset + self.heights[lowest];
        }
    }

    /// Adds the parabola of the next site to the right and drops those it hides.
    fn push(&mut self, apex: f64, height: f64) {
        let mut start = f64::NEG_INFINITY;
        while let (Some(&last_apex), Some(&last_height), Some(&last_start)) =
            (self.apexes.last(), self.heights.last(), self.starts.last())
        {
            let rise = (height + apex * apex) - (last_height + last_apex * last_apex);
            start = rise / (2.0 * (apex - last_apex));
            if start > last_start {
                break;
            }
            self.apexes.pop();
            self.heights.pop();
            self.starts.pop();
            start = f64::NEG_INFINITY;
        }
        self.apexes.push(apex);
        self.heights.push(height);
        self.starts.push(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma};
    use imageproc::distance_transform::euclidean_squared_distance_transform;

    /// The oracle has unit spacing and integer distances, so equality is exact.
    #[test]
    fn agrees_with_imageproc_at_unit_spacing() {
        for (width, height, modulus) in [(1, 1, 1), (7, 1, 3), (1, 9, 4), (31, 17, 41), (40, 23, 5)]
        {
            let sites: Vec<bool> = (0..width * height)
                .map(|i| (i * i + 3 * i) % modulus == 0)
                .collect();
            let picture = GrayImage::from_fn(width as u32, height as u32, |x, y| {
                Luma([u8::from(sites[y as usize * width + x as usize])])
            });
            let oracle = euclidean_squared_distance_transform(&picture);
            let ours = transform(&sites, width, [1.0, 1.0]);
            for (pixel, value) in oracle.pixels().zip(&ours) {
                assert_eq!(pixel.0[0], *value);
            }
        }
    }

    #[test]
    fn spacing_belongs_to_its_axis() {
        let mut sites = [false; 12];
        sites[0] = true;
        let mask = MaskView::new(4, 3, &sites).unwrap();
        let squared = squared_distance_transform(mask, [2.0, 0.5]).unwrap();
        assert_eq!(squared[3], 2.25, "three columns of 0.5");
        assert_eq!(squared[8], 16.0, "two rows of 2");
        assert_eq!(squared[11], 18.25);
        assert!(squared_distance_transform(mask, [2.0, -0.5]).is_err());
    }

    #[test]
    fn no_site_is_infinitely_far() {
        let sites = [false; 6];
        let mask = MaskView::new(3, 2, &sites).unwrap();
        let squared = squared_distance_transform(mask, [1.0, 1.0]).unwrap();
        assert!(squared.iter().all(|value| value.is_infinite()));
    }
}
