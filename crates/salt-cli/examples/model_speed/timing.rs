//! Repeats, medians, and waiting for the device.

use std::time::Instant;

use burn::tensor::Device;

use crate::Outcome;

/// How something is measured.
pub(crate) struct Timing {
    pub(crate) warmup: usize,
    pub(crate) repeats: usize,
    pub(crate) device: Device,
}

/// The clock of one repeat with named parts.
pub(crate) struct Laps<'a> {
    device: &'a Device,
    since: Instant,
    laps: Vec<(&'static str, f64)>,
}

impl Laps<'_> {
    /// The part that ends here: all that was asked of the device is done.
    pub(crate) fn end(&mut self, part: &'static str) -> Outcome<()> {
        self.device.sync()?;
        self.laps.push((part, self.since.elapsed().as_secs_f64()));
        self.since = Instant::now();
        Ok(())
    }
}

/// Medians: of the whole, and of every part by name.
pub(crate) type Medians = (f64, Vec<(String, f64)>);

impl Timing {
    /// Repeats `work`, whose parts end where it says so.
    pub(crate) fn laps(
        &self,
        mut work: impl FnMut(&mut Laps<'_>) -> Outcome<()>,
    ) -> Outcome<Medians> {
        let mut runs = Vec::new();
        for repeat in 0..self.warmup + self.repeats {
            self.device.sync()?;
            let mut laps = Laps {
                device: &self.device,
                since: Instant::now(),
                laps: Vec::new(),
            };
            work(&mut laps)?;
            if repeat >= self.warmup {
                runs.push(laps.laps);
            }
        }
        let names = runs.first().ok_or("expected at least one repeat")?.clone();
        let parts = names.iter().enumerate().map(|(at, (name, _))| {
            let seconds = runs.iter().map(|run| run[at].1).collect();
            ((*name).to_owned(), median(seconds))
        });
        let whole = runs.iter().map(|run| run.iter().map(|lap| lap.1).sum());
        Ok((median(whole.collect()), parts.collect()))
    }
}

/// Of an even number of values the upper of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
