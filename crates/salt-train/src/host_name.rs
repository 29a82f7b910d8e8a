//! The name of this machine, for people who read a lock file.

/// As the kernel tells it (Linux), else as the environment does; `unknown` where neither knows.
pub(crate) fn host_name() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let known = kernel
        .into_iter()
        .chain(["HOSTNAME", "COMPUTERNAME"].map(|name| std::env::var(name).unwrap_or_default()));
    let mut names = known.map(|name| name.trim().to_owned());
    names
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
