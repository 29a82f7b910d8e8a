//! Which tokens of a grid lie in which window.

use crate::attention::Grid;

/// The tokens of one window that exist, and the places without one.
#[derive(Debug)]
pub(super) struct Window {
    /// Rows of the grid's tokens `[batch * height * width]`, in reading order.
    pub(super) tokens: Vec<usize>,
    /// Their places in the window, `y * columns + x`.
    pub(super) places: Vec<usize>,
    /// Places beyond the grid.
    pub(super) empty: Vec<usize>,
}

/// All windows of a grid.
#[derive(Debug)]
pub(super) struct Windows {
    pub(super) all: Vec<Window>,
    /// Of every token its window and its number there.
    pub(super) owner: Vec<(usize, usize)>,
}

impl Windows {
    pub(super) fn new(grid: &Grid) -> Self {
        let [rows, columns] = grid.seen();
        let mut all = Vec::new();
        let mut owner = vec![(0, 0); grid.batch * grid.height * grid.width];
        for image in 0..grid.batch {
            for top in (0..grid.height).step_by(rows) {
                for left in (0..grid.width).step_by(columns) {
                    let (mut tokens, mut places, mut empty) = (vec![], vec![], vec![]);
                    for place in 0..rows * columns {
                        let (y, x) = (top + place / columns, left + place % columns);
                        if y < grid.height && x < grid.width {
                            let token = (image * grid.height + y) * grid.width + x;
                            owner[token] = (all.len(), tokens.len());
                            tokens.push(token);
                            places.push(place);
                        } else {
                            empty.push(place);
                        }
                    }
                    all.push(Window {
                        tokens,
                        places,
                        empty,
                    });
                }
            }
        }
        Self { all, owner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_grid_and_reach_over_its_edge() {
        let mut grid = Grid {
            batch: 2,
            height: 3,
            width: 4,
            heads: 1,
            head_dim: 1,
            window: Some(3),
        };
        let windows = Windows::new(&grid);
        assert_eq!(windows.all.len(), 4);
        assert_eq!(windows.all[0].tokens, [0, 1, 2, 4, 5, 6, 8, 9, 10]);
        assert!(windows.all[0].empty.is_empty());
        let edge = &windows.all[3];
        assert_eq!(edge.tokens, [15, 19, 23]);
        assert_eq!(edge.places, [0, 3, 6]);
        assert_eq!(edge.empty, [1, 2, 4, 5, 7, 8]);
        assert_eq!(windows.owner[19], (3, 1));
        grid.window = None;
        assert_eq!(Windows::new(&grid).all[1].tokens, Vec::from_iter(12..24));
    }
}
