//! Mirror images, and maps brought back from them.

use salt_data::ImageRgb;

/// Left to right, upside down, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    pub(crate) horizontal: bool,
    pub(crate) vertical: bool,
}

/// Every mirror image but the image itself.
pub(crate) const MIRRORS: [Mirror; 3] = [
    Mirror {
        horizontal: true,
        vertical: false,
    },
    Mirror {
        horizontal: false,
        vertical: true,
    },
    Mirror {
        horizontal: true,
        vertical: true,
    },
];

impl Mirror {
    /// The mirror image.
    pub(crate) fn image(self, image: &ImageRgb) -> ImageRgb {
        let mut data = image.data.clone();
        self.flip(&mut data, 3, image.width);
        ImageRgb {
            data,
            ..image.clone()
        }
    }

    /// Brings maps of a mirror image back: a mirror is its own inverse.
    ///
    /// # Shapes
    /// `[maps, height, width]`
    pub(crate) fn maps(self, maps: &mut [f32], width: usize, height: usize) {
        for map in maps.chunks_exact_mut((width * height).max(1)) {
            self.flip(map, 1, width);
        }
    }

    /// Pixels of `channels` values, in rows of `width` pixels.
    fn flip<T: Copy>(self, data: &mut [T], channels: usize, width: usize) {
        let row = (channels * width).max(1);
        if self.vertical {
            let height = data.len() / row;
            for y in 0..height / 2 {
                let (upper, lower) = data.split_at_mut((height - 1 - y) * row);
                upper[y * row..(y + 1) * row].swap_with_slice(&mut lower[..row]);
            }
        }
        if self.horizontal {
            for row in data.chunks_exact_mut(row) {
                for x in 0..width / 2 {
                    for channel in 0..channels {
                        row.swap(x * channels + channel, (width - 1 - x) * channels + channel);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_go_where_a_mirror_shows_them_and_come_back() {
        // Two rows of three pixels, whose channels are (n, 10 n, 20 n).
        let pixels = |order: [u8; 6]| order.iter().flat_map(|n| [*n, n * 10, n * 20]).collect();
        let image = ImageRgb::new(3, 2, pixels([1, 2, 3, 4, 5, 6])).unwrap();
        for (mirror, expected) in
            MIRRORS
                .into_iter()
                .zip([[3, 2, 1, 6, 5, 4], [4, 5, 6, 1, 2, 3], [6, 5, 4, 3, 2, 1]])
        {
            let mirrored = mirror.image(&image);
            assert_eq!(mirrored.data, pixels(expected), "{mirror:?}");
            assert_eq!(mirror.image(&mirrored), image);
            let both = [expected, [0, 0, 0, 0, 0, 9]].concat();
            let mut maps: Vec<f32> = both.into_iter().map(f32::from).collect();
            mirror.maps(&mut maps, 3, 2);
            assert_eq!(maps[..6], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
            assert_eq!(maps[6..].iter().sum::<f32>(), 9.0);
        }
    }
}
