//! Connected components of a label map, and which of them stay.
//!
//! Pixels of one class that touch over an edge or a corner (8-connectivity) are one component.

use salt_data::{IGNORE_LABEL, LabelMap};

use crate::recipe::InferenceSection;

/// Turns the components that `keep` does not want into background.
pub(crate) fn clean(map: &mut LabelMap, keep: &InferenceSection) {
    if !keep.largest_component && keep.min_component_px <= 1 {
        return;
    }
    let mut components = components(map);
    if keep.largest_component {
        // Largest first; of equal ones the first from the top stays.
        components.sort_by_key(|c| (c.class, std::cmp::Reverse(c.pixels.len())));
        let mut before = None;
        components.retain(|c| before.replace(c.class) == Some(c.class));
    } else {
        components.retain(|c| c.pixels.len() < keep.min_component_px);
    }
    for component in components {
        for pixel in component.pixels {
            map.classes[pixel] = 0;
        }
    }
}

struct Component {
    class: u8,
    pixels: Vec<usize>,
}

/// Components of the foreground classes, by their first pixel in reading order.
fn components(map: &LabelMap) -> Vec<Component> {
    let (width, height) = (map.width, map.height);
    let mut seen: Vec<bool> = map
        .classes
        .iter()
        .map(|&class| class == 0 || class == IGNORE_LABEL)
        .collect();
    let mut components = Vec::new();
    for start in 0..map.classes.len() {
        if seen[start] {
            continue;
        }
        let class = map.classes[start];
        seen[start] = true;
        let mut pixels = vec![start];
        let mut next = 0;
        while next < pixels.len() {
            let (x, y) = (pixels[next] % width, pixels[next] / width);
            next += 1;
            for y in y.saturating_sub(1)..(y + 2).min(height) {
                for x in x.saturating_sub(1)..(x + 2).min(width) {
                    let at = y * width + x;
                    if !seen[at] && map.classes[at] == class {
                        seen[at] = true;
                        pixels.push(at);
                    }
                }
            }
        }
        components.push(Component { class, pixels });
    }
    components
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: [&str; 4] = ["1100220", "0010020", "0000000", "1110111"];

    fn check(keep: InferenceSection, expected: [&str; 4]) {
        let classes = |rows: [&str; 4]| rows.concat().bytes().map(|b| b - b'0').collect();
        let mut map = LabelMap::new(7, 4, classes(MAP)).unwrap();
        clean(&mut map, &keep);
        assert_eq!(map.classes, classes(expected), "{keep:?}");
    }

    #[test]
    fn small_components_go_and_corners_connect() {
        let at_least = |min_component_px| InferenceSection {
            min_component_px,
            ..InferenceSection::default()
        };
        check(InferenceSection::default(), MAP);
        check(at_least(3), MAP);
        check(at_least(4), ["0000000"; 4]);
    }

    #[test]
    fn the_largest_of_each_class_stays_and_the_first_of_equals() {
        let largest = InferenceSection {
            largest_component: true,
            ..InferenceSection::default()
        };
        check(largest, ["1100220", "0010020", "0000000", "0000000"]);
    }

    #[test]
    fn pixels_without_truth_are_no_component() {
        let mut map = LabelMap::new(3, 1, vec![255, 1, 255]).unwrap();
        let keep = InferenceSection {
            min_component_px: 2,
            ..InferenceSection::default()
        };
        clean(&mut map, &keep);
        assert_eq!(map.classes, [255, 0, 255]);
    }
}
