//! The integration tests of `salt-peft`: laws of every method, parity with PyTorch and HF peft,
//! properties over random shapes, and errors.

mod base_precision;
mod element_types;
mod errors;
mod files;
mod hf_strict;
mod interop;
mod laws;
mod malformed;
mod nets;
mod parity;
mod properties;
mod settings;
mod several;
mod svd_cache;
mod targets;
