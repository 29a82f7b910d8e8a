//! Peak resident memory of this process.

/// Highest resident set so far in MiB, from the `VmHWM` line of `/proc/self/status`.
/// `None` where there is no such file (other systems than Linux).
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    parse_peak_kib(&status).map(|kib| kib as f64 / 1024.0)
}

fn parse_peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_line_and_survives_its_absence() {
        assert_eq!(
            parse_peak_kib("Name:\tsalt\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n"),
            Some(2048)
        );
        assert_eq!(parse_peak_kib("Name:\tsalt\n"), None);
        assert_eq!(parse_peak_kib("VmHWM:\tmany kB\n"), None);
    }
}
