//! Compact objects of the pretraining scenes: contours to be filled.

use super::curve::ring;
use super::layer::Point;
use super::shape::ShapeKind;
use crate::draw_rng::DrawRng;

/// One compact object: its kind and its contours (even-odd).
pub(crate) struct Solid {
    /// What it is.
    pub(crate) kind: ShapeKind,
    /// Closed contours; an inner one is a hole.
    pub(crate) contours: Vec<Vec<Point>>,
}

/// A compact object of about `reach_px` in radius around `centre`.
pub(crate) fn draw(rng: &mut DrawRng, centre: Point, reach_px: f32) -> Solid {
    const KINDS: [ShapeKind; 6] = [
        ShapeKind::Ellipse,
        ShapeKind::Polygon,
        ShapeKind::Blob,
        ShapeKind::Ring,
        ShapeKind::Crescent,
        ShapeKind::Star,
    ];
    let kind = KINDS[rng.weighted(&[3.0, 3.0, 4.0, 0.8, 0.8, 0.8])];
    draw_kind(rng, centre, reach_px, kind)
}

/// A compact object of a given `kind`.
pub(crate) fn draw_kind(rng: &mut DrawRng, centre: Point, reach_px: f32, kind: ShapeKind) -> Solid {
    let squeeze = rng.uniform(0.4, 1.0);
    let radii = [reach_px, reach_px * squeeze];
    let contours = match kind {
        ShapeKind::Polygon => vec![polygon(rng, centre, radii)],
        ShapeKind::Blob => {
            let roughness = rng.uniform(0.15, 0.6);
            vec![ring(rng, centre, radii, roughness, 64)]
        }
        ShapeKind::Ring => annulus(rng, centre, radii),
        ShapeKind::Crescent => vec![crescent(rng, centre, reach_px)],
        ShapeKind::Star => vec![star(rng, centre, reach_px)],
        _ => vec![ring(rng, centre, radii, 0.0, 48)],
    };
    Solid { kind, contours }
}

/// Corners at sorted random angles on an ellipse, or a rectangle.
fn polygon(rng: &mut DrawRng, centre: Point, radii: Point) -> Vec<Point> {
    let (sin, cos) = rng.uniform(0.0, std::f32::consts::TAU).sin_cos();
    let place = |x: f32, y: f32| [centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos];
    if rng.chance(0.35) {
        let [w, h] = [radii[0] * 0.85, radii[1] * 0.85];
        return vec![place(-w, -h), place(w, -h), place(w, h), place(-w, h)];
    }
    let corners = rng.int(3, 9);
    (0..corners)
        .map(|k| {
            let t = (k as f32 + rng.uniform(-0.35, 0.35)) * std::f32::consts::TAU / corners as f32;
            let reach = rng.uniform(0.7, 1.1);
            place(reach * radii[0] * t.cos(), reach * radii[1] * t.sin())
        })
        .collect()
}

/// An outer contour and a hole that is a shrunken, shifted copy of it.
fn annulus(rng: &mut DrawRng, centre: Point, radii: Point) -> Vec<Vec<Point>> {
    let roughness = rng.uniform(0.0, 0.3);
    let outer = ring(rng, centre, radii, roughness, 56);
    let inner = rng.uniform(0.35, 0.65);
    let room = (1.0 - inner) * radii[1] * 0.3;
    let shift = [rng.uniform(-room, room), rng.uniform(-room, room)];
    let hole = outer
        .iter()
        .map(|p| {
            let [x, y] = [p[0] - centre[0], p[1] - centre[1]];
            [
                centre[0] + inner * x + shift[0],
                centre[1] + inner * y + shift[1],
            ]
        })
        .collect();
    vec![outer, hole]
}

/// The part of a disc outside of a second, shifted disc.
fn crescent(rng: &mut DrawRng, centre: Point, reach: f32) -> Vec<Point> {
    let turn = rng.uniform(0.0, std::f32::consts::TAU);
    let depth = rng.uniform(0.1, 0.6);
    let span = rng.uniform(1.2, 2.4);
    let arc = |radius: f32, t: f32| {
        let (sin, cos) = (t + turn).sin_cos();
        [centre[0] + radius * cos, centre[1] + radius * sin]
    };
    let steps = 24;
    let angle = |k: usize| -span + 2.0 * span * k as f32 / steps as f32;
    let outer = (0..=steps).map(|k| arc(reach, angle(k)));
    let inner = (0..=steps).rev().map(|k| {
        // The inner arc meets the outer one at the tips.
        let t = angle(k);
        arc(reach * (1.0 - depth * (1.0 - (t / span).powi(2))), t)
    });
    outer.chain(inner).collect()
}

fn star(rng: &mut DrawRng, centre: Point, reach: f32) -> Vec<Point> {
    let points = rng.int(4, 8);
    let waist = rng.uniform(0.4, 0.75);
    let turn = rng.uniform(0.0, std::f32::consts::TAU);
    (0..2 * points)
        .map(|k| {
            let (sin, cos) = (turn + k as f32 * std::f32::consts::PI / points as f32).sin_cos();
            let radius = if k % 2 == 0 { reach } else { reach * waist };
            [centre[0] + radius * cos, centre[1] + radius * sin]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{ShapeKind, draw_kind};
    use crate::draw_rng::DrawRng;
    use crate::synth::layer::Layer;

    #[test]
    fn every_kind_fills_an_area_of_its_size() {
        for &kind in ShapeKind::ALL.iter().filter(|kind| !kind.is_thin()) {
            for index in 0..20 {
                let mut rng = DrawRng::new(9, index);
                let mut layer = Layer::new(96);
                let solid = draw_kind(&mut rng, [48.0, 48.0], 24.0, kind);
                layer.fill(&solid.contours);
                let area = layer.mask().iter().filter(|&&m| m).count();
                assert!((80..3600).contains(&area), "{kind:?} #{index}: {area} px");
            }
        }
    }
}
