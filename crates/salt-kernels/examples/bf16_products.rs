//! What matrix products in bf16 would bring on a CPU: an experiment, not a part of the library.
//!
//! ```text
//! cargo run --release -p salt-kernels --example bf16_products
//! ```
//!
//! The four products of a ViT-B block at 512 px, in f32 by gemm and with factors rounded to bf16 by the
//! processor's own instruction (`vdpbf16ps`, AVX-512 BF16, found at run time), which adds up in f32. Rounding and
//! packing count. One line each: time, ratio, and the error relative to the largest value of the f64 product.
//! docs/results/bf16.md has the verdict.
#![cfg_attr(
    not(target_arch = "x86_64"),
    expect(unused, reason = "nothing is measured there")
)]
#![expect(clippy::print_stdout, reason = "an example reports on stdout")]

use std::time::Instant;

/// Rows, inner dimension, columns.
const PRODUCTS: [(&str, [usize; 3]); 4] = [
    ("qkv", [1024, 768, 2304]),
    ("proj", [1024, 768, 768]),
    ("lin1", [1024, 768, 3072]),
    ("lin2", [1024, 3072, 768]),
];
const REPEATS: usize = 15;

fn main() {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512bf16")
        && std::arch::is_x86_feature_detected!("avx512bw")
    {
        for (name, dims) in PRODUCTS {
            measure(name, dims);
        }
        return;
    }
    println!("this processor has no AVX-512 BF16");
}

#[cfg(target_arch = "x86_64")]
fn measure(name: &str, dims @ [m, k, n]: [usize; 3]) {
    let (a, b) = (values(m * k, 1), values(k * n, 2));
    let (mut exact, mut rounded) = (vec![0.0; m * n], vec![0.0; m * n]);
    // One after the other, so that a slow moment meets both.
    let (mut slow, mut fast) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        slow.push(seconds(|| in_f32(&a, &b, &mut exact, dims)));
        fast.push(seconds(|| bf16::multiply(&a, &b, &mut rounded, dims)));
    }
    let (slow, fast) = (median(slow), median(fast));
    let rate = |seconds: f64| 2.0 * (m * k * n) as f64 / seconds / 1e9;
    let reference = in_f64(&a, &b, dims);
    println!(
        "{name} {m} x {k} x {n}: f32 {:.1} ms ({:.0} GFLOP/s, error {:.1e}), bf16 {:.1} ms ({:.0} GFLOP/s, error \
         {:.1e}), ratio {:.2}",
        slow * 1e3,
        rate(slow),
        error(&exact, &reference),
        fast * 1e3,
        rate(fast),
        error(&rounded, &reference),
        fast / slow,
    );
}

/// Sums of uniform numbers: nearly normal, of deviation 1.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count)
        .map(|_| (0..12).map(|_| uniform()).sum())
        .collect()
}

fn seconds(work: impl FnOnce()) -> f64 {
    let since = Instant::now();
    work();
    since.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn error(values: &[f32], reference: &[f64]) -> f64 {
    let largest = reference.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    let pairs = values.iter().zip(reference);
    pairs.fold(0.0, |worst: f64, (x, y)| {
        worst.max((f64::from(*x) - y).abs() / largest)
    })
}

fn in_f64(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    for (row, out) in out.chunks_exact_mut(n).enumerate() {
        for (inner, b) in b.chunks_exact(n).enumerate() {
            let a = f64::from(a[row * k + inner]);
            for (out, b) in out.iter_mut().zip(b) {
                *out += a * f64::from(*b);
            }
        }
    }
    out
}

#[expect(unsafe_code, reason = "gemm takes pointers")]
fn in_f32(a: &[f32], b: &[f32], out: &mut [f32], [m, k, n]: [usize; 3]) {
    assert!(a.len() == m * k && b.len() == k * n && out.len() == m * n);
    let (rows, columns) = (k as isize, n as isize);
    // SAFETY: the lengths are those of the strides, and `out` is borrowed alone.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            columns,
            false,
            a.as_ptr(),
            1,
            rows,
            b.as_ptr(),
            1,
            columns,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}

#[cfg(target_arch = "x86_64")]
mod bf16 {
    //! A product in blocks: both factors are rounded into panels that the inner loop reads in order.

    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_set1_epi32,
        _mm512_setzero_ps, _mm512_storeu_ps,
    };

    use rayon::prelude::*;

    /// Rows and columns of what the registers hold: 24 sums of 16 lanes.
    const ROWS: usize = 12;
    const COLUMNS: usize = 32;
    /// Rows that a task has in its cache.
    const BLOCK: usize = 4 * ROWS;

    /// Two values next to each other along the inner dimension, the first in the low half.
    fn pair(first: f32, second: f32) -> u32 {
        u32::from(round(first)) | u32::from(round(second)) << 16
    }

    /// To nearest, ties to even; for finite values.
    fn round(value: f32) -> u16 {
        let bits = value.to_bits();
        ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
    }

    /// `out = a b`, row-major; the columns of b divide by 32, its rows by 2.
    pub(super) fn multiply(a: &[f32], b: &[f32], out: &mut [f32], [m, k, n]: [usize; 3]) {
        assert!(k.is_multiple_of(2) && n.is_multiple_of(COLUMNS));
        assert!(a.len() == m * k && b.len() == k * n && out.len() == m * n);
        let pairs = k / 2;
        let mut panels = vec![0u32; pairs * n];
        panels
            .par_chunks_exact_mut(pairs * COLUMNS)
            .enumerate()
            .for_each(|(panel, out)| {
                for (at, out) in out.chunks_exact_mut(COLUMNS).enumerate() {
                    let first = &b[2 * at * n + panel * COLUMNS..][..COLUMNS];
                    let second = &b[(2 * at + 1) * n + panel * COLUMNS..][..COLUMNS];
                    for ((out, first), second) in out.iter_mut().zip(first).zip(second) {
                        *out = pair(*first, *second);
                    }
                }
            });
        out.par_chunks_mut(BLOCK * n)
            .enumerate()
            .for_each(|(block, out)| of_rows(&a[block * BLOCK * k..], &panels, out, [k, n]));
    }

    /// As many rows as `out` has.
    fn of_rows(a: &[f32], panels: &[u32], out: &mut [f32], [k, n]: [usize; 2]) {
        let (rows, pairs) = (out.len() / n, k / 2);
        // Rows side by side for every pair; those that are missing are zeros.
        let strips = rows.div_ceil(ROWS);
        let mut left = vec![0u32; strips * pairs * ROWS];
        for row in 0..rows {
            let strip = &mut left[row / ROWS * pairs * ROWS..][..pairs * ROWS];
            for (at, two) in a[row * k..][..k].chunks_exact(2).enumerate() {
                strip[at * ROWS + row % ROWS] = pair(two[0], two[1]);
            }
        }
        let mut tile = [0f32; ROWS * COLUMNS];
        for (column, panel) in panels.chunks_exact(pairs * COLUMNS).enumerate() {
            for (strip, left) in left.chunks_exact(pairs * ROWS).enumerate() {
                // SAFETY: `main` saw the instructions; the two panels have as many pairs.
                #[expect(unsafe_code, reason = "instructions that only some processors have")]
                unsafe {
                    of_tile(left, panel, &mut tile);
                }
                let from = strip * ROWS;
                for (row, sums) in (from..rows).zip(tile.chunks_exact(COLUMNS)) {
                    out[row * n + column * COLUMNS..][..COLUMNS].copy_from_slice(sums);
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[expect(unsafe_code, reason = "loads and stores of registers")]
    fn of_tile(left: &[u32], right: &[u32], out: &mut [f32; ROWS * COLUMNS]) {
        let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
        for (left, right) in left.chunks_exact(ROWS).zip(right.chunks_exact(COLUMNS)) {
            let load = |at: usize| -> __m512bh {
                // SAFETY: 16 elements from 0 or 16, of 32; the types are the same bits.
                unsafe {
                    let bits = _mm512_loadu_si512(right[at..].as_ptr().cast::<__m512i>());
                    std::mem::transmute::<__m512i, __m512bh>(bits)
                }
            };
            let right = [load(0), load(16)];
            for (sums, &left) in sums.iter_mut().zip(left) {
                let left = _mm512_set1_epi32(left.cast_signed());
                // SAFETY: the types are the same bits.
                let left = unsafe { std::mem::transmute::<__m512i, __m512bh>(left) };
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = _mm512_dpbf16_ps(*sum, left, right);
                }
            }
        }
        let lanes = out.as_chunks_mut::<16>().0;
        for (sum, out) in sums.as_flattened().iter().zip(lanes) {
            // SAFETY: 16 elements.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), *sum) };
        }
    }
}
