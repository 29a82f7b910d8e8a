//! Durations as a person says them.

use std::time::Duration;

/// `3 s`, `12 min`, `2.5 h`.
pub(crate) fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..90 => format!("{seconds} s"),
        seconds @ 90..5400 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

/// Seconds from a measurement; what is no duration counts as none.
pub(crate) fn from_seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_fits_the_size() {
        for (seconds, words) in [
            (0.4, "0 s"),
            (89.0, "89 s"),
            (100.0, "2 min"),
            (9000.0, "2.5 h"),
            (f64::NAN, "0 s"),
        ] {
            assert_eq!(in_words(from_seconds(seconds)), words);
        }
    }
}
