//! Scenes for pretraining: generic pictures of compact objects and thin structures.
//!
//! A scene is a textured background with distractors (soft clouds, steps of brightness, which are
//! nobody's mask), compact objects, curvilinear structures, and then a camera: uneven light, blur,
//! an aperture, noise, artefacts. Nothing is copied from any data set; what is varied most is
//! appearance (polarity, contrast, colour, blur, illumination, speckle, texture inside objects).
//!
//! A scene is a pure function of `(size, seed, index)`: ChaCha8 with `seed` as key and `index` as
//! stream. Lengths scale with `size`, line widths do not: they are 1 to 9 pixels.

use super::studio::Studio;
use crate::draw_rng::DrawRng;
use crate::pixels::ImageRgb;

pub use super::shape::ShapeKind;

/// The dense classes of [`Scene::dense`], in order.
///
/// * `object`: any compact, filled object.
/// * `thin`: any curvilinear structure, from one to nine pixels wide.
/// * `boundary`: the outline of compact objects, two pixels thick (one inside, one outside).
/// * `fine`: the part of `thin` that is at most 2.5 pixels wide.
/// * `dark_thin`: the thin structures that are darker than what they lie on.
pub const DENSE_CLASSES: &[&str] = &["object", "thin", "boundary", "fine", "dark_thin"];

/// Smallest visible area of an [`Instance`], in pixels: enough to click on.
pub const MIN_INSTANCE_PX: usize = 24;

/// One structure of a scene.
#[derive(Debug, Clone)]
pub struct Instance {
    /// What it is.
    pub kind: ShapeKind,
    /// Its visible pixels, row by row, `size * size` long.
    pub mask: Vec<bool>,
}

/// A generated picture with the masks of everything in it.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The picture.
    pub image: ImageRgb,
    /// The structures with at least [`MIN_INSTANCE_PX`] visible pixels, in drawing order; never empty.
    pub instances: Vec<Instance>,
    /// One mask per entry of [`DENSE_CLASSES`], row by row, `size * size` long.
    pub dense: Vec<Vec<bool>>,
}

/// What a scene is mostly made of.
struct Plan {
    objects: usize,
    thin: usize,
    alike: bool,
}

impl Plan {
    fn random(rng: &mut DrawRng) -> Self {
        match rng.weighted(&[5.0, 5.0, 1.5, 1.0]) {
            0 => Self {
                objects: rng.int(1, 5),
                thin: rng.int(1, 4),
                alike: false,
            },
            1 => Self {
                objects: rng.int(0, 1),
                thin: rng.int(1, 4),
                alike: false,
            },
            2 => Self {
                objects: rng.int(2, 7),
                thin: 0,
                alike: false,
            },
            _ => Self {
                objects: rng.int(6, 14),
                thin: rng.int(0, 2),
                alike: true,
            },
        }
    }
}

/// Draws scene `index` of generator `seed`, `size` pixels wide and high (at least 32).
///
/// # Panics
/// When `size` is below 32: no structure of a useful area fits.
pub fn draw(size: usize, seed: u64, index: u64) -> Scene {
    draw_eased(size, seed, index, 0.0)
}

/// [`draw`], made easier to see: at `ease` 1 every structure is darker than its surroundings and of
/// high contrast, without noise, blur, texture or distractors; at 0 it is the scene itself. Shapes
/// and places are the same at every ease.
///
/// Structures that may be brighter as well as darker have, on average over scenes, no linear relation
/// to the pixels, which leaves a network without a gradient to begin with. A curriculum that starts with one
/// polarity gives it one.
///
/// # Panics
/// As [`draw`].
pub fn draw_eased(size: usize, seed: u64, index: u64, ease: f32) -> Scene {
    assert!(
        size >= 32,
        "a scene needs at least 32 pixels a side, not {size}"
    );
    let ease = ease.clamp(0.0, 1.0);
    let mut studio = Studio::open(size, DrawRng::new(seed, index), ease);
    let plan = Plan::random(studio.rng());
    studio.distractors();
    let objects_first = studio.rng().chance(0.75);
    if !objects_first {
        studio.thin(plan.thin);
    }
    studio.objects(plan.objects, plan.alike);
    if objects_first {
        studio.thin(plan.thin);
    }
    studio.expose()
}

#[cfg(test)]
mod tests {
    use super::{DENSE_CLASSES, MIN_INSTANCE_PX, draw, draw_eased};

    #[test]
    fn a_scene_is_a_pure_function_of_its_address() {
        let (a, b, c) = (draw(64, 5, 9), draw(64, 5, 9), draw(64, 5, 10));
        assert_eq!(a.image.data, b.image.data);
        assert_eq!(a.dense, b.dense);
        assert_ne!(a.image.data, c.image.data);
    }

    #[test]
    fn an_eased_scene_shows_dark_structures_on_plain_ground() {
        let (mut dark, mut thin) = (0, 0);
        for index in 0..40 {
            let scene = draw_eased(64, 3, index, 1.0);
            dark += scene.dense[4].iter().filter(|&&m| m).count();
            thin += scene.dense[1].iter().filter(|&&m| m).count();
        }
        // What crosses something darker still may be the brighter one.
        assert!(thin > 1000 && dark * 10 >= thin * 9, "{dark} of {thin}");
        let (hard, same) = (draw(64, 3, 5), draw_eased(64, 3, 5, 0.0));
        assert_eq!(hard.image.data, same.image.data);
    }

    #[test]
    fn every_scene_can_be_prompted_and_its_masks_agree() {
        let mut thin = 0;
        for index in 0..300 {
            let scene = draw(96, 1, index);
            assert!(!scene.instances.is_empty(), "scene {index}");
            assert_eq!(scene.dense.len(), DENSE_CLASSES.len());
            assert!(scene.dense.iter().all(|mask| mask.len() == 96 * 96));
            for instance in &scene.instances {
                let area = instance.mask.iter().filter(|&&m| m).count();
                assert!(area >= MIN_INSTANCE_PX, "scene {index}: {area} px");
                let class = usize::from(instance.kind.is_thin());
                let inside = instance.mask.iter().zip(&scene.dense[class]);
                assert!(inside.into_iter().all(|(m, d)| !m || *d));
            }
            for part in [3, 4] {
                let mut pairs = scene.dense[part].iter().zip(&scene.dense[1]);
                assert!(pairs.all(|(p, whole)| !p || *whole));
            }
            thin += usize::from(scene.dense[1].contains(&true));
        }
        assert!(thin > 200, "thin structures in {thin} of 300 scenes");
    }
}
