//! Whole folders: read, refused, verified, resized and loaded.

mod bad_folders;
mod download;
mod fixture;
mod loading;
mod mask_files;
mod pillow;
mod real_sets;
mod verifying;
