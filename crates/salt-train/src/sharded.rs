//! One step's gradients from several threads, and several devices.
//!
//! Most element-wise operations of a CPU backend run on one core. Splitting the batch keeps the
//! other cores busy with the same arithmetic on other samples. Gradients are added in shard
//! order, so the result does not depend on which thread ends first.
//!
//! With several devices the shards go to them in turn, and their gradients come back to the first before they are added.
//! Which sums are taken, and in which order, is the same with any number of devices.
//!
//! Every thread works on its own leaves (`valid().train()`, the same values and ids): graphs that
//! share a leaf are one graph to burn-autodiff 0.22.1, and one thread's backward then waits for a
//! lock that another thread's forward holds while it waits for the first (seen as a deadlock
//! between `GraphCleaner::init` and `GraphLocator::select`).

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};

/// Summed gradients of all shards, and each shard's loss.
pub(crate) struct ShardedGradients {
    /// Sum over shards; multiply by `1 / shards` for the mean.
    pub(crate) gradients: GradientsParams,
    /// One loss per shard, round after round.
    pub(crate) losses: Vec<f64>,
}

/// A loss, and its gradients.
pub(crate) fn backward<M: Module>(model: &M, loss: Tensor<1>) -> (f64, GradientsParams) {
    let value = loss.clone().inner().into_scalar::<f32>();
    let gradients = GradientsParams::from_grads(loss.backward(), model);
    (f64::from(value), gradients)
}

/// Computes `one(at, model, shard)`, a loss and its gradients, for every shard of every round: the shards of a round at
/// once, each on its own thread, and the rounds one after the other. `models` are the model and its copies on other
/// devices, at least one; shard `i` of a round is given that `at` the place `i` modulo their number. The gradients end
/// on the device `home`.
pub(crate) fn sharded_gradients<M, S>(
    models: &[&M],
    home: &Device,
    rounds: Vec<Vec<S>>,
    one: impl Fn(usize, &M, S) -> (f64, GradientsParams) + Sync,
) -> ShardedGradients
where
    M: Module,
    S: Send,
{
    let home = home.clone().without_autodiff();
    let mut sum = GradientsAccumulator::new();
    let mut losses = Vec::new();
    for shards in rounds {
        for (shard, (value, gradients)) in at_once(models, shards, &one).into_iter().enumerate() {
            losses.push(value);
            let gradients = match shard % models.len() {
                0 => gradients,
                _ => gradients.to_device(&home, models[0]),
            };
            sum.accumulate(models[0], gradients);
        }
    }
    ShardedGradients {
        gradients: sum.grads(),
        losses,
    }
}

/// The results of one round, in the order of its shards.
fn at_once<M, S>(
    models: &[&M],
    shards: Vec<S>,
    one: &(impl Fn(usize, &M, S) -> (f64, GradientsParams) + Sync),
) -> Vec<(f64, GradientsParams)>
where
    M: Module,
    S: Send,
{
    let own = |at: usize| models[at].valid().train();
    std::thread::scope(|scope| {
        let mut shards = shards.into_iter();
        let first = shards.next();
        let handles: Vec<_> = (1..)
            .zip(shards)
            .map(|(shard, samples)| {
                let at = shard % models.len();
                let model = own(at);
                scope.spawn(move || one(at, &model, samples))
            })
            .collect();
        let mut results: Vec<_> = first
            .map(|samples| one(0, &own(0), samples))
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
    use burn::tensor::Distribution;

    #[test]
    fn shards_add_up_to_the_whole_batch() {
        let device = Device::default().autodiff();
        let layer = LinearConfig::new(5, 3).init(&device);
        let x = Tensor::<2>::random([4, 5], Distribution::Normal(0.0, 1.0), &device);
        let loss = |_, layer: &Linear, x: Tensor<2>| {
            backward(layer, layer.forward(x).powi_scalar(2).sum())
        };
        let part = |from, n| x.clone().narrow(0, from, n);
        let whole = sharded_gradients(&[&layer], &device, vec![vec![x.clone()]], loss);
        let grad =
            |g: &ShardedGradients| g.gradients.get::<2>(layer.weight.id).unwrap().into_data();
        for rounds in [
            vec![vec![part(0, 1), part(1, 3)]],
            vec![vec![part(0, 1)], vec![part(1, 3)]],
            vec![vec![part(0, 2), part(2, 1)], vec![part(3, 1)]],
        ] {
            let shards: usize = rounds.iter().map(Vec::len).sum();
            let sharded = sharded_gradients(&[&layer], &device, rounds, loss);
            grad(&sharded)
                .assert_approx_eq::<f32>(&grad(&whole), burn::tensor::Tolerance::absolute(1e-4));
            let sum: f64 = sharded.losses.iter().sum();
            assert!((sum - whole.losses[0]).abs() < 1e-4 && sharded.losses.len() == shards);
        }
    }
    #[test]
    fn shards_go_to_the_devices_in_turn_and_add_up_in_their_own_order() {
        let device = Device::default().autodiff();
        let layer = LinearConfig::new(5, 3).init(&device);
        let copies = [(); 2].map(|()| layer.valid().fork(&Device::default()));
        let x = Tensor::<2>::random([7, 5], Distribution::Normal(0.0, 1.0), &device);
        let rounds = || {
            let shard = |i| (i, x.clone().narrow(0, i, 1));
            vec![(0..5).map(shard).collect(), (5..7).map(shard).collect()]
        };
        let gradients = |models: &[&Linear], places: [usize; 7]| {
            let one = |at, layer: &Linear, (shard, x): (usize, Tensor<2>)| {
                assert_eq!(at, places[shard], "shard {shard}");
                backward(layer, layer.forward(x).powi_scalar(2).sum())
            };
            let found = sharded_gradients(models, &device, rounds(), one);
            let gradient = found.gradients.get::<2>(layer.weight.id).unwrap();
            (gradient.into_data(), found.losses)
        };
        let one = gradients(&[&layer], [0; 7]);
        let two = gradients(&[&layer, &copies[0]], [0, 1, 0, 1, 0, 0, 1]);
        let three = [&layer, &copies[0], &copies[1]];
        assert_eq!(one, two);
        assert_eq!(one, gradients(&three, [0, 1, 2, 0, 1, 0, 1]));
    }
}
