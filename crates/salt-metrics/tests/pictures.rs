//! Masks for the tests.

use salt_metrics::{MaskView, SurfaceDistances};

/// A mask that owns its pixels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) data: Vec<bool>,
}

impl Picture {
    /// Draws pixel `(row, column)` where `inside` says so.
    pub(crate) fn draw(width: usize, height: usize, inside: impl Fn(usize, usize) -> bool) -> Self {
        let data = (0..height * width)
            .map(|i| inside(i / width, i % width))
            .collect();
        Self { width, data }
    }

    /// A filled rectangle in a square image.
    pub(crate) fn rectangle(
        size: usize,
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Self {
        Self::draw(size, size, |row, column| {
            (top..top + height).contains(&row) && (left..left + width).contains(&column)
        })
    }

    /// Everything in either picture.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        for (mine, other) in self.data.iter_mut().zip(&other.data) {
            *mine |= other;
        }
        self
    }

    pub(crate) fn height(&self) -> usize {
        self.data.len() / self.width
    }

    pub(crate) fn view(&self) -> MaskView<'_> {
        MaskView::new(self.width, self.height(), &self.data).unwrap()
    }

    /// Rows become columns.
    pub(crate) fn transposed(&self) -> Self {
        Self::draw(self.height(), self.width, |row, column| {
            self.data[column * self.width + row]
        })
    }

    /// Left and right swapped.
    pub(crate) fn flipped(&self) -> Self {
        let width = self.width;
        Self::draw(width, self.height(), |row, column| {
            self.data[row * width + width - 1 - column]
        })
    }

    /// The same on a larger canvas, moved down and right.
    pub(crate) fn moved(&self, down: usize, right: usize, margin: usize) -> Self {
        let (width, height) = (self.width, self.height());
        Self::draw(
            width + right + margin,
            height + down + margin,
            |row, column| {
                (down..down + height).contains(&row)
                    && (right..right + width).contains(&column)
                    && self.data[(row - down) * width + column - right]
            },
        )
    }
}

/// Surface distances of two pictures that both hold an object.
pub(crate) fn surfaces(pred: &Picture, reference: &Picture, spacing: [f64; 2]) -> SurfaceDistances {
    SurfaceDistances::between(pred.view(), reference.view(), spacing)
        .unwrap()
        .unwrap()
}
