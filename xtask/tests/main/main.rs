//! `cargo xtask bench` from outside, with a stand-in for `salt`: one machine, several, a batch system.
//!
//! The tests of `slurm::real` need a Slurm (xtask/tests/main/slurm/cluster.sh makes one) and are ignored otherwise.

#![cfg(unix)]

mod bench;
mod shards;
mod slurm;
mod stops;
