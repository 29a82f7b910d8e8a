//! Segmentation metrics and the statistics that compare methods.
