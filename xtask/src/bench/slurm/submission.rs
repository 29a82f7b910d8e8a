//! `OUT/slurm/N/`: what was submitted the N-th time.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::super::cell::CellId;
use super::super::run_cells::Work;
use super::super::work_left::CellFiles;
use super::script::Scripts;
use crate::replaced_file::replace;

/// The folder, which need not be there yet.
#[derive(Debug)]
pub(super) struct Submission {
    out: PathBuf,
    folder: PathBuf,
}

/// `tasks.json`: what every task of the array does.
#[derive(Debug, Serialize, Deserialize)]
struct Tasks {
    device: String,
    tasks: Vec<Vec<SubmittedCell>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SubmittedCell {
    cell: String,
    recipe: String,
}

impl Submission {
    /// Every earlier one.
    pub(super) fn all(out: &Path) -> anyhow::Result<Vec<Self>> {
        let numbers = numbers(out)?;
        numbers
            .into_iter()
            .map(|n| Self::numbered(out, n))
            .collect()
    }

    /// The one to be made next.
    pub(super) fn next(out: &Path) -> anyhow::Result<Self> {
        Self::numbered(out, numbers(out)?.last().map_or(1, |last| last + 1))
    }

    /// The one that a task was given.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let out = folder.parent().and_then(Path::parent);
        let out = out.filter(|_| folder.join("tasks.json").is_file());
        let Some(out) = out else {
            bail!(
                "expected a folder OUT/slurm/N with tasks.json in it, received {}",
                folder.display()
            );
        };
        Ok(Self {
            out: out.to_owned(),
            folder: folder.to_owned(),
        })
    }

    fn numbered(out: &Path, number: u32) -> anyhow::Result<Self> {
        let out = std::path::absolute(out).context("the output folder has no absolute path")?;
        Ok(Self {
            folder: out.join("slurm").join(number.to_string()),
            out,
        })
    }

    /// Write it all; fails when another process makes the same one.
    pub(super) fn create(
        &self,
        salt: &Path,
        device: &str,
        tasks: &[Vec<&Work>],
        scripts: &Scripts,
    ) -> anyhow::Result<()> {
        let cannot = || format!("cannot make {}", self.folder.display());
        let parent = self.folder.parent().with_context(cannot)?;
        fs::create_dir_all(parent).with_context(cannot)?;
        fs::create_dir(&self.folder).with_context(cannot)?;
        fs::create_dir(self.logs()).with_context(cannot)?;
        let xtask = std::env::current_exe().context("cannot tell where this program is")?;
        for (from, to) in [(xtask.as_path(), self.xtask()), (salt, self.salt())] {
            fs::copy(from, &to)
                .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
        let submitted = |cell: &&Work| SubmittedCell {
            cell: cell.id.to_string(),
            recipe: cell.recipe.clone(),
        };
        let tasks = Tasks {
            device: device.to_owned(),
            tasks: tasks
                .iter()
                .map(|cells| cells.iter().map(submitted).collect())
                .collect(),
        };
        let tasks = serde_json::to_string_pretty(&tasks).context("tasks are JSON")?;
        replace(&self.folder.join("tasks.json"), &tasks)?;
        replace(&self.cells_script(), &scripts.cells)?;
        replace(&self.report_script(), &scripts.report)
    }

    /// Device and cells of a task.
    pub(super) fn task(&self, index: usize) -> anyhow::Result<(String, Vec<Work>)> {
        let path = self.folder.join("tasks.json");
        let cannot = || format!("cannot read {}", path.display());
        let text = fs::read_to_string(&path).with_context(cannot)?;
        let Tasks { device, tasks } = serde_json::from_str(&text).with_context(cannot)?;
        let count = tasks.len();
        let Some(cells) = tasks.into_iter().nth(index) else {
            bail!("expected a task from 0 on and below {count}, received {index}");
        };
        let work = |SubmittedCell { cell, recipe }| {
            let id = CellId::parse(&cell)
                .with_context(|| format!("expected the name of a cell, received `{cell}`"))?;
            Ok(Work {
                files: CellFiles::new(&self.out, &id),
                id,
                recipe,
                fresh: false,
            })
        };
        let cells = cells.into_iter().map(work);
        Ok((device, cells.collect::<anyhow::Result<_>>()?))
    }

    /// Note a job that was submitted.
    pub(super) fn add_job(&self, job: &str) -> anyhow::Result<()> {
        let mut jobs = self.jobs()?;
        jobs.push(job.to_owned());
        replace(&self.folder.join("jobs"), &(jobs.join("\n") + "\n"))
    }

    /// Jobs that were submitted.
    pub(super) fn jobs(&self) -> anyhow::Result<Vec<String>> {
        let path = self.folder.join("jobs");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            // It was given up before anything was submitted.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The copies of the programs are needed as long as there are jobs.
    pub(super) fn remove_programs(&self) -> anyhow::Result<()> {
        for path in [self.xtask(), self.salt()] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn out(&self) -> &Path {
        &self.out
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    pub(super) fn xtask(&self) -> PathBuf {
        self.folder.join("xtask")
    }

    pub(super) fn salt(&self) -> PathBuf {
        self.folder.join("salt")
    }

    pub(super) fn cells_script(&self) -> PathBuf {
        self.folder.join("cells.sbatch")
    }

    pub(super) fn report_script(&self) -> PathBuf {
        self.folder.join("report.sbatch")
    }
}

/// Numbers of the submissions that are there, in order.
fn numbers(out: &Path) -> anyhow::Result<Vec<u32>> {
    let folder = out.join("slurm");
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot list {}", folder.display()))?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        numbers.extend(
            name.file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok()),
        );
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_finds_its_cells_as_they_were_submitted() {
        let tmp = tempfile::tempdir().unwrap();
        let out = tmp.path();
        let salt = out.join("built");
        fs::write(&salt, "program").unwrap();
        let id = CellId::parse("salt__a__s0").unwrap();
        let work = Work {
            files: CellFiles::new(out, &id),
            id,
            recipe: "a = 1".into(),
            fresh: true,
        };
        let scripts = Scripts {
            cells: "c".into(),
            report: "r".into(),
        };
        let first = Submission::next(out).unwrap();
        first
            .create(&salt, "flex", &[vec![&work]], &scripts)
            .unwrap();
        assert!(first.create(&salt, "flex", &[], &scripts).is_err());
        first.add_job("12").unwrap();
        first.add_job("13").unwrap();

        let opened = Submission::open(first.folder()).unwrap();
        let (device, cells) = opened.task(0).unwrap();
        assert_eq!(
            (device.as_str(), cells[0].recipe.as_str()),
            ("flex", "a = 1")
        );
        assert_eq!(cells[0].files.run, work.files.run);
        assert!(!cells[0].fresh);
        assert!(opened.task(1).unwrap_err().to_string().contains("below 1"));
        assert_eq!(opened.jobs().unwrap(), ["12", "13"]);

        let next = Submission::next(out).unwrap();
        assert!(next.folder().ends_with("slurm/2"));
        let all = Submission::all(out).unwrap();
        assert_eq!(all.len(), 1);
        assert!(all[0].salt().exists());
        all[0].remove_programs().unwrap();
        all[0].remove_programs().unwrap();
        assert!(!all[0].salt().exists());
        assert!(Submission::open(next.folder()).is_err());
    }
}
