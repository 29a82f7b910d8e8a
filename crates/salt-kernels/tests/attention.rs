//! Attention over a grid.

use burn::tensor::{Tensor, Tolerance};
use salt_kernels::{grid_attention, set_enabled};

use crate::{device, kernels_on, normal};

struct Case {
    batch: usize,
    sides: [usize; 2],
    heads: usize,
    head_dim: usize,
    window: Option<usize>,
}

const CASES: [Case; 7] = [
    case(1, [1, 1], 1, 1, None),
    case(2, [3, 5], 2, 4, None),
    // Windows that fit, and such that reach over one edge and over both.
    case(2, [4, 6], 2, 3, Some(2)),
    case(1, [4, 7], 1, 8, Some(4)),
    case(2, [5, 7], 3, 4, Some(3)),
    // More columns than lanes; more queries than a block takes.
    case(1, [3, 33], 1, 5, None),
    case(1, [20, 20], 2, 8, Some(17)),
];

const fn case(
    batch: usize,
    sides: [usize; 2],
    heads: usize,
    head_dim: usize,
    window: Option<usize>,
) -> Case {
    Case {
        batch,
        sides,
        heads,
        head_dim,
        window,
    }
}

type Inputs = (Tensor<4>, Tensor<1>, Tensor<2>, Tensor<2>);

impl Case {
    fn inputs(&self) -> Inputs {
        let [height, width] = self.sides;
        let [rows, columns] = self.window.map_or(self.sides, |side| [side, side]);
        let channels = 3 * self.heads * self.head_dim;
        (
            normal([self.batch, height, width, channels], 1.5),
            normal([channels], 1.0),
            normal([2 * rows - 1, self.head_dim], 0.5),
            normal([2 * columns - 1, self.head_dim], 0.5),
        )
    }

    /// Output, and the gradients of all inputs for random weights of the output.
    fn run(&self, inputs: &Inputs, weights: &Tensor<4>) -> [Vec<f32>; 5] {
        let qkv = inputs.0.clone().detach().require_grad();
        let padding = inputs.1.clone().detach().require_grad();
        let rows = inputs.2.clone().detach().require_grad();
        let columns = inputs.3.clone().detach().require_grad();
        let y = grid_attention(
            qkv.clone(),
            Some(padding.clone()),
            rows.clone(),
            columns.clone(),
            self.heads,
            self.window,
        );
        let gradients = (y.clone() * weights.clone()).sum().backward();
        // Without windows nothing is filled up, and Burn's own operations never see the padding.
        let padding = padding
            .grad(&gradients)
            .unwrap_or_else(|| padding.zeros_like().inner());
        [
            floats(y.inner()),
            floats(qkv.grad(&gradients).expect("reached")),
            floats(padding),
            floats(rows.grad(&gradients).expect("reached")),
            floats(columns.grad(&gradients).expect("reached")),
        ]
    }
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().expect("f32")
}

/// Kernel and plain form, every output and every gradient.
pub(crate) fn equals_burns_own_operations() {
    for case in CASES {
        let inputs = case.inputs();
        let [height, width] = case.sides;
        let weights = normal([case.batch, height, width, case.heads * case.head_dim], 1.0);
        let fast = case.run(&inputs, &weights);
        set_enabled(false);
        let plain = case.run(&inputs, &weights);
        set_enabled(true);
        for (name, (fast, plain)) in ["y", "qkv", "padding", "rows", "columns"]
            .iter()
            .zip(fast.iter().zip(&plain))
        {
            // Sums of up to 400 products of order one, relative to the largest.
            let largest = plain.iter().fold(1f32, |a, b| a.max(b.abs()));
            for (i, (fast, plain)) in fast.iter().zip(plain).enumerate() {
                let error = (fast - plain).abs() / largest;
                let sides = case.sides;
                assert!(error < 1e-5, "{name}[{i}] of {sides:?}: {fast} {plain}");
            }
        }
    }
}

#[test]
fn a_grid_inside_one_window_sees_the_padding() {
    let _on = kernels_on();
    // One token in a window of two by two: three keys are the padding.
    let d = 2;
    let qkv = Tensor::<4>::from_floats([[[[1.0, 0.0, 0.5, 0.0, 2.0, 4.0]]]], &device());
    let padding = Tensor::<1>::from_floats([9.0, 9.0, 1.5, 0.0, -1.0, 0.0], &device());
    let zeros = Tensor::<2>::zeros([3, d], &device());
    let y = grid_attention(qkv, Some(padding), zeros.clone(), zeros, 1, Some(2));
    let (own, other) = ((0.5 / 2f32.sqrt()).exp(), (1.5 / 2f32.sqrt()).exp());
    let share = own / (own + 3.0 * other);
    let expected = [2.0 * share - (1.0 - share), 4.0 * share];
    Tensor::<1>::from_floats(expected, &device())
        .into_data()
        .assert_approx_eq::<f32>(&y.reshape([2]).into_data(), Tolerance::absolute(1e-6));
}

#[test]
fn scores_of_any_size_give_finite_weights() {
    let _on = kernels_on();
    let case = &CASES[4];
    let (qkv, padding, rows, columns) = case.inputs();
    let (heads, window) = (case.heads, case.window);
    let y = grid_attention(qkv * 300.0, Some(padding), rows, columns, heads, window);
    assert!(floats(y.inner()).iter().all(|y| y.is_finite()));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let _on = kernels_on();
    device().seed(3);
    let case = &CASES[6];
    let inputs = case.inputs();
    let [height, width] = case.sides;
    let weights = normal([case.batch, height, width, case.heads * case.head_dim], 1.0);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().expect("a pool");
        pool.install(|| case.run(&inputs, &weights))
    };
    let one = with(1);
    for threads in [2, 3] {
        assert_eq!(with(threads), one);
    }
}
