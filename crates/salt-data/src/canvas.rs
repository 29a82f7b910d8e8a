//! Puts the network's answers back where their windows were, without visible seams.

use crate::error::DataError;
use crate::resize::resize_plane;
use crate::view::{View, Window};

/// Smallest weight of a window's pixel: keeps the corners of the picture, which only the rim of one
/// window reaches, well above rounding.
const LEAST_WEIGHT: f32 = 1e-3;

/// Logit of a pixel that no window covered: certainly background.
const UNCOVERED_LOGIT: f32 = -100.0;

/// Collects window logits and returns them at the picture's own resolution.
///
/// Where windows overlap, the mean is weighted by `w(i) = sin^2(pi (i + 1/2) / size)` along each axis,
/// which fades a window out towards its rim, where it has seen the least.
#[derive(Debug, Clone)]
pub struct Canvas {
    n_classes: usize,
    native: [usize; 2],
    scaled: [usize; 2],
    fade: Vec<f32>,
    sums: Vec<f32>,
    weights: Vec<f32>,
}

impl Canvas {
    /// An empty canvas for a picture of `width` x `height` seen through `view`.
    ///
    /// # Errors
    /// [`DataError::Setting`] for an unusable view or for no class or pixel at all.
    pub fn new(
        n_classes: usize,
        width: usize,
        height: usize,
        view: &View,
    ) -> Result<Self, DataError> {
        view.check()?;
        if n_classes * width * height == 0 {
            return Err(DataError::Setting {
                name: "the canvas",
                expected: "of at least one class and one pixel",
                received: format!("{n_classes} x {height} x {width}"),
            });
        }
        let size = view.input_size();
        let scaled = view.scaled_size(width, height);
        let fade = (0..size)
            .map(|i| {
                (std::f32::consts::PI * (i as f32 + 0.5) / size as f32)
                    .sin()
                    .powi(2)
            })
            .map(|w| w.max(LEAST_WEIGHT))
            .collect();
        let pixels = scaled[0] * scaled[1];
        Ok(Self {
            n_classes,
            native: [width, height],
            scaled,
            fade,
            sums: vec![0.0; n_classes * pixels],
            weights: vec![0.0; pixels],
        })
    }

    /// Adds the answer to one window.
    ///
    /// # Shapes
    /// * `logits`: `[n_classes, size, size]` of the window.
    ///
    /// # Errors
    /// [`DataError::Length`] when `logits` or the window do not belong to this canvas.
    pub fn add(&mut self, window: &Window, logits: &[f32]) -> Result<(), DataError> {
        let size = self.fade.len();
        let expected = self.n_classes * size * size;
        let place = window.place;
        let [width, height] = self.scaled;
        let fits = place.x + place.width <= width && place.y + place.height <= height;
        if logits.len() != expected || window.size != size || !fits {
            let received = if window.size == size && fits {
                logits.len()
            } else {
                self.n_classes * window.size * window.size
            };
            return Err(DataError::Length {
                what: "a window of this canvas",
                expected,
                received,
            });
        }
        for row in 0..place.height {
            let start = (place.y + row) * width + place.x;
            for column in 0..place.width {
                let weight = self.fade[row] * self.fade[column];
                self.weights[start + column] += weight;
                for class in 0..self.n_classes {
                    let logit = logits[(class * size + row) * size + column];
                    self.sums[class * width * height + start + column] += weight * logit;
                }
            }
        }
        Ok(())
    }

    /// The logits at native resolution, `[n_classes, height, width]`.
    ///
    /// Pixels that no window covered are certain background.
    pub fn finish(mut self) -> Vec<f32> {
        let pixels = self.weights.len();
        for plane in self.sums.chunks_exact_mut(pixels) {
            for (sum, &weight) in plane.iter_mut().zip(&self.weights) {
                *sum = if weight > 0.0 {
                    *sum / weight
                } else {
                    UNCOVERED_LOGIT
                };
            }
        }
        if self.scaled == self.native {
            return self.sums;
        }
        let [width, height] = self.native;
        let mut out = Vec::with_capacity(self.n_classes * width * height);
        for plane in self.sums.chunks_exact(pixels) {
            match resize_plane(plane, self.scaled, self.native) {
                Ok(resized) => out.extend(resized),
                // Sizes were checked in `new`; should it fail all the same, say background.
                Err(_) => out.resize(out.len() + width * height, UNCOVERED_LOGIT),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{Canvas, UNCOVERED_LOGIT};
    use crate::pixels::ImageRgb;
    use crate::view::{View, inference_inputs};

    fn picture(width: usize, height: usize) -> ImageRgb {
        let data = (0..width * height).flat_map(|i| [(i % 251) as u8, (i / 7 % 256) as u8, 3]);
        ImageRgb::new(width, height, data.collect()).expect("valid")
    }

    /// A "network" that answers with its own red and green pixels: what comes back must be the picture.
    #[test]
    fn tiles_that_echo_their_pixels_rebuild_the_picture() {
        let image = picture(53, 41);
        let view = View::Tiles {
            tile: 16,
            scale: 1.0,
            overlap: 0.4,
        };
        let mut canvas = Canvas::new(2, 53, 41, &view).expect("valid");
        for window in inference_inputs(&image, &view).expect("valid") {
            canvas
                .add(&window, &window.pixels_chw[..2 * 256])
                .expect("fits");
        }
        let out = canvas.finish();
        for (i, pixel) in image.data.chunks_exact(3).enumerate() {
            assert!((out[i] - f32::from(pixel[0])).abs() < 1e-2, "red of {i}");
            assert!(
                (out[53 * 41 + i] - f32::from(pixel[1])).abs() < 1e-2,
                "green of {i}"
            );
        }
    }

    #[test]
    fn padding_is_cropped_and_the_rest_is_enlarged() {
        let view = View::Resize { image_size: 16 };
        let image = ImageRgb::new(64, 32, vec![80; 64 * 32 * 3]).expect("valid");
        let windows = inference_inputs(&image, &view).expect("valid");
        let mut canvas = Canvas::new(1, 64, 32, &view).expect("valid");
        canvas
            .add(&windows[0], &windows[0].pixels_chw[..256])
            .expect("fits");
        let out = canvas.finish();
        assert_eq!(out.len(), 64 * 32);
        assert!(out.iter().all(|v| (v - 80.0).abs() < 1e-3));
    }

    #[test]
    fn what_was_not_covered_is_background_and_strangers_are_refused() {
        let view = View::Tiles {
            tile: 16,
            scale: 1.0,
            overlap: 0.0,
        };
        let windows = inference_inputs(&picture(32, 16), &view).expect("valid");
        let mut canvas = Canvas::new(1, 32, 16, &view).expect("valid");
        assert!(canvas.add(&windows[0], &[0.0; 255]).is_err());
        canvas.add(&windows[1], &[1.0; 256]).expect("fits");
        let out = canvas.finish();
        assert_eq!((out[0], out[16]), (UNCOVERED_LOGIT, 1.0));
        let mut small = Canvas::new(1, 16, 16, &view).expect("valid");
        assert!(small.add(&windows[1], &[1.0; 256]).is_err());
    }
}
