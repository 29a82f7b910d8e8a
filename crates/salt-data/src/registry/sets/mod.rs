//! The published sets, one file each: what is known of a set, and how its cases are found.

pub(super) mod acdc;
pub(super) mod arcade;
pub(super) mod busi;
pub(super) mod chase_db1;
pub(super) mod dca1;
pub(super) mod dias;
pub(super) mod drive;
pub(super) mod fives;
pub(super) mod hrf;
pub(super) mod isic2018;
pub(super) mod kvasir_seg;
pub(super) mod medsegbench;
pub(super) mod rose;
pub(super) mod rossa;
pub(super) mod stare;
