//! The two batch scripts. Everything that they need is in them, so `sbatch SCRIPT` does by hand what `bench` did.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::options::Options;
use super::submission::Submission;
use super::task::NOTICE_S;

/// The texts.
#[derive(Debug)]
pub(super) struct Scripts {
    /// The array job.
    pub(super) cells: String,
    /// The job after it.
    pub(super) report: String,
}

impl Scripts {
    /// Scripts that run from the current folder: data sets may be named relative to it.
    pub(super) fn new(
        options: &Options,
        submission: &Submission,
        tasks: usize,
    ) -> anyhow::Result<Self> {
        let here = std::env::current_dir().context("the current folder is gone")?;
        Ok(Self {
            cells: cells(options, submission, &here, tasks)?,
            report: report(options, submission, &here)?,
        })
    }
}

/// The task becomes the program, so that Slurm's signals reach it. SIGUSR1 means that the time is nearly over; Slurm sends
/// it up to a minute earlier than asked.
fn cells(
    options: &Options,
    submission: &Submission,
    here: &Path,
    tasks: usize,
) -> anyhow::Result<String> {
    let mut text = head(
        "salt-bench",
        &submission.logs().join("task-%a.txt"),
        options,
    )?;
    writeln!(text, "#SBATCH --array={}", options.array(tasks))?;
    writeln!(text, "#SBATCH --requeue")?;
    writeln!(text, "#SBATCH --signal=B:USR1@{NOTICE_S}")?;
    write!(
        text,
        "\ncd -- {}\n\
         if [ -n \"${{SLURM_CPUS_PER_TASK:-}}\" ]; then\n    \
         export RAYON_NUM_THREADS=\"${{RAYON_NUM_THREADS:-$SLURM_CPUS_PER_TASK}}\"\n\
         fi\n\
         exec {} slurm-task {} --task \"$SLURM_ARRAY_TASK_ID\"\n",
        quoted(here)?,
        quoted(&submission.xtask())?,
        quoted(submission.folder())?,
    )?;
    Ok(text)
}

fn report(options: &Options, submission: &Submission, here: &Path) -> anyhow::Result<String> {
    let log = submission.logs().join("report.txt");
    let mut text = head("salt-bench-report", &log, options)?;
    write!(
        text,
        "\ncd -- {}\nexec {} report {}\n",
        quoted(here)?,
        quoted(&submission.xtask())?,
        quoted(submission.out())?,
    )?;
    Ok(text)
}

/// The lines that both have. Given options come after ours and can change them.
fn head(name: &str, log: &Path, options: &Options) -> anyhow::Result<String> {
    let mut text = format!(
        "#!/bin/bash\n\
         # Written by `cargo xtask bench --slurm`.\n\
         #SBATCH --job-name={name}\n\
         #SBATCH --nodes=1\n\
         #SBATCH --ntasks=1\n\
         #SBATCH --output={}\n\
         #SBATCH --open-mode=append\n",
        file_pattern(log)?
    );
    for option in options.args() {
        writeln!(text, "#SBATCH {option}")?;
    }
    Ok(text)
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> anyhow::Result<String> {
    Ok(format!("'{}'", one_line(path)?.replace('\'', r"'\''")))
}

/// A path as value of `--output`, where `%` opens a pattern and only the last component has one of ours.
fn file_pattern(path: &Path) -> anyhow::Result<String> {
    let (folder, name) = (path.parent(), path.file_name());
    let (folder, name) = folder.zip(name).context("a log lies in a folder")?;
    let folder = one_line(folder)?;
    // A backslash would turn all patterns off.
    ensure!(
        !folder.contains('\\'),
        "expected an output folder without backslashes for Slurm's logs, received {folder}"
    );
    let folder = folder.replace('%', "%%").replace('"', "\\\"");
    Ok(format!("\"{folder}/{}\"", name.to_string_lossy()))
}

/// The path as text that fits on a line.
fn one_line(path: &Path) -> anyhow::Result<&str> {
    let text = path.to_str().filter(|text| !text.contains(['\n', '\r']));
    text.with_context(|| {
        format!(
            "expected a path of one line in UTF-8, received {}",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts(out: &Path, options: &Options) -> Scripts {
        Scripts::new(options, &Submission::next(out).unwrap(), 3).unwrap()
    }

    #[test]
    fn the_array_takes_given_options_and_survives_preemption() {
        let tmp = tempfile::tempdir().unwrap();
        let options = Options::example(&["--time=4:00:00", "-p gpu"], None, Some(2));
        let Scripts { cells, report } = scripts(tmp.path(), &options);
        for line in [
            "#SBATCH --array=0-2%2",
            "#SBATCH --requeue",
            "#SBATCH --signal=B:USR1@120",
            "#SBATCH --open-mode=append",
            "#SBATCH -p gpu",
        ] {
            assert!(
                cells.lines().any(|other| other == line),
                "{line} in\n{cells}"
            );
        }
        assert!(report.contains("#SBATCH --time=4:00:00") && !report.contains("--array"));
        assert!(!report.contains("--signal"));
    }

    #[test]
    fn no_path_can_break_a_line_or_end_a_quotation() {
        assert_eq!(quoted(Path::new("/a b/it's")).unwrap(), r"'/a b/it'\''s'");
        let pattern = file_pattern(Path::new("/a \"b\"/100%/task-%a.txt")).unwrap();
        assert_eq!(pattern, r#""/a \"b\"/100%%/task-%a.txt""#);
        assert!(quoted(Path::new("/a\nb")).is_err());
        assert!(file_pattern(Path::new(r"/a\b/x")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn the_shell_reads_them_as_they_were_meant() {
        let tmp = tempfile::tempdir().unwrap();
        let out = tmp.path().join("it's $HOME; a \"b\" `c`");
        let Scripts { cells, .. } = scripts(&out, &Options::default());
        // What would be executed, printed instead.
        let printed = cells.replace("exec ", "printf '%s|' ");
        let output = std::process::Command::new("bash")
            .args(["-c", &printed])
            .env("SLURM_ARRAY_TASK_ID", "2")
            .output()
            .unwrap();
        let folder = out.join("slurm/1");
        let words = [
            folder.join("xtask"),
            "slurm-task".into(),
            folder,
            "--task".into(),
            "2".into(),
        ];
        let expected: String = words
            .iter()
            .map(|word| format!("{}|", word.display()))
            .collect();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}
