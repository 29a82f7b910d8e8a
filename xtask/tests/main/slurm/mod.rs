//! `--slurm`, over stand-ins for Slurm's commands and over Slurm.

mod fake;
mod real;
