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
    /// One loss per shard.
    pub(crate) losses: Vec<f64>,
}

/// Computes `loss(model, shard)` and its gradients for every shard, each on its own thread.
pub(crate) fn sharded_gradients<M, S>(
    model: &M,
    shards: Vec<S>,
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
    let results: Vec<(f64, GradientsParams)> = std::thread::scope(|scope| {
        let mut shards = shards.into_iter();
        let first = shards.next();
        let handles: Vec<_> = shards
            .map(|shard| {
                let model = model.valid().train();
                scope.spawn(|| one(model, shard))
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
    });
    let mut sum = GradientsAccumulator::new();
    let mut losses = Vec::with_capacity(results.len());
    for (value, gradients) in results {
        losses.push(value);
        sum.accumulate(model, gradients);
    }
    ShardedGradients {
        gradients: sum.grads(),
        losses,
    }
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
        let shards = vec![x.clone().narrow(0, 0, 1), x.clone().narrow(0, 1, 3)];
        let sharded = sharded_gradients(&layer, shards, loss);
        let whole = sharded_gradients(&layer, vec![x], loss);
        let grad =
            |g: &ShardedGradients| g.gradients.get::<2>(layer.weight.id).unwrap().into_data();
        grad(&sharded)
            .assert_approx_eq::<f32>(&grad(&whole), burn::tensor::Tolerance::absolute(1e-4));
        let sum: f64 = sharded.losses.iter().sum();
        assert!((sum - whole.losses[0]).abs() < 1e-4 && sharded.losses.len() == 2);
    }
}
