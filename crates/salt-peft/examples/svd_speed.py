"""The full decompositions of svd_speed.rs with NumPy or PyTorch, on the very same matrices.

    OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 python svd_speed.py [numpy|torch] [REPEATS]
"""

import sys
import time

import numpy as np

BLOCK = [(2304, 768), (768, 768), (3072, 768), (768, 3072)]


def uniform(stream, n):
    """The splitmix64 finaliser of (stream, index), as in svd_speed.rs."""
    z = (np.uint64(stream) << np.uint64(32)) | np.arange(n, dtype=np.uint64)
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53


def weight(stream, rows, cols):
    decay = 1.0 / (1.0 + np.arange(cols) / 100.0)
    return ((uniform(stream, rows * cols).reshape(rows, cols) - 0.5) * decay).astype(np.float32)


def main():
    library = sys.argv[1] if len(sys.argv) > 1 else "numpy"
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    shapes = BLOCK * 12 + [(256, 768), (256, 2304)]
    weights = [weight(stream, *shape) for stream, shape in enumerate(shapes)]
    if library == "torch":
        import torch

        version = f"torch {torch.__version__}, {torch.get_num_threads()} threads"
        weights = [torch.from_numpy(w) for w in weights]
        runs = {
            "f64": lambda w: torch.linalg.svd(w.double(), full_matrices=False),
            "f32": lambda w: torch.linalg.svd(w, full_matrices=False),
        }
    else:
        version = f"numpy {np.__version__}"
        runs = {
            "f64": lambda w: np.linalg.svd(w.astype(np.float64), full_matrices=False),
            "f32": lambda w: np.linalg.svd(w, full_matrices=False),
        }
    for name, run in runs.items():
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            results = [run(w) for w in weights]
            times.append(time.perf_counter() - start)
        times.sort()
        first = [float(results[i][1][0]) for i in (0, 1)]
        print(f"{version}, {name}: {times[repeats // 2]:.2f} ({times[0]:.2f} to {times[-1]:.2f}) s;"
              f" s_1 of the first two {first[0]:.6f} {first[1]:.6f}")


if __name__ == "__main__":
    main()
