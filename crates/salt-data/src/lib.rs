//! Image and mask folders to verified, split, augmented batches; generated images.
