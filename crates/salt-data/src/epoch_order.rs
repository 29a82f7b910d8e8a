//! Which case every sample of an epoch shows: each round is a fresh shuffle of all cases.
//!
//! Every case comes equally often, give or take one. Only the round at hand is held, four bytes a case,
//! however many samples an epoch has.

use crate::draw_rng::DrawRng;

/// Separates the streams of the epoch's order from those of its samples.
const ORDER_STREAM: u64 = 1 << 63;

/// The order of one epoch, read forwards; a pure function of `(seed, epoch, cases)`.
#[derive(Debug)]
pub(crate) struct EpochOrder {
    seed: u64,
    epoch: u64,
    rng: DrawRng,
    /// The shuffled cases of round `number`.
    round: Vec<u32>,
    number: usize,
}

impl EpochOrder {
    /// The order of `cases` cases, which must be at least one.
    pub(crate) fn new(seed: u64, epoch: u64, cases: usize) -> Self {
        let mut order = Self {
            seed,
            epoch,
            rng: DrawRng::new(seed, ORDER_STREAM | epoch),
            round: vec![0; cases],
            number: 0,
        };
        order.shuffle();
        order
    }

    /// The case of a sample. Reading on is cheap; going back to an earlier round starts again.
    pub(crate) fn case_of(&mut self, sample: usize) -> usize {
        let cases = self.round.len();
        let round = sample / cases;
        if round < self.number {
            *self = Self::new(self.seed, self.epoch, cases);
        }
        while self.number < round {
            self.number += 1;
            self.shuffle();
        }
        self.round[sample % cases] as usize
    }

    fn shuffle(&mut self) {
        for (case, place) in self.round.iter_mut().enumerate() {
            *place = case as u32;
        }
        self.rng.shuffle(&mut self.round);
    }
}

#[cfg(test)]
mod tests {
    use super::EpochOrder;

    fn cases_of(samples: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut order = EpochOrder::new(7, 3, 5);
        samples.map(|sample| order.case_of(sample)).collect()
    }

    #[test]
    fn every_round_is_a_permutation_and_rounds_differ() {
        let order = cases_of(0..40);
        let rounds: Vec<&[usize]> = order.chunks(5).collect();
        for round in &rounds {
            let mut sorted = round.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
        assert!(rounds.iter().any(|round| *round != rounds[0]));
    }

    #[test]
    fn where_reading_starts_does_not_matter() {
        let order = cases_of(0..40);
        assert_eq!(cases_of(17..40), order[17..]);
        assert_eq!(cases_of((0..40).step_by(3)), stepped(&order, 3));
        let mut backwards = cases_of((0..40).rev());
        backwards.reverse();
        assert_eq!(backwards, order);
    }

    fn stepped(order: &[usize], step: usize) -> Vec<usize> {
        order.iter().copied().step_by(step).collect()
    }
}
