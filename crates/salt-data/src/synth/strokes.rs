//! Curvilinear structures of the pretraining scenes.

use super::curve::{Wander, border_start, ring, wander};
use super::layer::{Layer, Point};
use super::shape::ShapeKind;
use super::tree::{TreeStyle, grow};
use crate::draw_rng::DrawRng;

/// Draws a random thin structure into an empty `layer`.
pub(crate) fn draw(rng: &mut DrawRng, layer: &mut Layer, size: usize) -> ShapeKind {
    const KINDS: [ShapeKind; 9] = [
        ShapeKind::Stroke,
        ShapeKind::Tree,
        ShapeKind::Loop,
        ShapeKind::Dashes,
        ShapeKind::Grid,
        ShapeKind::Network,
        ShapeKind::Bundle,
        ShapeKind::Spiral,
        ShapeKind::Crack,
    ];
    let kind = KINDS[rng.weighted(&[5.0, 9.0, 1.2, 0.8, 0.5, 1.2, 1.2, 0.5, 1.2])];
    draw_kind(rng, layer, size, kind);
    kind
}

/// Draws one structure of a given thin `kind`.
pub(crate) fn draw_kind(rng: &mut DrawRng, layer: &mut Layer, size: usize, kind: ShapeKind) {
    match kind {
        ShapeKind::Tree => tree(rng, layer, size as f32),
        ShapeKind::Loop => closed(rng, layer, size as f32),
        ShapeKind::Dashes => dashes(rng, layer, size as f32),
        ShapeKind::Grid => grid(rng, layer, size as f32),
        ShapeKind::Network => network(rng, layer, size as f32),
        ShapeKind::Bundle => bundle(rng, layer, size as f32),
        ShapeKind::Spiral => spiral(rng, layer, size as f32),
        ShapeKind::Crack => crack(rng, layer, size as f32),
        _ => stroke(rng, layer, size as f32),
    }
}

/// Radius of a line 1 to 9 pixels wide, thin ones being more common.
fn random_radius(rng: &mut DrawRng) -> f32 {
    0.5 * rng.log_uniform(1.0, 9.0)
}

fn anywhere(rng: &mut DrawRng, size: f32) -> (Point, f32) {
    if rng.chance(0.5) {
        return border_start(rng, size);
    }
    let at = [rng.uniform(0.1, 0.9) * size, rng.uniform(0.1, 0.9) * size];
    (at, rng.uniform(0.0, std::f32::consts::TAU))
}

/// Radius along a line: even, tapering to one pixel, swelling in the middle, or pulsing.
fn profile(rng: &mut DrawRng, points: &[Point], radius: f32) -> Vec<(Point, f32)> {
    let kind = rng.weighted(&[4.0, 3.0, 1.0, 1.0]);
    let beats = rng.uniform(2.0, 7.0) * std::f32::consts::TAU;
    let last = (points.len() - 1).max(1) as f32;
    points
        .iter()
        .enumerate()
        .map(|(k, &point)| {
            let t = k as f32 / last;
            let factor = match kind {
                0 => 1.0,
                1 => 1.0 - t,
                2 => (std::f32::consts::PI * t).sin(),
                _ => 0.75 + 0.25 * (beats * t).sin(),
            };
            (point, (radius * factor).max(0.5))
        })
        .collect()
}

fn stroke(rng: &mut DrawRng, layer: &mut Layer, size: f32) {
    let (start, heading) = anywhere(rng, size);
    let radius = random_radius(rng);
    let how = Wander::random(rng, size);
    let length = rng.uniform(0.35, 1.4) * size;
    let points = wander(rng, start, heading, length, (0.8 * radius).max(2.0), how);
    let knots = profile(rng, &points, radius);
    layer.stroke(&knots);
}

fn tree(rng: &mut DrawRng, layer: &mut Layer, size: f32) {
    let style = TreeStyle {
        trunk_radius_px: 0.5 * rng.log_uniform(1.6, 9.0),
        twig_radius_px: 0.5,
        reach_px: rng.uniform(0.06, 0.2) * size,
        taper: rng.uniform(0.0, 0.35),
        evenness: rng.uniform(0.25, 0.8),
        spread: rng.uniform(0.5, 1.4),
        wander: Wander::random(rng, size),
        max_branches: rng.int(5, 70),
    };
    let (start, heading) = anywhere(rng, size);
    for _ in 0..rng.int(1, 2) {
        let tilt = rng.uniform(-0.4, 0.4);
        for branch in grow(rng, start, heading + tilt, size, style) {
            layer.stroke(&branch);
        }
        if rng.chance(0.5) {
            break;
        }
    }
}

fn closed(rng: &mut DrawRng, layer: &mut Layer, size: f32) {
    for _ in 0..rng.int(1, 4) {
        let centre = [rng.uniform(0.1, 0.9) * size, rng.uniform(0.1, 0.9) * size];
        let radii = [rng.uniform(0.07, 0.4) * size, rng.uniform(0.07, 0.4) * size];
        let roughness = rng.uniform(0.0, 0.4);
        let mut points = ring(rng, centre, radii, roughness, 48);
        points.push(points[0]);
        let radius = 0.5 * rng.log_uniform(1.0, 5.0);
        let knots: Vec<_> = points.into_iter().map(|p| (p, radius)).collect();
        layer.stroke(&knots);
    }
}

fn dashes(rng: &mut DrawRng, layer: &mut Layer, size: f32) {
    let radius = 0.5 * rng.log_uniform(1.0, 5.0);
    let (mark, gap) = (rng.uniform(4.0, 14.0), rng.uniform(3.0, 8.0));
    for _ in 0..rng.int(1, 4) {
        let (start, heading) = anywhere(rng, size);
        let how = Wander::random(rng, size);
        let length = rng.uniform(0.6, 1.4) * size;
        let points = wander(rng, start, heading, length, 1.5, how);
        for (k, pair) in points.windows(2).enumerate() {
            if (k as f32 * 1.5) % (mark + gap) < mark {
                layer.capsule(pair[0], radius, pair[1], radius);
            }
        }
    }
}

fn grid(rng: &mut DrawRng, layer: &mut Layer, size: f32) {
    let radius = 0.5 * rng.log_uniform(1.0, 3.5);
    let pitch = rng.uniform(7.0, 26.0) + 2.0 * radius;
    let (sin, cos) = rng.uniform(0.0, std::f32::consts::PI).sin_cos();
    let sway = if rng.chance(0.5) {
        rng.uniform(0.0, 0.25) * pitch
    } else {
        0.0
    };
    let wave = std::f32::consts::TAU / rng.uniform(25.0, 90.0);
    let extent = rng.uniform(0.25, 0.75) * size;
    let centre = [rng.uniform(0.3, 0.7) * size, rng.uniform(0.3, 0.7) * size];
    let place = |u: f32, v: f32| [centre[0] + u * cos - v * sin, centre[1] + u * sin + v * cos];
    let lines = (extent / pitch) as i32;
    for line in -lines..=lines {
        let offset = line as f32 * pitch;
        let mut previous: Option<(Point, Point)> = None;
        let mut along = -extent;
        while along <= extent {
            let bent = offset + sway * (wave * along).sin();
            let here = (place(along, bent), place(bent, along));
            if let Some(before) = previous {
                layer.capsule(before.0, radius, here.0, radius);
                layer.capsule(before.1, radius, here.1, radius);
            }
            previous = Some(here);
            along += if sway > 0.0 { 5.0 } else { 2.0 * extent };
        }
    }
}

/// Many fine lines between neighbouring random nodes, like a capillary bed or a foam.
fn network(rng: &mut DrawRng, layer: &mut Layer, size: f32) {
    let pitch = rng.log_uniform(9.0, 24.0);
    let jitter = rng.uniform(0.15, 0.48) * pitch;
    let radius = 0.5 * rng.log_uniform(1.0, 2.6);
    let kept = rng.uniform(0.55, 1.0);
    let diagonal = rng.uniform(0.0, 0.5);
    let sag = rng.uniform(0.0, 0.3) * pitch;
    let columns = (size / pitch).ceil() as usize + 2;
    let nodes: Vec<Point> = (0..columns * columns)
        .map(|n| {
            let (row, column) = (n / columns, n % columns);
            // Every other row is shifted by half a cell: three-way rather than four-way corners.
            let shift = if row % 2 == 0 { 0.0 } else { 0.5 * pitch };
            let x = (column as f32 - 0.5) * pitch + shift + rng.uniform(-jitter, jitter);
            let y = (row as f32 - 0.5) * pitch + rng.uniform(-jitter, jitter);
            [x, y]
        })
        .collect();
    let link = |rng: &mut DrawRng, layer: &mut Layer, a: Point, b: Point, p: f32| {
        if !rng.chance(p) {
            return;
        }
        let width = (radius * rng.uniform(0.7, 1.4)).max(0.5);
        let [mx, my] = [(a[0] + b[0]) * 0.5, (a[1] + b[1]) * 0.5];
        let middle = [mx + rng.uniform(-sag, sag), my + rng.uniform(-sag, sag)];
        layer.stroke(&[(a, width), (middle, width), (b, width)]);
    };
    for row in 0..columns {
        for column in 0..columns {
            let node = nodes[row * columns + column];
            if column + 1 < columns {
                link(rng, layer, node, nodes[row * columns + column + 1], kept);
            }
            if row + 1 < columns {
                link(rng, layer, node, nodes[(row + 1) * columns + column], kept);
            }
            if row + 1 < columns && column + 1 < columns {
                link(
                    rng,
                    layer,
                    node,
                    nodes[(row + 1) * columns + column + 1],
                    diagonal,
                );
            }
        }
    }
}

/// Lines that run side by side, each with its own width.
fn bundle(rng: &mut DrawRng, layer: &mut Layer, size: f32) {
    let (start, heading) = anywhere(rng, size);
    let how = Wander::random(rng, size);
    let length = rng.uniform(0.6, 1.5) * size;
    let spine = wander(rng, start, heading, length, 3.0, how);
    let count = rng.int(2, 7);
    let pitch = rng.uniform(4.0, 11.0);
    let fan = rng.uniform(-0.6, 0.9);
    for line in 0..count {
        let offset = (line as f32 - (count - 1) as f32 * 0.5) * pitch;
        let radius = 0.5 * rng.log_uniform(1.0, (pitch * 0.5).max(1.2));
        let last = spine.len() as f32;
        let shifted: Vec<(Point, f32)> = spine
            .windows(2)
            .enumerate()
            .map(|(k, pair)| {
                let [dx, dy] = [pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]];
                let aside = offset * (1.0 + fan * k as f32 / last) / dx.hypot(dy).max(1e-6);
                ([pair[0][0] - dy * aside, pair[0][1] + dx * aside], radius)
            })
            .collect();
        layer.stroke(&shifted);
    }
}

fn spiral(rng: &mut DrawRng, layer: &mut Layer, size: f32) {
    let centre = [
        rng.uniform(0.25, 0.75) * size,
        rng.uniform(0.25, 0.75) * size,
    ];
    let radius = 0.5 * rng.log_uniform(1.0, 4.0);
    let pitch = 2.0 * radius + rng.uniform(5.0, 12.0);
    let turns = rng.uniform(1.5, 3.5).min(0.45 * size / pitch);
    let (phase, hand) = (rng.uniform(0.0, std::f32::consts::TAU), rng.sign());
    let count = (turns * 28.0) as usize + 2;
    let knots: Vec<(Point, f32)> = (0..count)
        .map(|k| {
            let turn = k as f32 * turns / (count - 1) as f32;
            let (sin, cos) = (phase + hand * turn * std::f32::consts::TAU).sin_cos();
            let reach = 2.0 + pitch * turn;
            ([centre[0] + reach * cos, centre[1] + reach * sin], radius)
        })
        .collect();
    layer.stroke(&knots);
}

/// A jagged line with short side cracks.
fn crack(rng: &mut DrawRng, layer: &mut Layer, size: f32) {
    let (mut at, mut heading) = anywhere(rng, size);
    let radius = 0.5 * rng.log_uniform(1.0, 3.0);
    for _ in 0..rng.int(8, 26) {
        heading += rng.uniform(-0.7, 0.7);
        let length = rng.uniform(3.0, 12.0);
        let next = [
            at[0] + length * heading.cos(),
            at[1] + length * heading.sin(),
        ];
        layer.capsule(at, (radius * rng.uniform(0.6, 1.3)).max(0.5), next, radius);
        if rng.chance(0.25) {
            let aside = heading + rng.sign() * rng.uniform(0.5, 1.4);
            let reach = rng.uniform(5.0, 24.0);
            let tip = [next[0] + reach * aside.cos(), next[1] + reach * aside.sin()];
            layer.capsule(next, (radius * 0.7).max(0.5), tip, 0.5);
        }
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::{ShapeKind, draw_kind};
    use crate::draw_rng::DrawRng;
    use crate::synth::layer::Layer;

    #[test]
    fn every_kind_marks_pixels_most_of_the_time() {
        let kinds = ShapeKind::ALL.iter().filter(|kind| kind.is_thin());
        for &kind in kinds {
            let mut drawn = 0;
            for index in 0..20 {
                let mut layer = Layer::new(96);
                draw_kind(&mut DrawRng::new(4, index), &mut layer, 96, kind);
                let mask = layer.mask();
                drawn += usize::from(mask.iter().filter(|&&m| m).count() >= 24);
                let widest = layer.radius.iter().copied().fold(0.0, f32::max);
                assert!(widest <= 6.0, "{kind:?} is {widest} px in radius");
            }
            assert!(drawn >= 15, "{kind:?}: {drawn} of 20");
        }
    }
}
