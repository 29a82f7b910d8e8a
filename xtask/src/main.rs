//! Repository tasks: the benchmark matrix, its report, and the checks a change has to pass.
//!
//! Burn is not linked here. What computes is the program `salt`, built with the chosen backend
//! and started as a process.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program"
)]

mod bench;
mod ci;
mod data;
mod parity;
mod python;
mod replaced_file;
mod report;
mod software_vulkan;
mod speed;
mod test;
mod test_programs;
mod tidy;
mod usage;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;

/// Tasks of this repository
#[derive(Debug, clap::Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Bench(Box<bench::Args>),
    SlurmTask(bench::slurm::TaskArgs),
    /// Rebuild results.json, report.md and report.html from the finished cells of a benchmark
    #[command(after_help = "Examples:\n  cargo xtask report runs/bench/quick\n  \
                      cargo xtask report runs/bench/quick --merge from_b/quick --merge from_c/quick")]
    Report {
        /// The benchmark's output folder
        dir: PathBuf,
        /// Copy the finished cells of another output folder into it first; may be given several times
        #[arg(long = "merge", value_name = "OTHER")]
        others: Vec<PathBuf>,
    },
    #[command(
        subcommand,
        after_help = "Example:\n  cargo xtask data verify ../data/CHASE_DB1"
    )]
    Data(data::Args),
    Test(test::Args),
    Parity(parity::Args),
    Speed(speed::Args),
    /// Format, lint, tidy and test on every backend that needs no GPU, as continuous integration does
    #[command(after_help = "Example:\n  cargo xtask ci")]
    Ci,
    /// Check the rules that the compiler does not: dependency arrows, file names and sizes, leftovers
    #[command(after_help = "Example:\n  cargo xtask tidy")]
    Tidy,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args),
        Command::SlurmTask(args) => bench::slurm::run_task(&args),
        Command::Report { dir, others } => report::run(&dir, &others),
        Command::Data(args) => data::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Parity(args) => parity::run(&args),
        Command::Speed(args) => speed::run(&args),
        Command::Ci => ci::run(),
        Command::Tidy => tidy::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            // 2 for wrong use, 1 for a failed job or check.
            ExitCode::from(if error.is::<usage::UsageError>() {
                2
            } else {
                1
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_an_example() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands() {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{}:\n{help}", command.get_name());
        }
    }

    #[test]
    fn the_benchmark_runs_without_arguments() {
        assert!(Cli::try_parse_from(["cargo xtask", "bench"]).is_ok());
        let parse = |words: &str| Cli::try_parse_from(words.split(' '));
        assert!(parse("x bench --methods salt,lora --seeds 0,1,2 --shard 1/2 --dry-run").is_ok());
        assert!(parse("x bench --shard 3/2").is_err());
        assert!(parse("x bench --slurm --slurm-arg --gres=gpu:1 --slurm-at-once 4").is_ok());
        for wrong in [
            "--slurm --shard 1/2",
            "--slurm-tasks 3",
            "--slurm --slurm-tasks 0",
            "--slurm --slurm-arg --array=0-3",
        ] {
            assert!(parse(&format!("x bench {wrong}")).is_err(), "{wrong}");
        }
        assert!(parse("x test --all-backends -- salt").is_ok());
    }
}
