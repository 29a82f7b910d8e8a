//! Where the foreground of a case is, in four bytes a row.

use crate::pixels::{IGNORE_LABEL, LabelMap};

/// Number of foreground pixels above every row, and in all.
///
/// A pixel is found by its rank with a binary search for the row and a walk along it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ForegroundRows {
    above: Vec<u32>,
}

fn is_foreground(class: u8) -> bool {
    class != 0 && class != IGNORE_LABEL
}

impl ForegroundRows {
    /// Counts once what every sample of a case then uses.
    pub(crate) fn of(labels: &LabelMap) -> Self {
        let mut total = 0;
        let mut above = vec![0];
        above.extend(labels.classes.chunks(labels.width.max(1)).map(|row| {
            total += row.iter().filter(|&&class| is_foreground(class)).count() as u32;
            total
        }));
        Self { above }
    }

    /// `[x, y]` of the foreground pixel that `bits`, uniform over 32 bits, choose; every one is equally
    /// likely. `None` where there is no foreground.
    pub(crate) fn choose(&self, labels: &LabelMap, bits: u32) -> Option<[usize; 2]> {
        let total = *self.above.last()?;
        let rank = ((u64::from(bits) * u64::from(total)) >> 32) as u32;
        let row = self.above.partition_point(|&above| above <= rank) - 1;
        let classes = labels.classes.chunks(labels.width.max(1)).nth(row)?;
        let mut columns = (0..classes.len()).filter(|&x| is_foreground(classes[x]));
        let column = columns.nth((rank - self.above[row]) as usize)?;
        Some([column, row])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ForegroundRows;
    use crate::pixels::LabelMap;

    #[test]
    fn an_empty_mask_has_nothing_to_choose() {
        for classes in [vec![0; 12], vec![255; 12], Vec::new()] {
            let labels = LabelMap::new(classes.len() / 3, 3, classes).expect("valid");
            let rows = ForegroundRows::of(&labels);
            assert_eq!(rows.choose(&labels, u32::MAX), None);
        }
        let labels = LabelMap::new(2, 2, vec![1; 4]).expect("valid");
        assert_eq!(ForegroundRows::default().choose(&labels, 7), None);
    }

    proptest! {
        #[test]
        fn every_foreground_pixel_is_chosen_equally_often(
            (width, classes) in (1_usize..9, 1_usize..9).prop_flat_map(|(w, h)| {
                let class = prop_oneof![Just(0_u8), Just(1), Just(2), Just(255)];
                (Just(w), prop::collection::vec(class, w * h))
            }),
        ) {
            let labels = LabelMap::new(width, classes.len() / width, classes).expect("valid");
            let rows = ForegroundRows::of(&labels);
            let expected: Vec<[usize; 2]> = (0..labels.classes.len())
                .filter(|&i| labels.classes[i] == 1 || labels.classes[i] == 2)
                .map(|i| [i % width, i / width])
                .collect();
            // Bits in the middle of the k-th of n equal parts choose the k-th pixel.
            let n = expected.len() as u64;
            for (k, pixel) in expected.iter().enumerate() {
                let bits = (((2 * k as u64 + 1) << 32) / (2 * n)) as u32;
                prop_assert_eq!(rows.choose(&labels, bits), Some(*pixel));
            }
            prop_assert_eq!(rows.choose(&labels, 0).is_none(), n == 0);
        }
    }
}
