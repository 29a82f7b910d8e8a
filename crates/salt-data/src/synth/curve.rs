//! Polylines: the centre lines of everything thin.

use super::layer::Point;
use crate::draw_rng::DrawRng;

/// How a wandering line turns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wander {
    /// Constant turn, radians per pixel of length.
    pub(crate) bend: f32,
    /// Deviation of the random turn, radians per square root of a pixel.
    pub(crate) wobble: f32,
    /// How much of the random turn persists to the next step, 0 (jagged) to 1 (smooth).
    pub(crate) memory: f32,
}

impl Wander {
    /// From straight over gently bent to tortuous.
    pub(crate) fn random(rng: &mut DrawRng, size: f32) -> Self {
        let tortuous = rng.weighted(&[2.0, 4.0, 3.0, 1.0]);
        let (bend, wobble) = match tortuous {
            0 => (0.0, 0.0),
            1 => (rng.uniform(-1.6, 1.6) / size, 0.03),
            2 => (rng.uniform(-3.0, 3.0) / size, 0.09),
            _ => (0.0, 0.25),
        };
        Self {
            bend,
            wobble: wobble * rng.uniform(0.5, 1.5),
            memory: rng.uniform(0.5, 0.9),
        }
    }
}

/// A line that starts at `start` with direction `heading` (radians) and wanders for `length` pixels.
pub(crate) fn wander(
    rng: &mut DrawRng,
    start: Point,
    heading: f32,
    length: f32,
    step: f32,
    how: Wander,
) -> Vec<Point> {
    let count = (length / step).ceil().max(1.0) as usize;
    let mut points = Vec::with_capacity(count + 1);
    let (mut at, mut heading, mut turn) = (start, heading, 0.0_f32);
    points.push(at);
    for _ in 0..count {
        let fresh = rng.normal() * how.wobble * step.sqrt();
        turn = how.memory * turn + (1.0 - how.memory * how.memory).sqrt() * fresh;
        heading += how.bend * step + turn;
        let (sin, cos) = heading.sin_cos();
        at = [at[0] + step * cos, at[1] + step * sin];
        points.push(at);
    }
    points
}

/// A closed curve around `centre`: an ellipse whose radius is modulated by a few harmonics.
///
/// `r(t) = 1 + sum_k a_k cos(k t + phase_k)`, `roughness` being the sum of the `a_k`; star-shaped,
/// hence never self-intersecting for `roughness < 1`.
pub(crate) fn ring(
    rng: &mut DrawRng,
    centre: Point,
    radii: Point,
    roughness: f32,
    vertices: usize,
) -> Vec<Point> {
    let (sin_tilt, cos_tilt) = rng.uniform(0.0, std::f32::consts::TAU).sin_cos();
    let mut harmonics = [(0.0_f32, 0.0_f32); 4];
    for (order, slot) in harmonics.iter_mut().enumerate() {
        let share = rng.unit() / (order + 1) as f32;
        *slot = (share, rng.uniform(0.0, std::f32::consts::TAU));
    }
    let total: f32 = harmonics.iter().map(|h| h.0).sum::<f32>().max(1e-3);
    (0..vertices)
        .map(|v| {
            let t = v as f32 * std::f32::consts::TAU / vertices as f32;
            let mut reach = 1.0;
            for (order, &(share, phase)) in harmonics.iter().enumerate() {
                reach += roughness * share / total * ((order + 2) as f32 * t + phase).cos();
            }
            let (sin, cos) = t.sin_cos();
            let [x, y] = [reach * radii[0] * cos, reach * radii[1] * sin];
            [
                centre[0] + x * cos_tilt - y * sin_tilt,
                centre[1] + x * sin_tilt + y * cos_tilt,
            ]
        })
        .collect()
}

/// A point on the border of the square `[0, size]^2` and the heading that leads inward from it.
pub(crate) fn border_start(rng: &mut DrawRng, size: f32) -> (Point, f32) {
    let along = rng.uniform(0.05, 0.95) * size;
    let tilt = rng.uniform(-0.9, 0.9);
    let quarter = std::f32::consts::FRAC_PI_2;
    match rng.int(0, 3) {
        0 => ([along, -2.0], quarter + tilt),
        1 => ([size + 2.0, along], 2.0 * quarter + tilt),
        2 => ([along, size + 2.0], 3.0 * quarter + tilt),
        _ => ([-2.0, along], tilt),
    }
}

#[cfg(test)]
mod tests {
    use super::{Wander, border_start, ring, wander};
    use crate::draw_rng::DrawRng;

    #[test]
    fn a_straight_line_is_straight_and_as_long_as_asked() {
        let mut rng = DrawRng::new(0, 0);
        let how = Wander {
            bend: 0.0,
            wobble: 0.0,
            memory: 0.5,
        };
        let points = wander(&mut rng, [1.0, 2.0], 0.0, 10.0, 2.0, how);
        assert_eq!(points.len(), 6);
        assert!((points[5][0] - 11.0).abs() < 1e-5 && (points[5][1] - 2.0).abs() < 1e-5);
    }

    #[test]
    fn a_smooth_ring_is_an_ellipse() {
        let mut rng = DrawRng::new(0, 1);
        for point in ring(&mut rng, [5.0, 5.0], [3.0, 3.0], 0.0, 20) {
            let distance = (point[0] - 5.0).hypot(point[1] - 5.0);
            assert!((distance - 3.0).abs() < 1e-4);
        }
    }

    #[test]
    fn border_starts_lead_inward() {
        let mut rng = DrawRng::new(0, 2);
        for _ in 0..100 {
            let (at, heading) = border_start(&mut rng, 64.0);
            let inside = [at[0] + 8.0 * heading.cos(), at[1] + 8.0 * heading.sin()];
            assert!(inside.iter().all(|&v| (-8.0..72.0).contains(&v)));
            let outside = at.iter().any(|&v| !(0.0..=64.0).contains(&v));
            assert!(outside);
        }
    }
}
