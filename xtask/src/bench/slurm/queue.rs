//! Slurm's own commands: sbatch, squeue, scontrol.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, anyhow, bail};

use crate::workspace;

/// What sbatch says, and what to do about it.
const REMEDIES: [(&str, &str); 5] = [
    (
        "job array specification",
        "the cluster takes smaller arrays (`scontrol show config | grep MaxArraySize`): say --slurm-tasks N",
    ),
    (
        "ccount",
        "`sacctmgr show associations user=$USER` lists the accounts: say --slurm-arg=--account=NAME",
    ),
    (
        "artition",
        "`sinfo` lists the partitions: say --slurm-arg=--partition=NAME",
    ),
    (
        "node configuration is not available",
        "no node has what was asked for: `sinfo -o '%P %c %m %G %l'` lists what they have",
    ),
    (
        "contact slurm controller",
        "Slurm's controller does not answer: `scontrol ping`",
    ),
];

/// Whether Slurm is here at all.
pub(super) fn check() -> anyhow::Result<()> {
    output(Command::new("sbatch").arg("--version")).map(drop)
}

/// Submit a script; the job's number. With `after` it waits until that job has ended, however it did.
pub(super) fn submit(script: &Path, after: Option<&str>) -> anyhow::Result<String> {
    let mut command = Command::new("sbatch");
    command.arg("--parsable");
    if let Some(job) = after {
        command.arg(format!("--dependency=afterany:{job}"));
    }
    let output = output(command.arg(script))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = said(&output);
        let remedy = remedy(&said);
        bail!(
            "sbatch {}: {said}\n{remedy}\nthe script is {}",
            workspace::ended(output.status),
            script.display()
        );
    }
    job_number(&printed).with_context(|| {
        format!("expected the number of a job from sbatch --parsable, received `{printed}`")
    })
}

/// `12` or `12;cluster`, on the last line: sites may have sbatch print more before.
fn job_number(printed: &str) -> Option<String> {
    let number = printed.trim().lines().last()?.split(';').next()?.trim();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| number.to_owned())
}

/// Whether any of the jobs waits or runs.
pub(super) fn is_any_active(jobs: &[String]) -> anyhow::Result<bool> {
    for job in jobs {
        let output = output(Command::new("squeue").args(["-h", "-o", "%T", "-j", job]))?;
        let said = said(&output);
        if output.status.success() {
            if !output.stdout.trim_ascii().is_empty() {
                return Ok(true);
            }
        } else if !said.contains("Invalid job id") {
            // A number that Slurm has forgotten is that of a job that is over; anything else is not known.
            bail!("squeue {}: {said}", workspace::ended(output.status));
        }
    }
    Ok(false)
}

/// Put the job we are in back into the queue.
pub(super) fn requeue(job: &str) -> anyhow::Result<()> {
    let output = output(Command::new("scontrol").args(["requeue", job]))?;
    if !output.status.success() {
        bail!(
            "scontrol requeue {job} {}: {}",
            workspace::ended(output.status),
            said(&output)
        );
    }
    Ok(())
}

fn output(command: &mut Command) -> anyhow::Result<Output> {
    command.output().map_err(|error| {
        let program = command.get_program().display().to_string();
        if error.kind() == ErrorKind::NotFound {
            anyhow!(
                "`{program}` was not found: --slurm is for a machine of a cluster that has Slurm's commands; without \
                 Slurm, start `cargo xtask bench --shard I/N` on each of N machines"
            )
        } else {
            anyhow::Error::new(error).context(format!("cannot start {program}"))
        }
    })
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn remedy(said: &str) -> &'static str {
    let known = REMEDIES.iter().find(|(part, _)| said.contains(part));
    known.map_or(
        "options for sbatch are given one at a time: --slurm-arg=--time=4:00:00",
        |(_, remedy)| *remedy,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_job_is_read_in_every_form() {
        for (printed, number) in [
            ("12\n", Some("12")),
            ("12;cluster\n", Some("12")),
            ("Welcome.\n12\n", Some("12")),
            ("Submitted batch job 12\n", None),
            ("", None),
        ] {
            assert_eq!(job_number(printed).as_deref(), number, "{printed}");
        }
    }

    /// Texts of Slurm 22.05 (src/common/slurm_errno.c).
    #[test]
    fn what_slurm_refuses_has_a_remedy() {
        for (said, part) in [
            (
                "sbatch: error: Batch job submission failed: Invalid job array specification",
                "--slurm-tasks",
            ),
            (
                "sbatch: error: invalid partition specified: x",
                "--partition",
            ),
            (
                "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
                "--account",
            ),
            (
                "sbatch: error: Batch job submission failed: Requested node configuration is not available",
                "sinfo -o",
            ),
            (
                "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
                "ping",
            ),
            ("sbatch: unrecognized option '--tiem=3'", "--slurm-arg"),
        ] {
            assert!(remedy(said).contains(part), "{said}: {}", remedy(said));
        }
    }

    #[test]
    fn without_slurm_another_way_is_named() {
        let error = output(&mut Command::new("no-such-sbatch")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("no-such-sbatch") && text.contains("--shard I/N"),
            "{text}"
        );
    }
}
