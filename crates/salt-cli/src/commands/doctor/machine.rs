//! Cores, instruction sets and memory.

use serde::Serialize;

/// The processor.
#[derive(Debug, Serialize)]
pub(super) struct Processor {
    /// Cores this process may use.
    pub(super) cores: usize,
    pub(super) architecture: &'static str,
    /// Instruction sets that matter for speed, as far as there are any.
    pub(super) features: Vec<&'static str>,
}

/// Memory in MiB.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Memory {
    pub(super) total_mb: u64,
    pub(super) available_mb: u64,
}

impl Processor {
    pub(super) fn look() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            architecture: std::env::consts::ARCH,
            features: features(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let known = [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
    ];
    known
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

impl Memory {
    /// `None` where the system has no `/proc/meminfo`.
    pub(super) fn look() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/meminfo").ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mib = |key: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
            Some(kib / 1024)
        };
        Some(Self {
            total_mb: mib("MemTotal")?,
            available_mb: mib("MemAvailable")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_kernel_s_table() {
        let text = "MemTotal:       16384000 kB\nMemFree:  1 kB\nMemAvailable:    2048 kB\n";
        let expected = Memory {
            total_mb: 16_000,
            available_mb: 2,
        };
        assert_eq!(Memory::parse(text), Some(expected));
        assert_eq!(Memory::parse("MemTotal: many kB\n"), None);
    }
}
