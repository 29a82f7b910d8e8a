//! Whole folders: read, refused, verified, resized and loaded.

mod archive;
mod bad_folders;
mod corpus;
mod download;
mod fixture;
mod formats;
mod groups;
mod loading;
mod mask_files;
mod pillow;
mod raster;
mod reading_cases;
mod real_sets;
mod registry;
mod stored_cases;
mod transforms;
mod verify;
mod verifying;
