//! Specks and pinholes: connected regions below an area are removed from a mask or filled in it.

/// Which regions are meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Region {
    /// Background inside of the object.
    Hole,
    /// Object apart from the rest of it.
    Island,
}

/// Fills holes or removes islands of fewer than `min_area` pixels (connected over edges and corners), and
/// says whether there were any. Where every island is smaller, the largest stays.
pub(super) fn clean(mask: &mut [bool], width: usize, min_area: usize, region: Region) -> bool {
    let of_region = |bit: bool| bit != (region == Region::Hole);
    let (labels, areas) = regions(mask, width, of_region);
    let is_small = |label: usize| areas[label] < min_area;
    if !(0..areas.len()).any(is_small) {
        return false;
    }
    let spared = match region {
        // The first of equals, as argmax.
        Region::Island if (0..areas.len()).all(is_small) => {
            (0..areas.len()).rev().max_by_key(|label| areas[*label])
        }
        _ => None,
    };
    for (bit, label) in mask.iter_mut().zip(labels) {
        if let Some(label) = label
            && is_small(label)
            && spared != Some(label)
        {
            *bit = region == Region::Hole;
        }
    }
    true
}

/// The region of every pixel for which `wanted` holds, and the area of every region in the order in which
/// they begin, row by row.
fn regions(
    mask: &[bool],
    width: usize,
    wanted: impl Fn(bool) -> bool,
) -> (Vec<Option<usize>>, Vec<usize>) {
    let height = mask.len() / width.max(1);
    let mut labels = vec![None; mask.len()];
    let mut areas = Vec::new();
    let mut open = Vec::new();
    for start in 0..mask.len() {
        if labels[start].is_some() || !wanted(mask[start]) {
            continue;
        }
        let label = areas.len();
        areas.push(0);
        labels[start] = Some(label);
        open.push(start);
        while let Some(pixel) = open.pop() {
            areas[label] += 1;
            let (x, y) = (pixel % width, pixel / width);
            for ny in y.saturating_sub(1)..(y + 2).min(height) {
                for nx in x.saturating_sub(1)..(x + 2).min(width) {
                    let next = ny * width + nx;
                    if labels[next].is_none() && wanted(mask[next]) {
                        labels[next] = Some(label);
                        open.push(next);
                    }
                }
            }
        }
    }
    (labels, areas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, min_area: usize, region: Region, after: &str) {
        let bits = |text: &str| {
            text.bytes()
                .filter(|b| *b != b' ')
                .map(|b| b == b'X')
                .collect()
        };
        let (mut mask, expected): (Vec<bool>, Vec<bool>) = (bits(before), bits(after));
        let width = before.split(' ').next().unwrap().len();
        let changed = clean(&mut mask, width, min_area, region);
        assert_eq!(mask, expected, "{before}");
        assert_eq!(changed, before != after, "{before}");
    }

    #[test]
    fn holes_are_filled_and_islands_removed() {
        check("XXX. X.X. XXX.", 2, Region::Hole, "XXX. XXX. XXX.");
        check("XXX. X.X. XXX.", 1, Region::Hole, "XXX. X.X. XXX.");
        check("X... ..XX ..XX", 3, Region::Island, ".... ..XX ..XX");
        // Corners connect.
        check("X... .XX. .XX.", 3, Region::Island, "X... .XX. .XX.");
    }

    #[test]
    fn the_largest_of_small_islands_stays() {
        check("X.XX .... ....", 9, Region::Island, "..XX .... ....");
        check(".... .... ....", 9, Region::Island, ".... .... ....");
    }
}
