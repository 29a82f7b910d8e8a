//! What is asked of Slurm on the command line.

use anyhow::ensure;

use super::super::run_cells::Work;
use super::super::shard::Shard;
use crate::usage::UsageError;

/// Tasks of a job array that every Slurm takes unless its configuration says otherwise (MaxArraySize, 1001).
const MOST_TASKS: usize = 1000;

/// Options of sbatch that `bench` sets itself: long name, and short.
const OURS: [(&str, Option<&str>); 12] = [
    ("--array", Some("-a")),
    ("--chdir", Some("-D")),
    ("--dependency", Some("-d")),
    ("--error", Some("-e")),
    ("--job-name", Some("-J")),
    ("--no-requeue", None),
    ("--open-mode", None),
    ("--output", Some("-o")),
    ("--parsable", None),
    ("--requeue", None),
    ("--signal", None),
    ("--wrap", None),
];

/// The part of the command line that is about Slurm.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Options {
    /// Submit the cells to Slurm as an array job, and a job that writes the report after it
    #[arg(long, conflicts_with = "shard")]
    slurm: bool,
    /// An option of sbatch for these jobs, as after `#SBATCH`: --slurm-arg=--time=4:00:00; may be given several times
    #[arg(
        long = "slurm-arg",
        value_name = "ARG",
        requires = "slurm",
        allow_hyphen_values = true,
        value_parser = sbatch_option
    )]
    args: Vec<String>,
    /// Tasks of the array [default: one for every cell]
    #[arg(long = "slurm-tasks", value_name = "N", requires = "slurm", value_parser = positive)]
    tasks: Option<usize>,
    /// Tasks that run at the same time, at most
    #[arg(long = "slurm-at-once", value_name = "K", requires = "slurm", value_parser = positive)]
    at_once: Option<usize>,
}

fn positive(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("expected a number from 1 on, received `{text}`"))
}

/// One line of a script; what `bench` sets itself is refused.
fn sbatch_option(text: &str) -> Result<String, String> {
    let text = text.trim();
    let name = text.split(['=', ' ']).next().unwrap_or_default();
    if !text.starts_with('-') || text.contains(['\n', '\r']) {
        return Err(format!(
            "expected an option of sbatch, for example --slurm-arg=--time=4:00:00, received `{text}`"
        ));
    }
    let is_short = |short: &str| !text.starts_with("--") && text.starts_with(short);
    let is_ours =
        |(long, short): &(&str, Option<&str>)| *long == name || short.is_some_and(is_short);
    if OURS.iter().any(is_ours) {
        return Err(format!("`{name}` is set by bench itself"));
    }
    Ok(text.to_owned())
}

impl Options {
    /// Whether Slurm is to be used at all.
    pub(crate) fn is_asked(&self) -> bool {
        self.slurm
    }

    /// Lines after `#SBATCH`.
    pub(super) fn args(&self) -> &[String] {
        &self.args
    }

    /// `--array` of so many tasks.
    pub(super) fn array(&self, tasks: usize) -> String {
        let last = tasks.saturating_sub(1);
        match self.at_once {
            Some(at_once) => format!("0-{last}%{at_once}"),
            None => format!("0-{last}"),
        }
    }

    /// The cells of every task, dealt out as to shards.
    pub(super) fn tasks<'a>(&self, cells: Vec<&'a Work>) -> anyhow::Result<Vec<Vec<&'a Work>>> {
        let count = self.tasks.unwrap_or(cells.len()).min(cells.len());
        ensure!(
            count <= MOST_TASKS,
            UsageError(format!(
                "expected at most {MOST_TASKS} tasks in an array, received {count}; say --slurm-tasks {MOST_TASKS} or \
                 less to have several cells in a task"
            ))
        );
        let ids: Vec<_> = cells.iter().map(|cell| cell.id.clone()).collect();
        let parts = Shard::all(count).map(|shard| {
            let mine = shard.of(ids.clone());
            let is_mine = |cell: &&&Work| mine.contains(&cell.id);
            cells.iter().filter(is_mine).copied().collect()
        });
        let mut tasks: Vec<Vec<&Work>> = parts.collect();
        // Tasks start in the order of their numbers: in that of the matrix, comparisons are complete early.
        tasks.sort_by_key(|task| {
            let first = task.first().map(|cell| &cell.id);
            cells.iter().position(|cell| Some(&cell.id) == first)
        });
        Ok(tasks)
    }

    #[cfg(test)]
    pub(super) fn example(args: &[&str], tasks: Option<usize>, at_once: Option<usize>) -> Self {
        Self {
            slurm: true,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            tasks,
            at_once,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::bench::cell::matrix;
    use crate::bench::work_left::CellFiles;

    #[test]
    fn an_option_is_taken_as_it_is_unless_it_is_ours() {
        for text in [
            "--time=4:00:00",
            "--gres gpu:1",
            "-p gpu",
            "--exclusive",
            "--array-like=3",
        ] {
            assert_eq!(sbatch_option(text).as_deref(), Ok(text));
        }
        for (text, part) in [
            ("--array=0-3", "set by bench"),
            ("-a 0-3", "set by bench"),
            ("-ofile", "set by bench"),
            ("--dependency afterok:3", "set by bench"),
            ("time=3", "expected an option"),
            ("", "expected an option"),
            ("--time=3\nrm x", "expected an option"),
        ] {
            let error = sbatch_option(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    fn work(methods: &[&str], seeds: &[u64]) -> Vec<Work> {
        let cells = matrix(methods, &["a"], seeds).into_iter();
        let work = |id| Work {
            files: CellFiles::new(Path::new("o"), &id),
            id,
            recipe: String::new(),
            fresh: false,
        };
        cells.map(work).collect()
    }

    #[test]
    fn every_cell_is_in_one_task() {
        let cells = work(&["salt", "lora"], &[0, 1, 2]);
        let sizes = |tasks| {
            let options = Options::example(&[], tasks, None);
            let tasks = options.tasks(cells.iter().collect()).unwrap();
            let mut sizes: Vec<_> = tasks.iter().map(Vec::len).collect();
            sizes.sort_unstable();
            assert_eq!(sizes.iter().sum::<usize>(), 6);
            sizes
        };
        let options = Options::example(&[], None, None);
        let tasks = options.tasks(cells.iter().collect()).unwrap();
        let order = tasks.iter().flatten().map(|cell| &cell.id);
        assert!(order.eq(cells.iter().map(|cell| &cell.id)), "{tasks:?}");
        assert_eq!(sizes(None), [1; 6]);
        assert_eq!(sizes(Some(4)), [1, 1, 2, 2]);
        assert_eq!(sizes(Some(9)), [1; 6]);
        assert!(Options::default().tasks(Vec::new()).unwrap().is_empty());
    }

    #[test]
    fn an_array_larger_than_slurm_takes_is_wrong_use() {
        let seeds: Vec<u64> = (0..=1000).collect();
        let cells = work(&["salt"], &seeds);
        let error = Options::default()
            .tasks(cells.iter().collect())
            .unwrap_err();
        assert!(error.is::<UsageError>() && error.to_string().contains("--slurm-tasks"));
        let options = Options::example(&[], Some(10), None);
        assert_eq!(options.tasks(cells.iter().collect()).unwrap().len(), 10);
    }

    #[test]
    fn an_array_counts_from_zero() {
        assert_eq!(Options::example(&[], None, None).array(14), "0-13");
        assert_eq!(Options::example(&[], None, Some(4)).array(1), "0-0%4");
    }
}
