//! Branching tubes: a trunk that divides until its twigs are one pixel wide.
//!
//! At a fork the radii obey Murray's law, `r^3 = r_1^3 + r_2^3` (Murray, PNAS 12:207, 1926), and the
//! thinner child turns away further. The same grower draws the trees of the pretraining scenes and
//! those of the vessel set; only their styles differ.

use super::curve::{Wander, wander};
use super::layer::Point;
use crate::draw_rng::DrawRng;

/// What a tree looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeStyle {
    /// Radius of the trunk, pixels.
    pub(crate) trunk_radius_px: f32,
    /// Radius at which a branch ends, pixels; 0.5 is a line one pixel wide.
    pub(crate) twig_radius_px: f32,
    /// Mean length between two forks of a branch of radius 1, pixels.
    pub(crate) reach_px: f32,
    /// Share of the radius lost along a branch, 0 to 1.
    pub(crate) taper: f32,
    /// Smallest allowed ratio of the two children's radii, 0 to 1; 1 forks evenly.
    pub(crate) evenness: f32,
    /// Mean angle between the children, radians.
    pub(crate) spread: f32,
    /// How branches wander.
    pub(crate) wander: Wander,
    /// Most branches of the tree.
    pub(crate) max_branches: usize,
}

/// One branch: its centre line with the radius at each knot.
pub(crate) type Branch = Vec<(Point, f32)>;

struct Bud {
    at: Point,
    heading: f32,
    radius: f32,
}

/// Grows a tree from `start`; branches that have left the square `[0, size]^2` grow no further.
pub(crate) fn grow(
    rng: &mut DrawRng,
    start: Point,
    heading: f32,
    size: f32,
    style: TreeStyle,
) -> Vec<Branch> {
    let mut branches: Vec<Branch> = Vec::new();
    // A queue, not a stack: when `max_branches` cuts growth, it cuts the twigs and not one side.
    let mut buds = std::collections::VecDeque::new();
    buds.push_back(Bud {
        at: start,
        heading,
        radius: style.trunk_radius_px,
    });
    while let Some(bud) = buds.pop_front() {
        if branches.len() >= style.max_branches {
            break;
        }
        let radius = bud.radius.max(style.twig_radius_px);
        let last = radius <= style.twig_radius_px * 1.05;
        let length = style.reach_px * radius.powf(0.6) * rng.uniform(0.5, 1.5);
        let step = (0.9 * radius).clamp(1.5, 4.0);
        let points = wander(rng, bud.at, bud.heading, length, step, style.wander);
        let end_radius = (radius * (1.0 - style.taper)).max(style.twig_radius_px);
        let count = (points.len() - 1) as f32;
        let knots: Branch = points
            .iter()
            .enumerate()
            .map(|(k, &p)| (p, radius + (end_radius - radius) * k as f32 / count))
            .collect();
        let [before, end] = [points[points.len() - 2], points[points.len() - 1]];
        branches.push(knots);
        let margin = 8.0;
        let inside = end.iter().all(|&v| v > -margin && v < size + margin);
        if last || !inside {
            continue;
        }
        let heading = (end[1] - before[1]).atan2(end[0] - before[0]);
        let ratio = rng.uniform(style.evenness, 1.0);
        let thick = end_radius / (1.0 + ratio.powi(3)).cbrt();
        let thin = thick * ratio;
        let spread = style.spread * rng.uniform(0.6, 1.5) * rng.sign();
        let turn_of_thick = spread * ratio * ratio / (1.0 + ratio * ratio);
        buds.push_back(Bud {
            at: end,
            heading: heading + turn_of_thick,
            radius: thick,
        });
        buds.push_back(Bud {
            at: end,
            heading: heading + turn_of_thick - spread,
            radius: thin,
        });
    }
    branches
}

#[cfg(test)]
mod tests {
    use super::{TreeStyle, grow};
    use crate::draw_rng::DrawRng;
    use crate::synth::curve::Wander;

    const STYLE: TreeStyle = TreeStyle {
        trunk_radius_px: 4.0,
        twig_radius_px: 0.5,
        reach_px: 12.0,
        taper: 0.1,
        evenness: 0.5,
        spread: 0.8,
        wander: Wander {
            bend: 0.0,
            wobble: 0.05,
            memory: 0.7,
        },
        max_branches: 200,
    };

    #[test]
    fn radii_fall_along_every_branch_and_end_at_the_twig() {
        let mut rng = DrawRng::new(5, 0);
        let tree = grow(&mut rng, [0.0, 64.0], 0.0, 128.0, STYLE);
        assert!(tree.len() > 5, "{} branches", tree.len());
        for branch in &tree {
            assert!(branch.windows(2).all(|w| w[1].1 <= w[0].1 + 1e-5));
            assert!(branch.iter().all(|k| (0.5 - 1e-5..=4.0).contains(&k.1)));
        }
        assert!(
            tree.iter().flatten().any(|k| k.1 < 0.8),
            "no twig reached one pixel"
        );
    }

    #[test]
    fn the_branch_limit_holds() {
        let mut rng = DrawRng::new(5, 1);
        let style = TreeStyle {
            max_branches: 3,
            ..STYLE
        };
        assert_eq!(grow(&mut rng, [64.0, 64.0], 0.0, 128.0, style).len(), 3);
    }
}
