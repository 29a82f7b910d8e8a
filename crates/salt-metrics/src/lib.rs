//! Segmentation metrics and the statistics that compare methods.
//!
//! No tensor library is known here: a mask is a borrowed `&[bool]` ([`MaskView`]). Three rules
//! hold throughout. An undefined metric is `None`, never NaN and never a flattering constant. A
//! distance has the unit of the `spacing = [row, column]` it was computed with. A definition that
//! differs between tools says whose it is ([`METRIC_IMPL`]).
//!
//! - one case: [`case_metrics`], from [`Overlap`], [`cldice()`] and [`SurfaceDistances`]
//! - other tools' definitions: [`SurfaceDistances::hd95_medpy`], [`SurfaceDistances::masd`],
//!   [`hd95_salt`], [`ContourDistances`]
//! - a table: [`summarize_cases`], [`summarize`], [`group_means`]
//! - two methods: [`compare_paired`], [`wilcoxon_signed_rank`], [`holm()`],
//!   [`detectable_difference`]
//!
//! ```
//! use salt_metrics::{CaseStatus, MaskView, case_metrics};
//!
//! let (pred, reference) = ([true, true, false, false], [true, false, false, false]);
//! let metrics = case_metrics(
//!     MaskView::new(2, 2, &pred)?,
//!     MaskView::new(2, 2, &reference)?,
//!     [0.5, 0.5], // mm per row and column
//!     0.5,        // mm of tolerance
//! )?;
//! assert_eq!(metrics.status, CaseStatus::Ok);
//! assert_eq!(metrics.dice, Some(2.0 / 3.0));
//! assert_eq!(metrics.nsd, Some(1.0));
//! # Ok::<(), salt_metrics::MetricError>(())
//! ```

mod bootstrap;
mod case;
mod cldice;
mod cohort;
mod comparison;
mod contour;
mod detectable;
mod distance_transform;
mod error;
mod holm;
mod mask;
mod overlap;
mod percentile;
mod skeleton;
mod surface;
mod variants;
mod wilcoxon;

pub use bootstrap::{RESAMPLES, Summary, summarize};
pub use case::{CaseMetrics, CaseStatus, METRIC_IMPL, case_metrics};
pub use cldice::cldice;
pub use cohort::{CohortSummary, group_means, summarize_cases};
pub use comparison::{ALPHA, POWER, PairedComparison, compare_paired};
pub use contour::ContourDistances;
pub use detectable::detectable_difference;
pub use distance_transform::squared_distance_transform;
pub use error::MetricError;
pub use holm::holm;
pub use mask::MaskView;
pub use overlap::Overlap;
pub use skeleton::skeletonize;
pub use surface::{SurfaceDistances, inner_border};
pub use variants::hd95_salt;
pub use wilcoxon::{EXACT_UP_TO, Wilcoxon, wilcoxon_signed_rank};
