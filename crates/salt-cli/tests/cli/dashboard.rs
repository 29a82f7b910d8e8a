//! Runs in a terminal, which util-linux's `script` makes.
#![cfg(all(unix, feature = "dashboard"))]

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::inputs::{Inputs, device, salt, succeed};

/// The dashboard takes and leaves the terminal's second screen.
const TAKES: &str = "\x1b[?1049h";
const LEAVES: &str = "\x1b[?1049l";

/// Long enough for a busy machine; nothing waits so long that works.
const PATIENCE: Duration = Duration::from_secs(120);

const CTRL_C: &str = "\x03";

/// Whether there is something to test; says where not.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn runs() -> bool {
    if device() != "flex" {
        eprintln!("skipped: the dashboard knows no device; runs on flex");
        return false;
    }
    let found = Command::new("script").arg("--version").output();
    if found.is_err() {
        eprintln!("skipped: util-linux's `script` is not here");
    }
    found.is_ok()
}

struct Terminal {
    child: Child,
    shown: Receiver<Vec<u8>>,
    text: String,
}

impl Terminal {
    /// Starts `salt` in a terminal of 40 rows and 120 columns.
    fn start(arguments: &[String], kind: &str) -> Self {
        let mut line = format!("stty rows 40 cols 120; exec {}", env!("CARGO_BIN_EXE_salt"));
        for argument in arguments {
            line.push_str(&format!(" '{argument}'"));
        }
        let mut child = Command::new("script")
            .args([
                "--quiet",
                "--return",
                "--flush",
                "--command",
                &line,
                "/dev/null",
            ])
            .env_remove("NO_COLOR")
            .env("SALT_SVD_CACHE", "off")
            .env("SHELL", "/bin/sh")
            .env("TERM", kind)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = child.stdout.take().unwrap();
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = out.read(&mut bytes) {
                if sender.send(bytes[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            shown,
            text: String::new(),
        }
    }

    /// Waits until something has been shown.
    fn until(&mut self, what: &str) {
        let begun = Instant::now();
        while !self.text.contains(what) {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            match self.shown.recv_timeout(left) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("no `{what}` ({error}): {}", self.text),
            }
        }
    }

    fn press(&mut self, keys: &str) {
        let keyboard = self.child.stdin.as_mut().unwrap();
        keyboard.write_all(keys.as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    /// Everything shown, and the exit code.
    fn end(mut self) -> (String, Option<i32>) {
        while let Ok(bytes) = self.shown.recv_timeout(PATIENCE) {
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
        (self.text, self.child.wait().unwrap().code())
    }
}

/// A run that ends only when it is told to.
const ENDLESS: [&str; 2] = ["train.epochs=100000", "train.validate_every=50000"];

#[test]
fn a_run_in_a_terminal_has_a_dashboard_and_leaves_its_lines() {
    if !runs() {
        return;
    }
    let inputs = Inputs::new();
    let terminal = Terminal::start(&inputs.train("run", &["train.epochs=40"]), "xterm-256color");
    let (text, code) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    let (_, drawn) = text.split_once(TAKES).expect("a screen is taken");
    let (drawn, after) = drawn.split_once(LEAVES).expect("and left");
    for word in ["Progress", "Status", "Loss", "Dice", "Learning rate"] {
        assert!(drawn.contains(word), "no {word}: {drawn}");
    }
    for line in ["epoch 1: train loss", "epoch 40: train loss", "| test"] {
        assert!(after.contains(line), "no {line}: {after}");
    }
    assert!(!drawn.contains("epoch 1: train loss"), "{drawn}");

    // It changes no byte of the run.
    succeed(&inputs.train("piped", &["train.epochs=40"]));
    for file in ["metrics.csv", "adapter/adapter_model.safetensors"] {
        assert!(
            inputs.read("run", file) == inputs.read("piped", file),
            "{file}"
        );
    }
}

#[test]
fn ctrl_c_and_the_dashboards_own_key_save_and_stop() {
    if !runs() {
        return;
    }
    let inputs = Inputs::new();
    for (run, keys) in [("signal", &[CTRL_C][..]), ("key", &["q", "s"])] {
        let mut terminal = Terminal::start(&inputs.train(run, &ENDLESS), "xterm-256color");
        terminal.until("Loss");
        for key in keys {
            terminal.press(key);
            // Its keys are read when it is drawn, ten times a second.
            std::thread::sleep(Duration::from_millis(500));
        }
        let (text, code) = terminal.end();
        assert_eq!(code, Some(130), "{run}: {text}");
        let (_, after) = text.rsplit_once(LEAVES).expect("the screen is left");
        assert!(after.contains("go on with: salt resume"), "{run}: {text}");
        assert!(inputs.file(run).join("checkpoints").is_dir());
    }
}

/// Within a step that takes long.
#[test]
fn leaving_at_once_gives_the_terminal_back() {
    if !runs() {
        return;
    }
    let inputs = Inputs::new();
    for (run, keys) in [("twice", [CTRL_C, CTRL_C]), ("killed", ["q", "k"])] {
        let long = &["train.samples_per_epoch=6000", "train.batch_size=3000"];
        let mut terminal = Terminal::start(&inputs.train(run, long), "xterm-256color");
        terminal.until("Loss");
        for key in keys {
            terminal.press(key);
            std::thread::sleep(Duration::from_millis(500));
        }
        let (text, code) = terminal.end();
        assert_eq!(code, Some(130), "{run}: {text}");
        assert!(text.contains(LEAVES), "{run}: {text}");
        if run == "twice" {
            assert!(text.contains("once more leaves at once"), "{text}");
            assert!(!text.contains("go on with"), "{text}");
        }
    }
}

/// Whether a process names the text on its command line.
fn runs_with(text: &str) -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let mut lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    lines.any(|line| line.contains(text))
}

/// As when a window is closed, or a connection lost.
#[test]
fn a_run_whose_terminal_goes_saves_and_ends() {
    if !runs() || super::interrupt::under_nohup() {
        return;
    }
    let inputs = Inputs::new();
    for round in 0..4 {
        let run = format!("run{round}");
        // No checkpoint is due before the end of an epoch that does not end.
        let long = ["train.samples_per_epoch=3000000"];
        let mut terminal = Terminal::start(&inputs.train(&run, &long), "xterm-256color");
        terminal.until("Loss");
        terminal.child.kill().unwrap();
        terminal.end();
        let begun = Instant::now();
        while runs_with(&inputs.path(&run)) {
            assert!(begun.elapsed() < PATIENCE, "{run} lives on");
            std::thread::sleep(Duration::from_millis(50));
        }
        let saved = std::fs::read_dir(inputs.file(&run).join("checkpoints"));
        assert_eq!(saved.unwrap().count(), 1, "{run} saved nothing");
    }
}

#[test]
fn who_wants_no_dashboard_has_none() {
    if !runs() {
        return;
    }
    let inputs = Inputs::new();
    let plain = [inputs.train("plain", &[]), vec!["--no-dashboard".into()]].concat();
    for (arguments, kind) in [
        (plain, "xterm-256color"),
        (inputs.train("dumb", &[]), "dumb"),
    ] {
        let (text, code) = Terminal::start(&arguments, kind).end();
        assert_eq!(code, Some(0), "{text}");
        assert!(!text.contains(TAKES), "{text}");
        assert!(text.contains("epoch 2: train loss"), "{text}");
    }
    // Without a terminal the option says what is so anyway.
    let piped = [inputs.train("piped", &[]), vec!["--no-dashboard".into()]].concat();
    assert_eq!(salt(&piped).status.code(), Some(0));
}
