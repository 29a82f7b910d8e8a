//! Non-maximum suppression: of boxes that overlap, the one with the best score stays.

/// A box around a mask, `[x0, y0, x1, y1]`; the last column and row that hold a pixel of it, so a single
/// pixel has no area.
pub(super) type Bounds = [usize; 4];

/// Indexes of the boxes that stay, best first; equal scores keep their order (`torchvision.ops.nms`). A box
/// falls when its intersection over union with one that stays is above `threshold`.
pub(super) fn suppress(boxes: &[Bounds], scores: &[f32], threshold: f32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut kept: Vec<usize> = Vec::new();
    for candidate in order {
        let overlaps = |other: &usize| iou(boxes[*other], boxes[candidate]) > threshold;
        if !kept.iter().any(overlaps) {
            kept.push(candidate);
        }
    }
    kept
}

/// Intersection over union of two boxes; NaN, which is above nothing, for two without area.
fn iou(a: Bounds, b: Bounds) -> f32 {
    let area = |x: Bounds| (x[2] - x[0]) as f32 * (x[3] - x[1]) as f32;
    let shared = |axis: usize| {
        let (low, high) = (a[axis].max(b[axis]), a[axis + 2].min(b[axis + 2]));
        high.saturating_sub(low) as f32
    };
    let intersection = shared(0) * shared(1);
    intersection / (area(a) + area(b) - intersection)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of `torchvision.ops.nms` 0.21 to the same boxes.
    #[test]
    fn the_best_of_overlapping_boxes_stays() {
        let boxes = [
            [0, 0, 10, 10],
            [1, 0, 10, 10],
            [20, 20, 30, 30],
            [0, 0, 10, 5],
            [5, 5, 5, 5],
            [5, 5, 5, 5],
        ];
        let scores = [0.8, 0.9, 0.5, 0.7, 0.1, 0.1];
        assert_eq!(suppress(&boxes, &scores, 0.7), [1, 3, 2, 4, 5]);
        assert_eq!(suppress(&boxes, &scores, 0.4), [1, 2, 4, 5]);
        assert_eq!(suppress(&boxes, &[0.5; 6], 0.7), [0, 2, 3, 4, 5]);
    }
}
