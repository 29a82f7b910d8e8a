//! What a benchmark ran on, for the report.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::workspace;

/// Where and from what a benchmark ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Operating system and architecture.
    pub(crate) system: String,
    /// Processor, where the system tells.
    pub(crate) processor: Option<String>,
    /// Cores that this process may use.
    pub(crate) cores: Option<usize>,
    /// Memory in GiB, where the system tells.
    pub(crate) memory_gib: Option<f64>,
    /// Commit of the repository, with `+` when the work tree had changes.
    pub(crate) commit: Option<String>,
}

impl Machine {
    /// This machine, and the repository as it is.
    pub(crate) fn this() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().ok().map(Into::into),
            memory_gib: field(&read("/proc/meminfo"), "MemTotal").and_then(|text| gib(&text)),
            commit: commit(),
        }
    }

    /// One line for a report.
    pub(crate) fn in_words(&self) -> String {
        let parts = [
            Some(self.system.clone()),
            self.processor.clone(),
            self.cores.map(|cores| format!("{cores} cores")),
            self.memory_gib
                .map(|memory| format!("{memory:.0} GiB memory")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// The value of the first `name : value` line.
fn field(text: &str, name: &str) -> Option<String> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

/// `24623456 kB` in GiB.
fn gib(text: &str) -> Option<f64> {
    let kib: f64 = text.strip_suffix("kB")?.trim().parse().ok()?;
    Some((kib / f64::from(1 << 20) * 10.0).round() / 10.0)
}

/// A work tree without git has no commit to name.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(workspace::root()).args(arguments);
        workspace::output(&mut command).ok()
    };
    let head = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() {
        head
    } else {
        format!("{head}+")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_and_memory_are_read_from_the_system_s_tables() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: other\n";
        assert_eq!(
            field(text, "model name").as_deref(),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(
            field("MemTotal:       25165824 kB\n", "MemTotal").and_then(|t| gib(&t)),
            Some(24.0)
        );
        assert_eq!(field(text, "absent"), None);
    }

    #[test]
    fn a_machine_is_one_line() {
        let machine = Machine {
            system: "linux x86_64".into(),
            cores: Some(2),
            ..Machine::default()
        };
        assert_eq!(machine.in_words(), "linux x86_64, 2 cores");
    }
}
