//! A batch cut into parts: batches that accumulate, and shards of a batch.

use salt_data::Batch;

/// The shards of every round of a step: a batch cut into rounds of at most `round` samples, and each of them into at most
/// `shards` parts. Each is what `each` makes of it, called in the order of the samples.
pub(crate) fn rounds_of_shards<T>(
    batch: &Batch,
    round: usize,
    shards: usize,
    mut each: impl FnMut(Batch) -> T,
) -> Vec<Vec<T>> {
    let rounds = batch.size.div_ceil(round);
    let mut of_round = |part: Batch| {
        split_batch(&part, shards)
            .into_iter()
            .map(&mut each)
            .collect()
    };
    split_batch(batch, rounds)
        .into_iter()
        .map(&mut of_round)
        .collect()
}

/// Cut a batch into at most `shards` parts of nearly equal size, in order.
fn split_batch(batch: &Batch, shards: usize) -> Vec<Batch> {
    let shards = shards.clamp(1, batch.size.max(1));
    let area = batch.height * batch.width;
    let bounds: Vec<usize> = (0..=shards).map(|i| i * batch.size / shards).collect();
    bounds
        .windows(2)
        .map(|pair| {
            let (from, to) = (pair[0], pair[1]);
            Batch {
                size: to - from,
                height: batch.height,
                width: batch.width,
                pixels_bchw: batch.pixels_bchw[3 * area * from..3 * area * to].to_vec(),
                labels_bhw: batch.labels_bhw[area * from..area * to].to_vec(),
                ids: batch.ids[from..to].to_vec(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_cut_into_rounds_and_those_into_shards() {
        let batch = |size: usize| Batch {
            size,
            height: 1,
            width: 1,
            pixels_bchw: vec![0.0; 3 * size],
            labels_bhw: vec![0; size],
            ids: (0..size).map(|i| i.to_string()).collect(),
        };
        for (size, round, shards, expected) in [
            (4, 4, 1, vec![vec!["0123"]]),
            (4, 2, 2, vec![vec!["0", "1"], vec!["2", "3"]]),
            (5, 3, 2, vec![vec!["0", "1"], vec!["2", "34"]]),
            (1, 3, 2, vec![vec!["0"]]),
        ] {
            let rounds = rounds_of_shards(&batch(size), round, shards, |shard| shard.ids.concat());
            assert_eq!(rounds, expected, "{size} {round} {shards}");
        }
    }

    #[test]
    fn parts_of_a_batch_put_together_are_the_batch() {
        let batch = Batch {
            size: 3,
            height: 1,
            width: 2,
            pixels_bchw: (0..18).map(|i| i as f32).collect(),
            labels_bhw: vec![0, 1, 2, 3, 4, 5],
            ids: ["a", "b", "c"].map(str::to_owned).to_vec(),
        };
        for (shards, sizes) in [(1, vec![3]), (2, vec![1, 2]), (9, vec![1, 1, 1])] {
            let parts = split_batch(&batch, shards);
            assert_eq!(parts.iter().map(|p| p.size).collect::<Vec<_>>(), sizes);
            let pixels: Vec<f32> = parts.iter().flat_map(|p| p.pixels_bchw.clone()).collect();
            let labels: Vec<u8> = parts.iter().flat_map(|p| p.labels_bhw.clone()).collect();
            let ids: Vec<String> = parts.iter().flat_map(|p| p.ids.clone()).collect();
            assert_eq!(
                (pixels, labels, ids),
                (
                    batch.pixels_bchw.clone(),
                    batch.labels_bhw.clone(),
                    batch.ids.clone()
                )
            );
        }
    }
}
