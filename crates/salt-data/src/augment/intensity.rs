//! Brightness, contrast and gamma in one table of 256 values.

use super::Drawn;

impl Drawn {
    /// New intensity (0 to 255) of each of the 256 old ones:
    /// `brightness * ((v^gamma - m) * contrast + m)`, `v` and the image's mean `m` in `[0, 1]`; the mean
    /// goes through the exponent too.
    pub(crate) fn intensities(&self, mean: f64) -> [f32; 256] {
        if self.brightness == 1.0 && self.contrast == 1.0 && self.gamma == 1.0 {
            return std::array::from_fn(|v| v as f32);
        }
        let mean = mean.powf(self.gamma);
        std::array::from_fn(|v| {
            let value = (v as f64 / 255.0).powf(self.gamma);
            let value = self.brightness * ((value - mean) * self.contrast + mean);
            (255.0 * value).clamp(0.0, 255.0) as f32
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::augment::Augment;
    use crate::draw_rng::DrawRng;

    #[test]
    fn nothing_leaves_every_value() {
        let table = Augment::none()
            .draw(&mut DrawRng::new(0, 0))
            .intensities(0.3);
        assert!((0..256).all(|v| table[v] == v as f32));
    }

    #[test]
    fn each_does_what_its_formula_says() {
        let plain = Augment::none().draw(&mut DrawRng::new(0, 0));
        let check = |change: &dyn Fn(&mut super::Drawn), at: usize, expected: f32| {
            let mut drawn = plain;
            change(&mut drawn);
            let received = drawn.intensities(0.4)[at];
            assert!((received - expected).abs() < 1e-3, "{received} {expected}");
        };
        check(&|d| d.brightness = 1.2, 100, 120.0);
        check(&|d| d.brightness = 1.2, 240, 255.0);
        // The mean, 0.4 * 255 = 102, stays where it is.
        check(&|d| d.contrast = 0.5, 102, 102.0);
        check(&|d| d.contrast = 0.5, 202, 152.0);
        check(&|d| d.gamma = 2.0, 51, 255.0 * 0.04);
    }

    proptest! {
        #[test]
        fn values_rise_and_stay_in_range(seed: u64, mean in 0.0_f64..=1.0) {
            let most = Augment { brightness: 1.0, contrast: 1.0, gamma: 4.0, ..Augment::none() };
            let table = most.draw(&mut DrawRng::new(seed, 0)).intensities(mean);
            prop_assert!(table.iter().all(|v| (0.0..=255.0).contains(v)));
            prop_assert!(table.windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }
}
