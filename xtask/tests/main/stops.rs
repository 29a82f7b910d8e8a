//! Signals to a benchmark that runs on its own machine.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::bench::{Bench, ended};

/// Start a command, whose first cell makes so many steps, and come back when that cell is at work.
fn at_work(bench: &Bench, command: &mut Command, steps: u32) -> Child {
    command.env("STEPS", steps.to_string());
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while bench.read("salt-calls").is_empty() {
        sleep(Duration::from_millis(50));
    }
    child
}

/// Send a signal to the benchmark alone.
fn send(signal: &str, child: &Child) {
    let kill = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
}

/// The cell saves, and the same command goes on from there.
fn check(signal: &str, code: i32) {
    let bench = Bench::new();
    let child = at_work(&bench, &mut bench.bench("out", &[]), 600);
    send(signal, &child);
    let text = ended(&child.wait_with_output().unwrap(), code);
    let told = "Stopped in salt__set__s0. The same command goes on from here.";
    assert!(text.contains(told), "{text}");
    ended(&bench.bench("out", &[]).output().unwrap(), 0);
    let calls = bench.read("salt-calls");
    assert!(
        calls.starts_with("train salt__set__s0\nresume salt__set__s0\ntrain "),
        "{calls}"
    );
}

#[test]
fn a_termination_saves_and_exits_143() {
    check("-TERM", 143);
}

#[test]
fn ctrl_c_saves_and_exits_130() {
    check("-INT", 130);
}

#[test]
fn the_second_signal_leaves_at_once_with_the_code_of_the_first() {
    let bench = Bench::new();
    let child = at_work(&bench, &mut bench.bench("out", &[]), 30);
    send("-TERM", &child);
    // Two signals at the same moment may be heard in either order.
    sleep(Duration::from_millis(200));
    send("-INT", &child);
    let text = ended(&child.wait_with_output().unwrap(), 143);
    assert!(!text.contains("Stopped in"), "{text}");
    let cell = format!("/proc/{}", bench.read("salt-process").trim());
    let lives = || std::fs::exists(&cell).unwrap();
    let mut waits = 0;
    while lives() && waits < 100 {
        sleep(Duration::from_millis(20));
        waits += 1;
    }
    assert!(!lives(), "the cell lives on");
}

#[test]
fn under_nohup_a_closed_terminal_stops_nothing() {
    let bench = Bench::new();
    let plain = bench.bench("out", &[]);
    let mut command = bench.command("nohup");
    command.arg(plain.get_program()).args(plain.get_args());
    let child = at_work(&bench, &mut command, 10);
    send("-HUP", &child);
    ended(&child.wait_with_output().unwrap(), 0);
    assert_eq!(bench.read("salt-calls").lines().count(), 4);
}
