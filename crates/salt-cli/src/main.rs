//! The binary `salt`: the only crate that names a backend or prints.
//!
//! | file | job |
//! |---|---|
//! | [`commands`] | one file per command: its options, its work, what it prints |
//! | [`device`], [`device_list`] | `--device`, and one file per backend; `--devices` |
//! | [`failure`], [`library_errors`] | exit codes; errors of the libraries as message and hint |
//! | [`screen`], [`progress`], [`transfer`], [`duration_words`] | standard output, standard error, bars and tables |
//! | [`run_progress`] | the dashboard of a run |
//! | [`interrupt`] | Ctrl-C and other signals that ask to stop |
//! | [`checkpoint_model`], [`output_file`] | which model a weights file holds; where results go |
//! | [`svd_cache`] | decompositions kept between runs |
//! | [`panic_report`] | the last resort |

mod checkpoint_model;
mod commands;
mod device;
mod device_list;
mod duration_words;
mod failure;
mod interrupt;
mod library_errors;
mod output_file;
mod panic_report;
mod progress;
mod run_progress;
mod screen;
mod svd_cache;
mod transfer;

use std::process::ExitCode;

use clap::Parser;

/// Adapt Segment Anything to your images with SALT, LoRA and others
#[derive(Debug, Parser)]
#[command(name = "salt", version, propagate_version = true)]
#[command(after_help = "Example:
  salt data synth vessels --out data/vessels
  salt train docs/recipes/vessels-sam_nano-salt.toml --out runs/vessels
  salt eval runs/vessels

SALT_SVD_CACHE: folder for decompositions kept between runs, or `off`; default ~/.cache/salt/svd.
Exit codes: 0 success, 1 failed job or check, 2 wrong use; stopped by a signal: 130 Ctrl-C,
143 SIGTERM, 129 SIGHUP.")]
struct Program {
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    panic_report::guard(|| {
        let program = Program::parse();
        match program.command.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Program;

    #[test]
    fn the_command_line_is_sound() {
        Program::command().debug_assert();
    }
}
