//! One file per subject; [`inputs`] makes what they share.

mod automask;
mod bad_input;
mod dashboard;
mod data;
mod determinism;
mod doctor;
mod exchange;
mod fetch;
mod help;
mod inputs;
mod interrupt;
mod kills;
mod lr_find;
mod params;
mod round_trip;
mod segment;
mod several_devices;
mod svd_cache;
mod weights;
