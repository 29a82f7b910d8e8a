"""Writes lr_find.json: losses over rates as a range test meets them, with what pandas and numpy make of them.

    python3 -m venv .venv
    .venv/bin/pip install pandas==2.3.3 numpy
    .venv/bin/python crates/salt-train/tests/parity/lr_find.py
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd


def case(seed, start, to, steps, smoothing, noise):
    rng = np.random.default_rng(seed)
    lr = np.geomspace(start, to, steps)
    along = np.log10(lr)
    # A plateau, a fall around 1e-3, a rise from 1e-1 on.
    loss = 0.3 + 0.7 / (1 + np.exp(3 * (along + 3))) + np.exp(4 * (along + 1))
    loss = (loss + noise * rng.standard_normal(steps)).round(6)
    smoothed = pd.Series(loss).ewm(alpha=1 - smoothing, adjust=True).mean().to_numpy()
    slope = np.gradient(smoothed, along)
    first = min(round(1 / (1 - smoothing)), steps // 4)
    minimum = first + int(np.argmin(smoothed[first:]))
    steepest = first + 1 + int(np.argmin(slope[first + 1 : minimum]))
    return {
        "from": start,
        "to": to,
        "smoothing": smoothing,
        "loss": loss.tolist(),
        "lr": lr.tolist(),
        "smoothed": smoothed.tolist(),
        "slope": slope.tolist(),
        "steepest": lr[steepest],
        "minimum": lr[minimum],
    }


cases = [
    case(0, 1e-7, 1.0, 100, 0.9, 0.02),
    case(1, 1e-5, 0.1, 40, 0.5, 0.05),
    case(2, 1e-6, 3.0, 60, 0.0, 0.01),
]
Path(__file__).with_name("lr_find.json").write_text(json.dumps(cases) + "\n")
