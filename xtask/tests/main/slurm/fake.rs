//! What is submitted, and what the scripts do. The stand-ins for Slurm's commands submit nothing: the test runs the
//! scripts as Slurm would.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::bench::{Bench, ended};

/// Numbers jobs from 101 on and keeps their scripts; refuses with the text of a file `refusal`.
const SBATCH: &str = r#"#!/bin/bash
[ "$1" = --version ] && exit
echo "sbatch ${*:1:$#-1} $(basename "${!#}")" >> "$BENCH_FILES/slurm-calls"
if [ -e "$BENCH_FILES/refusal" ]; then cat "$BENCH_FILES/refusal" >&2; exit 1; fi
job=$(($(cat "$BENCH_FILES/last-job" 2>/dev/null || echo 100) + 1))
echo $job > "$BENCH_FILES/last-job"
cp "${!#}" "$BENCH_FILES/job-$job"
echo $job
"#;

/// Knows the jobs that a file `active` lists.
const SQUEUE: &str = r#"#!/bin/bash
if grep -qx "${!#}" "$BENCH_FILES/active" 2>/dev/null; then echo RUNNING; exit; fi
echo "slurm_load_jobs error: Invalid job id specified" >&2
exit 1
"#;

const SCONTROL: &str = r#"#!/bin/bash
echo "scontrol $*" >> "$BENCH_FILES/slurm-calls"
"#;

fn new() -> Bench {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("bin")).unwrap();
    bench.program("bin/sbatch", SBATCH);
    bench.program("bin/squeue", SQUEUE);
    bench.program("bin/scontrol", SCONTROL);
    bench
}

fn with_slurm<'a>(bench: &Bench, command: &'a mut Command) -> &'a mut Command {
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", bench.path("bin").display()))
}

#[track_caller]
fn submit(bench: &Bench, more: &[&str], code: i32) -> String {
    let mut command = bench.bench("out", &["--slurm"]);
    ended(
        &with_slurm(bench, command.args(more)).output().unwrap(),
        code,
    )
}

/// A task of a job as Slurm starts it, in a folder that means nothing.
fn task(bench: &Bench, job: u32, index: u32) -> Command {
    let mut command = bench.command("bash");
    with_slurm(bench, &mut command);
    command
        .current_dir("/")
        .arg(bench.path(&format!("job-{job}")));
    command.env("SLURM_ARRAY_TASK_ID", index.to_string());
    command.env("SLURM_JOB_ID", (200 + index).to_string());
    command
}

#[test]
fn the_report_follows_the_array_and_a_second_submission_does_what_is_missing() {
    let bench = new();
    let text = submit(
        &bench,
        &["--slurm-at-once", "3", "--slurm-arg=--time=1:00:00"],
        0,
    );
    assert!(text.contains("job 101: 4 of 4 cells in 4 tasks"), "{text}");
    let calls = "sbatch --parsable cells.sbatch\n\
                 sbatch --parsable --dependency=afterany:101 report.sbatch\n";
    assert_eq!(bench.read("slurm-calls"), calls);
    let array = bench.read("job-101");
    assert!(
        array.contains("#SBATCH --array=0-3%3\n") && array.contains("\n#SBATCH --time=1:00:00\n")
    );

    bench.write("fail-lora__set__s1", "");
    let codes: Vec<_> = (0..4)
        .map(|index| task(&bench, 101, index).status().unwrap().code())
        .collect();
    let failed = codes.iter().filter(|code| **code == Some(1)).count();
    let well = codes.iter().filter(|code| **code == Some(0)).count();
    assert_eq!((well, failed), (3, 1), "{codes:?}");
    ended(&task(&bench, 102, 0).output().unwrap(), 0);
    let report = bench.read("out/report.md");
    let missing = "3 of 4 cells are finished. Not finished: lora__set__s1";
    assert!(report.contains(missing), "{report}");

    bench.write("active", "102\n");
    let text = submit(&bench, &[], 1);
    assert!(
        text.contains("jobs 101,102") && text.contains("scancel 101 102"),
        "{text}"
    );
    std::fs::remove_file(bench.path("active")).unwrap();
    std::fs::remove_file(bench.path("fail-lora__set__s1")).unwrap();
    let text = submit(&bench, &[], 0);
    assert!(text.contains("job 103: 1 of 4 cells in 1 tasks"), "{text}");
    assert!(!bench.path("out/slurm/1/salt").exists());
    ended(&task(&bench, 103, 0).output().unwrap(), 0);
    let text = submit(&bench, &[], 0);
    assert!(text.contains("nothing to submit"), "{text}");
    assert!(!text.contains("cells are finished."), "{text}");
    assert_eq!(bench.read("last-job"), "104\n");
}

/// Send a signal to a task when its cell is at work, and to the task alone, as `--signal=B:` does.
fn stopped_by(signal: &str) -> Bench {
    let bench = new();
    submit(&bench, &["--slurm-tasks", "1"], 0);
    let mut command = task(&bench, 101, 0);
    command.env("STEPS", "600").stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    while bench.read("salt-calls").is_empty() {
        sleep(Duration::from_millis(50));
    }
    let kill = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let text = ended(&child.wait_with_output().unwrap(), 143);
    assert!(text.contains("goes on"), "{text}");
    ended(&task(&bench, 101, 0).output().unwrap(), 0);
    let calls = bench.read("salt-calls");
    let calls: Vec<_> = calls
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(calls, ["train", "resume", "train", "train", "train"]);
    bench
}

#[test]
fn a_task_whose_time_is_up_saves_and_goes_back_into_the_queue() {
    let bench = stopped_by("-USR1");
    let calls = bench.read("slurm-calls");
    assert!(calls.ends_with("scontrol requeue 200\n"), "{calls}");
}

#[test]
fn a_task_that_is_preempted_or_cancelled_saves_and_leaves_the_queue_to_slurm() {
    let bench = stopped_by("-TERM");
    assert!(!bench.read("slurm-calls").contains("requeue"));
}

#[test]
fn a_dry_run_shows_the_scripts_and_leaves_nothing() {
    let bench = new();
    let text = submit(&bench, &["--dry-run", "--slurm-tasks", "2"], 0);
    for part in [
        "#SBATCH --array=0-1\n",
        "slurm-task",
        "report.sbatch",
        "task 0: salt__set__s0, lora__set__s0",
        "task 1: salt__set__s1, lora__set__s1",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!bench.path("out").exists() && bench.read("slurm-calls").is_empty());
}

#[test]
fn what_sbatch_refuses_is_shown_with_a_remedy_and_no_job_is_left_over() {
    let bench = new();
    bench.write(
        "refusal",
        "sbatch: error: invalid partition specified: gpus\n",
    );
    let text = submit(&bench, &["--slurm-arg=-p gpus"], 1);
    for part in ["invalid partition specified: gpus", "sinfo", "cells.sbatch"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    std::fs::remove_file(bench.path("refusal")).unwrap();
    submit(&bench, &[], 0);
}

#[test]
fn without_slurm_the_error_names_another_way() {
    let bench = Bench::new();
    let mut command = bench.bench("out", &["--slurm"]);
    let text = ended(&command.env("PATH", bench.path("bin")).output().unwrap(), 1);
    assert!(
        text.contains("`sbatch` was not found") && text.contains("--shard I/N"),
        "{text}"
    );
    assert!(!bench.path("out").exists());
}

#[test]
fn a_cell_that_starts_over_does_so_once() {
    let bench = new();
    ended(&bench.bench("out", &[]).output().unwrap(), 0);
    let text = submit(&bench, &["--fresh", "--slurm-tasks", "1"], 0);
    assert!(text.contains("4 of 4 cells in 1 tasks"), "{text}");
    for _ in 0..2 {
        ended(&task(&bench, 101, 0).output().unwrap(), 0);
    }
    assert_eq!(bench.read("salt-calls").lines().count(), 8);
}
