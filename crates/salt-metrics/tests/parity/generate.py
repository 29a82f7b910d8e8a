"""Writes fixture.json: what NumPy, SciPy, scikit-image, MedPy, statsmodels and DeepMind's
surface-distance answer to the masks and vectors that tests/parity.rs asks this crate about.

    python3 -m venv .venv
    .venv/bin/pip install numpy scipy scikit-image medpy statsmodels surface-distance
    .venv/bin/python crates/salt-metrics/tests/parity/generate.py

Masks are run lengths, row after row, background first. Spacings are [row, column].
"""

import json
import math
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.ndimage
from medpy.metric import binary as medpy
from scipy import stats
from skimage.morphology import binary_erosion as skimage_erosion
from skimage.morphology import skeletonize
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

# surface-distance 0.1 predates NumPy 2 and the move of these SciPy functions.
np.Inf = np.inf
scipy.ndimage.filters = scipy.ndimage
scipy.ndimage.morphology = scipy.ndimage
from surface_distance import metrics as deepmind  # noqa: E402

warnings.simplefilter("ignore")
edt = scipy.ndimage.distance_transform_edt
PACKAGES = ["numpy", "scipy", "scikit-image", "medpy", "statsmodels", "surface-distance"]


def runs(mask):
    """Run lengths of a flattened mask, background first."""
    flat = np.concatenate([[False], mask.ravel()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()


def medpy_directed(a, b, spacing):
    return getattr(medpy, "__surface_distances")(a, b, spacing, 1)


def salt_directed(a, b, spacing):
    """From the border of a (outside counted as object) to the mask b."""
    return edt(~b, sampling=spacing)[a ^ skimage_erosion(a)]


def cldice(pred, ref):
    skeleton_pred, skeleton_ref = skeletonize(pred), skeletonize(ref)
    precision = (skeleton_pred & ref).sum() / skeleton_pred.sum()
    sensitivity = (skeleton_ref & pred).sum() / skeleton_ref.sum()
    total = precision + sensitivity
    return 2 * precision * sensitivity / total if total else 0.0


def compare(name, pred, ref, spacing=(1.0, 1.0), tolerance=1.0):
    there = medpy_directed(pred, ref, spacing)
    back = medpy_directed(ref, pred, spacing)
    close = (there <= tolerance).sum() + (back <= tolerance).sum()
    salt = [salt_directed(pred, ref, spacing), salt_directed(ref, pred, spacing)]
    contour = deepmind.compute_surface_distances(ref, pred, spacing)
    from_ref, from_pred = deepmind.compute_average_surface_distance(contour)
    over_ref, over_pred = deepmind.compute_surface_overlap_at_tolerance(contour, tolerance)
    return {
        "name": name,
        "height": pred.shape[0],
        "width": pred.shape[1],
        "spacing": list(spacing),
        "tolerance": tolerance,
        "pred": runs(pred),
        "ref": runs(ref),
        "dice": medpy.dc(pred, ref),
        "iou": medpy.jc(pred, ref),
        "precision": medpy.precision(pred, ref),
        "recall": medpy.recall(pred, ref),
        "hd": medpy.hd(pred, ref, spacing),
        "hd95": max(np.percentile(there, 95), np.percentile(back, 95)),
        "hd95_medpy": medpy.hd95(pred, ref, spacing),
        "hd95_salt": (
            max(np.percentile(d, 95) for d in salt) if all(d.size for d in salt) else None
        ),
        "assd": medpy.assd(pred, ref, spacing),
        "masd": (medpy.asd(pred, ref, spacing) + medpy.asd(ref, pred, spacing)) / 2,
        "nsd": close / (there.size + back.size),
        "cldice": cldice(pred, ref),
        "skeleton_pred": runs(skeletonize(pred)),
        "skeleton_ref": runs(skeletonize(ref)),
        "contour_average": [from_pred, from_ref],
        "contour_hd": deepmind.compute_robust_hausdorff(contour, 100),
        "contour_hd95": deepmind.compute_robust_hausdorff(contour, 95),
        "contour_overlap": [over_pred, over_ref],
        "contour_dice": deepmind.compute_surface_dice_at_tolerance(contour, tolerance),
    }


def canvas(size=64):
    return np.zeros((size, size), bool)


def box(top, left, height, width, size=64):
    mask = canvas(size)
    mask[top : top + height, left : left + width] = True
    return mask


def golden_pairs():
    rows, columns = np.mgrid[:64, :64]
    squared = (rows - 32) ** 2 + (columns - 32) ** 2
    disc = squared <= 20**2
    square = box(20, 20, 16, 16)
    yield "golden ring in disc", disc & (squared > 10**2), disc
    yield "golden far blob", square | box(58, 58, 3, 3), square
    yield "golden shifted square", box(20, 24, 16, 16), square
    yield "golden shortened line", box(32, 10, 1, 30), box(32, 10, 1, 40)
    yield "golden two pixels", box(30, 30, 1, 1), box(30, 35, 1, 1)


def blobs(rng, shape, density):
    noise = scipy.ndimage.gaussian_filter(rng.standard_normal(shape), 2.0)
    return noise > np.quantile(noise, 1 - density)


def tree(rng, size, branches):
    """Thin strokes from a common root, as vessels are."""
    mask = np.zeros((size, size), bool)
    for _ in range(branches):
        row, column, angle = size / 2, 2.0, rng.uniform(-0.9, 0.9)
        for _ in range(size):
            angle += rng.normal(0, 0.15)
            row, column = row + math.sin(angle), column + math.cos(angle)
            r, c = int(row), int(column)
            if 0 <= r < size - 1 and 0 <= c < size - 1:
                mask[r : r + 2, c : c + 2] = True
    return mask


def mask_cases(rng):
    for name, pred, ref in golden_pairs():
        yield compare(name, pred, ref)
    for i, density in enumerate([0.05, 0.3, 0.6, 0.95]):
        pair = [rng.random((17, 23)) < density for _ in range(2)]
        yield compare(f"noise {density}", *pair, tolerance=float(i) / 2)
    for i, spacing in enumerate([(1.0, 1.0), (0.5, 2.0), (0.7, 0.3), (3.0, 1.25)]):
        pair = [blobs(rng, (40, 33), d) for d in (0.2, 0.3)]
        yield compare(f"blobs {i}", *pair, spacing, 1.5)
    thin = tree(rng, 48, 4)
    yield compare("vessels and their dilation", scipy.ndimage.binary_dilation(thin), thin)
    yield compare("two vessel trees", tree(rng, 48, 3), thin, (0.8, 0.8), 2.0)
    yield compare("one row", *(rng.random((2, 1, 40)) < 0.4), (5.0, 0.25), 0.25)
    yield compare("one column", *(rng.random((2, 40, 1)) < 0.4), (0.25, 5.0), 0.25)
    # objects that touch the edge of the image
    yield compare("full and corner", box(0, 0, 12, 12, 12), box(0, 0, 4, 3, 12))
    yield compare("left and right half", box(0, 0, 16, 8, 16), box(0, 8, 16, 8, 16))
    yield compare("band across", box(5, 0, 4, 16, 16), box(6, 0, 5, 16, 16), (2.0, 1.0), 2.0)
    yield compare("frame and inside", ~box(1, 1, 14, 14, 16), box(0, 3, 12, 13, 16), (0.9, 1.1))
    yield compare("identical", disc := box(3, 4, 5, 6, 16), disc)


def neighbourhoods():
    """Skeletons of the 256 3 x 3 masks with the centre set, as numbers: first pixel, lowest bit."""
    weights = 1 << np.arange(9)
    answers = []
    for code in range(256):
        bits = [(code >> k) & 1 for k in range(8)]
        mask = np.array(bits[:4] + [1] + bits[4:], bool).reshape(3, 3)
        answers.append(int((skeletonize(mask).ravel() * weights).sum()))
    return answers


def edt_cases(rng):
    for shape, spacing in [((5, 7), (1.0, 1.0)), ((9, 4), (0.3, 1.7)), ((6, 6), (2.5, 0.4))]:
        sites = rng.random(shape) < 0.15
        sites[2, 2] = True
        yield {
            "height": shape[0],
            "width": shape[1],
            "spacing": list(spacing),
            "sites": runs(sites),
            "distance": edt(~sites, sampling=spacing).ravel().tolist(),
        }


def wilcoxon_cases(rng):
    def case(name, a, b, method):
        answer = stats.wilcoxon(a, b, zero_method="wilcox", correction=False, method=method)
        return {
            "name": name,
            "a": a.tolist(),
            "b": b.tolist(),
            "statistic": float(answer.statistic),
            "p_value": float(answer.pvalue),
        }

    every = stats.PermutationMethod(n_resamples=np.inf)
    for n in [1, 2, 5, 6, 10, 15, 20, 25]:
        a, b = rng.normal(0.3, 1, n), rng.normal(0, 1, n)
        yield case(f"exact {n}", a, b, "exact")
    # eighths are exact in binary, so equal differences are equal
    for n in [4, 7, 10, 13]:
        a, b = rng.integers(0, 9, n) / 8, rng.integers(0, 7, n) / 8
        b[a == b] -= 0.125
        yield case(f"exact with ties {n}", a, b, every)
    a, b = np.array([3, 5, 2, 8, 7, 1, 9, 4.0]), np.array([3, 2, 2, 1, 9, 4, 5, 4.5])
    keep = a != b
    tied = case("", a[keep], b[keep], every)
    yield tied | {"name": "exact with ties and zeros", "a": a.tolist(), "b": b.tolist()}
    for n in [26, 40, 150]:
        a, b = rng.normal(0.2, 1, n), rng.normal(0, 1, n)
        yield case(f"normal {n}", a, b, "asymptotic")
        a, b = rng.integers(0, 9, n) / 8, rng.integers(0, 9, n) / 8
        if (a != b).sum() > 25:
            yield case(f"normal with ties and zeros {n}", a, b, "asymptotic")
    a = rng.normal(2, 1, 200)
    yield case("normal far tail", a, np.zeros(200), "asymptotic")


def bootstrap_cases(rng):
    samples = {
        "dice of 20": np.clip(rng.normal(0.8, 0.03, 20), 0, 1),
        "hd95 of 30, long tail": rng.lognormal(1.5, 0.9, 30),
        "two failures among 12": np.concatenate([rng.normal(0.85, 0.02, 10), [0.0, 0.1]]),
    }
    for name, values in samples.items():
        interval = {}
        for method in ["BCa", "percentile"]:
            answer = stats.bootstrap(
                (values,), np.mean, n_resamples=200_000, batch=2_000, method=method, rng=rng
            ).confidence_interval
            interval[method] = [float(answer.low), float(answer.high)]
        yield {
            "name": name,
            "values": values.tolist(),
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=1)),
            "bca": interval["BCa"],
            "percentile": interval["percentile"],
        }


def holm_cases(rng):
    for p in [rng.random(1), rng.random(6) ** 3, np.array([0.01, 0.01, 0.02, 0.5, 0.02, 1e-9])]:
        yield {"p": p.tolist(), "adjusted": multipletests(p, method="holm")[1].tolist()}


def power_cases():
    """Exact detectable standardized difference of the paired t test, by noncentral t."""
    for n in [6, 8, 12, 20, 50, 200]:
        for alpha, power in [(0.05, 0.8), (0.05, 0.9)]:
            effect = TTestPower().solve_power(nobs=n, alpha=alpha, power=power)
            yield {"n": n, "alpha": alpha, "power": power, "effect": float(effect)}


def main():
    rng = np.random.default_rng(20260801)
    fixture = {
        "versions": {package: version(package) for package in PACKAGES},
        "masks": list(mask_cases(rng)),
        "neighbourhoods": neighbourhoods(),
        "edt": list(edt_cases(rng)),
        "wilcoxon": list(wilcoxon_cases(rng)),
        "bootstrap": list(bootstrap_cases(rng)),
        "holm": list(holm_cases(rng)),
        "power": list(power_cases()),
    }
    # One record per line: small, and a change shows in a diff.
    lines = []
    for key, value in fixture.items():
        if isinstance(value, list) and isinstance(value[0], dict):
            rows = ",\n".join(json.dumps(row, separators=(",", ":"), default=float) for row in value)
            lines.append(f'"{key}":[\n{rows}\n]')
        else:
            lines.append(f'"{key}":{json.dumps(value, separators=(",", ":"))}')
    path = Path(__file__).with_name("fixture.json")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
