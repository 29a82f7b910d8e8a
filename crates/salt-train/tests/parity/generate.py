"""Writes losses.json and schedules.json: what MONAI, PyTorch and SciPy answer, in double precision, to the
logits, labels and schedules that tests/main/loss_parity.rs and schedule_parity.rs ask this crate about.

    python3 -m venv .venv
    .venv/bin/pip install torch monai scipy
    .venv/bin/python crates/salt-train/tests/parity/generate.py

Ignored pixels never reach an oracle: terms that are sums of pixels are given the other pixels alone, in one row,
and terms that look at neighbours the image with its ignored frame cut off.
"""

import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceCELoss, DiceLoss, SoftclDiceLoss, TverskyLoss
from monai.losses.focal_loss import sigmoid_focal_loss
from scipy.ndimage import distance_transform_edt
from torch.optim import lr_scheduler

warnings.simplefilter("ignore")  # schedulers are stepped without an optimiser's step
HERE = Path(__file__).parent
PACKAGES = ["torch", "monai", "scipy", "numpy"]
IGNORE = 255
BATCH, CLASSES, HEIGHT, WIDTH = 2, 2, 8, 8
# What the frame of the framed labels leaves.
ROWS, COLUMNS = slice(1, 8), slice(0, 7)
WEIGHTS = [0.5, 2.0]

rng = np.random.default_rng(7)


def make_logits():
    """No two are equal, so that every minimum and maximum has one place; exact in single precision."""
    count = BATCH * CLASSES * HEIGHT * WIDTH
    values = np.round(np.linspace(-3, 3, count) * 256) / 256
    return rng.permutation(values).reshape(BATCH, CLASSES, HEIGHT, WIDTH)


def make_labels():
    """A thick and a thin object and a bare sample of class 2; then the same with ignored pixels."""
    labels = np.zeros((BATCH, HEIGHT, WIDTH), dtype=np.int64)
    labels[0, 1:6, 1:5] = 1
    labels[0, 6, :] = 2
    labels[1, :, 3:6] = 1
    scattered, framed = labels.copy(), np.full_like(labels, IGNORE)
    scattered[rng.random(labels.shape) < 0.15] = IGNORE
    framed[:, ROWS, COLUMNS] = labels[:, ROWS, COLUMNS]
    return {"scattered": scattered, "framed": framed}


def one_hot(labels):
    return torch.stack([torch.as_tensor(labels == c + 1) for c in range(CLASSES)], 1).double()


def row(z, labels, samples):
    """Logits and one-hot targets of the pixels that count, of all named samples, in one row."""
    kept = torch.as_tensor(labels[samples] != IGNORE)
    flat = lambda x: x[samples].movedim(1, -1)[kept].T[None]
    return flat(z), flat(one_hot(labels))


def whole(z, labels):
    return row(z, labels, list(range(BATCH)))


def with_background(z, y):
    return (torch.cat([torch.zeros_like(z[:, :1]), z], 1), torch.cat([1 - y.sum(1, keepdim=True), y], 1))


def per_sample(loss):
    return lambda z, labels: sum(loss(*row(z, labels, [b])) for b in range(BATCH)) / BATCH


def dice(**options):
    return DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0, **options)


def focal(z, labels, alpha=0.75, gamma=3.0, weights=None):
    z, y = whole(z, labels)
    loss = sigmoid_focal_loss(z, y, gamma, alpha)
    return (loss if weights is None else loss * torch.tensor(weights).double()[:, None]).mean()


def bce(z, labels, weights=None):
    z, y = whole(z, labels)
    weights = None if weights is None else torch.tensor(weights).double()[:, None]
    return torch.nn.BCEWithLogitsLoss(weight=weights)(z, y)


def ce(z, labels, weights=None):
    weights = None if weights is None else torch.tensor([1.0, *weights]).double()
    loss = torch.nn.CrossEntropyLoss(weight=weights, ignore_index=IGNORE)
    return loss(torch.cat([torch.zeros_like(z[:, :1]), z], 1), torch.as_tensor(labels))


def dice_ce(z, labels):
    loss = DiceCELoss(include_background=False, sigmoid=True, smooth_nr=1.0, smooth_dr=1.0,
                      lambda_dice=0.5, lambda_ce=2.0)
    return loss(*with_background(*whole(z, labels)))


def tversky(alpha, beta, smooth, gamma=1.0):
    loss = TverskyLoss(sigmoid=True, alpha=alpha, beta=beta, smooth_nr=smooth, smooth_dr=smooth, reduction="none")
    return lambda z, y: (loss(z, y) ** gamma).mean()


def cldice(iterations):
    def loss(z, labels):
        # MONAI sums over the channels of a sample: with classes and samples exchanged, over the batch of a class.
        crop = lambda x: x[:, :, ROWS, COLUMNS].transpose(0, 1)
        soft = SoftclDiceLoss(iter_=iterations, smooth=1e-300)
        return soft(crop(torch.sigmoid(z)), crop(one_hot(labels)))
    return loss


def one_hot2dist(mask):
    """As the code of Kervadec et al. 2019: the distance of a class, negative inside; 0 where it is absent."""
    if not mask.any():
        return np.zeros(mask.shape)
    return distance_transform_edt(~mask) * ~mask - (distance_transform_edt(mask) - 1) * mask


def boundary(z, labels):
    cut = labels[:, ROWS, COLUMNS]
    maps = np.stack([[one_hot2dist(sample == c + 1) for c in range(CLASSES)] for sample in cut])
    return (torch.sigmoid(z)[:, :, ROWS, COLUMNS] * torch.as_tensor(maps)).mean()


def everything(z, labels):
    return focal(z, labels) + 0.25 * bce(z, labels) + 0.5 * cldice(2)(z, labels) + 0.01 * boundary(z, labels)


# Name, labels, `[train.loss]`, oracle.
LOSSES = [
    ("focal", "scattered", {}, focal),
    ("focal, weighted", "scattered", {"focal_gamma": 2.0, "focal_alpha": 0.25, "class_weights": WEIGHTS},
     lambda z, y: focal(z, y, 0.25, 2.0, WEIGHTS)),
    ("dice", "scattered", {}, lambda z, y: dice(batch=True)(*whole(z, y))),
    ("dice, weighted", "scattered", {"class_weights": WEIGHTS},
     lambda z, y: dice(batch=True, weight=WEIGHTS)(*whole(z, y))),
    ("dice", "scattered", {"dice_per_sample": True}, per_sample(dice())),
    ("dice, weighted", "framed", {"dice_per_sample": True, "class_weights": WEIGHTS},
     per_sample(dice(weight=WEIGHTS))),
    ("bce", "scattered", {}, bce),
    ("bce, weighted", "scattered", {"class_weights": WEIGHTS}, lambda z, y: bce(z, y, WEIGHTS)),
    ("ce", "scattered", {}, ce),
    ("ce, weighted", "scattered", {"class_weights": WEIGHTS}, lambda z, y: ce(z, y, WEIGHTS)),
    ("dice and ce", "scattered", {"dice_weight": 0.5, "ce_weight": 2.0}, dice_ce),
    ("tversky", "scattered", {}, lambda z, y: tversky(0.3, 0.7, 1.0)(*whole(z, y))),
    ("focal tversky", "scattered",
     {"tversky_alpha": 0.6, "tversky_beta": 0.4, "tversky_smooth": 0.01, "tversky_gamma": 0.75,
      "tversky_per_sample": True}, per_sample(tversky(0.6, 0.4, 0.01, 0.75))),
    ("cldice", "framed", {}, cldice(3)),
    ("cldice", "framed", {"cldice_iterations": 0}, cldice(0)),
    ("boundary", "framed", {}, boundary),
    ("focal, bce, cldice and boundary", "framed",
     {"focal_weight": 1.0, "bce_weight": 0.25, "cldice_weight": 0.5, "cldice_iterations": 2,
      "boundary_weight": 0.01}, everything),
]


def losses():
    logits, labels = make_logits(), make_labels()
    cases = []
    for name, which, settings, oracle in LOSSES:
        z = torch.tensor(logits, requires_grad=True)
        value = oracle(z, labels[which])
        value.backward()
        config = {"focal_weight": 0.0, "dice_weight": 0.0, **settings}
        if not any(v for k, v in config.items() if k.endswith("_weight")):
            config[name.split(",")[0].split()[-1] + "_weight"] = 1.0
        gradient = [float(f"{g:.6g}") for g in z.grad.flatten().tolist()]
        cases.append({"name": name, "labels": which, "config": config, "value": value.item(), "gradient": gradient})
    return {
        "size": [BATCH, CLASSES, HEIGHT, WIDTH],
        "logits": logits.flatten().tolist(),
        "labels": {name: values.flatten().tolist() for name, values in labels.items()},
        "cases": cases,
    }


# `[train]`, steps, and the scheduler that follows the rise.
STEPS = 40
SCHEDULES = [
    ({"decay": "constant", "warmup": 0.0}, lambda o, w: lr_scheduler.ConstantLR(o, 1.0)),
    ({"decay": "cosine", "warmup": 0.1, "lr_floor": 0.05},
     lambda o, w: lr_scheduler.CosineAnnealingLR(o, STEPS - w, 0.05)),
    ({"decay": "polynomial", "warmup": 0.0}, lambda o, w: lr_scheduler.PolynomialLR(o, STEPS - w, 0.9)),
    ({"decay": "polynomial", "warmup": 0.2, "power": 2.0}, lambda o, w: lr_scheduler.PolynomialLR(o, STEPS - w, 2.0)),
    ({"decay": "step", "warmup": 0.0}, lambda o, w: lr_scheduler.MultiStepLR(o, [20, 30], 0.1)),
    ({"decay": "step", "warmup": 0.1, "steps": [0.3, 0.6, 0.95], "step_factor": 0.5},
     lambda o, w: lr_scheduler.MultiStepLR(o, [12 - w, 24 - w, 38 - w], 0.5)),
]


def schedules():
    cases = []
    for config, decay in SCHEDULES:
        rise = round(config["warmup"] * STEPS)
        make = lambda: torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        factors = []
        if rise:
            optimizer = make()
            warmup = lr_scheduler.LinearLR(optimizer, 1 / rise, 1.0, rise - 1)
            for _ in range(rise):
                factors.append(optimizer.param_groups[0]["lr"])
                warmup.step()
        optimizer = make()
        scheduler = decay(optimizer, rise)
        while len(factors) < STEPS:
            factors.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
        cases.append({"config": config, "factors": factors})
    return {"steps": STEPS, "cases": cases}


def write(name, content):
    content = {"versions": {package: version(package) for package in PACKAGES}, **content}
    (HERE / name).write_text(json.dumps(content, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")


write("losses.json", losses())
write("schedules.json", schedules())
