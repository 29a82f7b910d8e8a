//! One step's gradients from several threads.
//!
//! Most element-wise operations of a CPU backend run on one core. Splitting the batch keeps the
//! other cores busy with the same arithmetic on other samples. Gradients are added in shard
//! order, so the result does not depend on which thread ends first.
//!
//! Every thread works on its own leaves (`valid().train()`, the same values and ids): graphs that
//! share a leaf are one graph to burn-autodiff 0.22.1, and one thread's backward then waits for a
//! lock that another thread's forward holds while it waits for the first (seen as a deadlock
//! between `GraphCleaner::init` and `GraphLocator::select`).

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;

/// Summed gradients of all shards, and each shard's loss.
pub(crate) struct ShardedGradients {
    /// Sum over shards; multiply by `1 / shards` for the mean.
    pub(crate) gradients: GradientsParams,
    /// One loss per shard, round after round.
    pub(crate) losses: Vec<f64>,
}

/// Computes `loss(model, shard)` and its gradients for every shard of every round: the shards of a round at once, each
/// on its own thread, and the rounds one after the other.
pub(crate) fn sharded_gradients<M, S>(
    model: &M,
    rounds: Vec<Vec<S>>,
    loss: impl Fn(&M, S) -> Tensor<1> + Sync,
) -> ShardedGradients
where
    M: Module,
    S: Send,
{
    let one = |model: M, shard: S| {
        let loss = loss(&model, shard);
        let value = loss.clone().inner().into_scalar::<f32>();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        (f64::from(value), gradients)
    };
    let mut sum = GradientsAccumulator::new();
    let mut losses = Vec::new();
    for shards in rounds {
        for (value, gradients) in at_once(model, shards, &one) {
            losses.push(value);
            sum.accumulate(model, gradients);
        }
    }
    ShardedGradients {
        gradients: sum.grads(),
        losses,
    }
}

/// The results of one round, in the order of its shards.
fn at_once<M, S>(
    model: &M,
    shards: Vec<S>,
    one: &(impl Fn(M, S) -> (f64, GradientsParams) + Sync),
) -> Vec<(f64, GradientsParams)>
where
    M: Module,
    S: Send,
{
    std::thread::scope(|scope| {
        let mut shards = shards.into_iter();
        let first = shards.next();
        let handles: Vec<_> = shards
            .map(|shard| {
                let model = model.valid().train();
                scope.spawn(move || one(model, shard))
            })
            .collect();
        let mut results: Vec<_> = first
            .map(|shard| one(model.valid().train(), shard))
            .into_iter()
            .collect();
        for handle in handles {
            results.push(
                handle
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        results
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Device, Distribution};

    #[test]
    fn shards_add_up_to_the_whole_batch() {
        let device = Device::default().autodiff();
        let layer = LinearConfig::new(5, 3).init(&device);
        let x = Tensor::<2>::random([4, 5], Distribution::Normal(0.0, 1.0), &device);
        let loss = |layer: &Linear, x: Tensor<2>| layer.forward(x).powi_scalar(2).sum();
        let part = |from, n| x.clone().narrow(0, from, n);
        let whole = sharded_gradients(&layer, vec![vec![x.clone()]], loss);
        let grad =
            |g: &ShardedGradients| g.gradients.get::<2>(layer.weight.id).unwrap().into_data();
        for rounds in [
            vec![vec![part(0, 1), part(1, 3)]],
            vec![vec![part(0, 1)], vec![part(1, 3)]],
            vec![vec![part(0, 2), part(2, 1)], vec![part(3, 1)]],
        ] {
            let shards: usize = rounds.iter().map(Vec::len).sum();
            let sharded = sharded_gradients(&layer, rounds, loss);
            grad(&sharded)
                .assert_approx_eq::<f32>(&grad(&whole), burn::tensor::Tolerance::absolute(1e-4));
            let sum: f64 = sharded.losses.iter().sum();
            assert!((sum - whole.losses[0]).abs() < 1e-4 && sharded.losses.len() == shards);
        }
    }
}
