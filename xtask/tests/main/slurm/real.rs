//! The same over a Slurm of one machine, with its own signals, preemption and dependencies.
//!
//! `SLURM_CONF` names it; cluster.sh beside this file makes one.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::bench::{Bench, ended};

/// Slurm waits two minutes before a job that was put back into the queue runs again.
const LONGEST: Duration = Duration::from_secs(480);

fn slurm(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; see cluster.sh"));
    ended(&output, 0)
}

fn wait(what: &str, is_done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_done() {
        assert!(
            begin.elapsed() < LONGEST,
            "{what}: {}",
            slurm("squeue", &[])
        );
        sleep(Duration::from_secs(1));
    }
}

/// Whether none of the jobs waits or runs.
fn are_over(jobs: &str) -> bool {
    slurm("squeue", &["-h", "-j", jobs]).trim().is_empty()
}

/// Submit with cells of so many steps, a tenth of a second each; the numbers of the array and of the report.
fn submit(bench: &Bench, steps: &str, more: &[&str]) -> (String, String) {
    let mut command = bench.bench("out", &["--slurm"]);
    let text = ended(&command.args(more).env("STEPS", steps).output().unwrap(), 0);
    let mut jobs = text
        .lines()
        .filter_map(|line| line.strip_prefix("Submitted job ")?.split(':').next())
        .map(str::to_owned);
    (jobs.next().unwrap(), jobs.next().unwrap())
}

#[test]
#[ignore = "needs a Slurm: xtask/tests/main/slurm/cluster.sh"]
fn a_failed_cell_does_not_keep_the_report_from_being_written() {
    let bench = Bench::new();
    bench.write("fail-lora__set__s1", "");
    let (array, report) = submit(&bench, "10", &[]);
    wait("the report", || are_over(&format!("{array},{report}")));
    let text = bench.read("out/report.md");
    let missing = "3 of 4 cells are finished. Not finished: lora__set__s1";
    assert!(
        text.contains(missing),
        "{text}\n{}",
        bench.read("out/slurm/1/logs/report.txt")
    );
    let states = slurm("squeue", &["-h", "-t", "all", "-o", "%T", "-j", &array]);
    assert_eq!(states.matches("FAILED").count(), 1, "{states}");
    assert_eq!(states.matches("COMPLETED").count(), 3, "{states}");

    std::fs::remove_file(bench.path("fail-lora__set__s1")).unwrap();
    let (array, report) = submit(&bench, "1", &[]);
    wait("the second report", || {
        are_over(&format!("{array},{report}"))
    });
    let text = bench.read("out/report.md");
    assert!(!text.contains("cells are finished."), "{text}");
    assert_eq!(bench.read("salt-calls").lines().count(), 5);
}

#[test]
#[ignore = "needs a Slurm: xtask/tests/main/slurm/cluster.sh"]
fn a_preempted_task_saves_runs_again_and_goes_on() {
    let bench = Bench::new();
    let (array, report) = submit(&bench, "200", &["--slurm-tasks", "1"]);
    wait("the first cell", || !bench.read("salt-calls").is_empty());
    sleep(Duration::from_secs(1));
    let urgent = [
        "--parsable",
        "-p",
        "urgent",
        "--exclusive",
        "-o",
        "/dev/null",
        "--wrap",
        "sleep 1",
    ];
    slurm("sbatch", &urgent);
    wait("the report", || are_over(&format!("{array},{report}")));
    let calls = bench.read("salt-calls");
    let count = |word: &str| calls.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("train"), count("resume")), (4, 1), "{calls}");
    let log = bench.read("out/slurm/1/logs/task-0.txt");
    assert!(
        log.contains("Stopped in ") && log.contains(": goes on"),
        "{log}"
    );
    let text = bench.read("out/report.md");
    assert!(
        text.contains("in 4 cells") && !text.contains("cells are finished."),
        "{text}"
    );
}

#[test]
#[ignore = "needs a Slurm: xtask/tests/main/slurm/cluster.sh"]
fn a_task_whose_time_is_up_saves_and_runs_again() {
    let bench = Bench::new();
    // Slurm says so at once: the notice is longer than the time.
    let (array, report) = submit(
        &bench,
        "600",
        &["--slurm-tasks", "1", "--slurm-arg=--time=2"],
    );
    wait("the end of the time", || {
        bench
            .read("out/slurm/1/logs/task-0.txt")
            .contains("The time of the task is up")
    });
    let waiting = slurm("squeue", &["-h", "-o", "%T", "-j", &report]);
    assert_eq!(waiting.trim(), "PENDING");
    slurm("scancel", &[&array]);
    wait("the report", || are_over(&format!("{array},{report}")));
    let log = bench.read("out/slurm/1/logs/report.txt");
    assert!(log.contains("0 of 4 cells are finished"), "{log}");
}
