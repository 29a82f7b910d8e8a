//! Differences, their limits, and the table of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use burn::tensor::Tensor;

use super::PROMPTS;

/// Of embeddings, whose values are of order one.
const EMBEDDING: f32 = 1e-3;
/// Of mask logits, whose values are of order ten.
const LOGITS: f32 = 1e-2;
/// Of predicted IoUs, which are of order one.
const IOU_PREDICTIONS: f32 = 1e-3;
/// The least intersection over union of a mask with the oracle's.
const OVERLAP: f32 = 0.999;

/// How far an answer is from the oracle's, at the worst value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Differences {
    /// Low-resolution logits.
    pub(super) low_res: f32,
    /// IoU predictions.
    pub(super) iou: f32,
    /// Logits at the image's size, where the oracle stored them.
    pub(super) masks: Option<f32>,
    /// The least intersection over union of a mask with the oracle's.
    pub(super) overlap: f32,
}

impl Differences {
    const NONE: Self = Self {
        low_res: 0.0,
        iou: 0.0,
        masks: None,
        overlap: 1.0,
    };

    /// Largest absolute difference; NaN anywhere gives infinity.
    pub(super) fn largest<const D: usize>(a: &Tensor<D>, b: &Tensor<D>) -> f32 {
        assert_eq!(a.dims(), b.dims(), "shape");
        let (a, b) = (super::values(a), super::values(b));
        let differences = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, |worst: f32, d| {
            worst.max(if d.is_nan() { f32::INFINITY } else { d })
        })
    }

    /// The least intersection over union of any mask of `a` with the same of `b`.
    pub(super) fn overlap(a: &Tensor<4>, b: &Tensor<4>) -> f32 {
        let [_, _, height, width] = b.dims();
        let (a, b) = (super::values(a), super::values(b));
        let masks = a.chunks(height * width).zip(b.chunks(height * width));
        let overlaps = masks.map(|(a, b)| {
            let pairs = || a.iter().zip(b).map(|(a, b)| (*a > 0.0, *b > 0.0));
            let both = pairs().filter(|(a, b)| *a && *b).count();
            let either = pairs().filter(|(a, b)| *a || *b).count();
            assert!(either > 0, "an empty mask says nothing");
            both as f32 / either as f32
        });
        overlaps.fold(1.0, f32::min)
    }

    fn worse(self, other: Self) -> Self {
        Self {
            low_res: self.low_res.max(other.low_res),
            iou: self.iou.max(other.iou),
            masks: match (self.masks, other.masks) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            },
            overlap: self.overlap.min(other.overlap),
        }
    }

    fn cells(&self) -> String {
        let masks = self.masks.map_or("-".to_owned(), |d| format!("{d:.1e}"));
        format!(
            "{:.1e} | {:.1e} | {masks} | {:.6}",
            self.low_res, self.iou, self.overlap
        )
    }

    fn within(&self) -> bool {
        self.low_res <= LOGITS
            && self.iou <= IOU_PREDICTIONS
            && self.masks.is_none_or(|masks| masks <= LOGITS)
            && self.overlap >= OVERLAP
    }
}

/// Everything that was compared.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Image to the differences of its scaled pixels and of its embedding.
    images: BTreeMap<String, [f32; 2]>,
    /// (image, prompt) to the worst of one mask and three.
    masks: BTreeMap<(String, String), Differences>,
    /// Embedding, low-resolution logits, IoU predictions against double: ours and the oracle's in f32.
    exact: [[f32; 3]; 2],
}

impl Figures {
    pub(super) fn image(&mut self, view: &str, pixels: f32, embedding: f32) {
        self.images.insert(view.to_owned(), [pixels, embedding]);
    }

    pub(super) fn masks(&mut self, view: &str, prompt: &str, found: Differences) {
        let key = (view.to_owned(), prompt.to_owned());
        let entry = self.masks.entry(key).or_insert(Differences::NONE);
        *entry = entry.worse(found);
    }

    pub(super) fn exact_embedding(&mut self, ours: f32, oracle: f32) {
        self.exact[0][0] = ours;
        self.exact[1][0] = oracle;
    }

    pub(super) fn exact_masks(&mut self, ours: [f32; 2], oracle: [f32; 2]) {
        for (row, found) in self.exact.iter_mut().zip([ours, oracle]) {
            row[1] = row[1].max(found[0]);
            row[2] = row[2].max(found[1]);
        }
    }

    fn worst(&self, keep: impl Fn(&str, &str) -> bool) -> Differences {
        let kept = self.masks.iter().filter(|((v, p), _)| keep(v, p));
        kept.fold(Differences::NONE, |worst, (_, found)| worst.worse(*found))
    }

    /// Three tables: by image, by prompt, and against double.
    pub(super) fn markdown(&self) -> String {
        let mut text = String::from(
            "| image @ network | scaled pixels | embedding | low-resolution logits | IoU predictions \
             | logits at image size | least mask IoU |\n|---|---|---|---|---|---|---|\n",
        );
        let mut line = |cells: String| writeln!(text, "| {cells} |").expect("a string grows");
        for (view, [pixels, embedding]) in &self.images {
            let cells = self.worst(|v, _| v == view).cells();
            line(format!("{view} | {pixels} | {embedding:.1e} | {cells}"));
        }
        text.push_str(
            "\n| prompt, all images | low-resolution logits | IoU predictions | logits at image size \
             | least mask IoU |\n|---|---|---|---|---|\n",
        );
        let mut line = |cells: String| writeln!(text, "| {cells} |").expect("a string grows");
        for prompt in PROMPTS {
            line(format!(
                "{prompt} | {}",
                self.worst(|_, p| p == prompt).cells()
            ));
        }
        text.push_str(
            "\n| against double, first image | embedding | low-resolution logits | IoU predictions |\n\
             |---|---|---|---|\n",
        );
        let mut line = |cells: String| writeln!(text, "| {cells} |").expect("a string grows");
        for (name, [embedding, low_res, iou]) in ["salt-sam", "transformers"].iter().zip(self.exact)
        {
            line(format!(
                "{name} in f32 | {embedding:.1e} | {low_res:.1e} | {iou:.1e}"
            ));
        }
        text
    }

    /// # Panics
    /// When a limit does not hold anywhere.
    pub(super) fn check(&self) {
        for (view, [pixels, embedding]) in &self.images {
            assert!(*pixels == 0.0, "{view}: scaled pixels differ by {pixels}");
            assert!(
                *embedding <= EMBEDDING,
                "{view}: the embedding differs by {embedding:e}, allowed {EMBEDDING:e}"
            );
        }
        for ((view, prompt), found) in &self.masks {
            assert!(found.within(), "{view}, {prompt}: {found:?}");
        }
    }
}
