"""Writes steps.json: the loss of every step of short trainings in a PyTorch loop, which tests/main/steps_parity.rs
holds against the steps that this crate's trainer takes by the same recipes.

    python3 -m venv .venv
    .venv/bin/pip install torch torchvision segment-anything-py safetensors numpy
    .venv/bin/python crates/salt-train/tests/parity/steps.py

Nothing here comes from this crate but the fixture of salt-sam's small network: the network is the original code (PyPI
`segment-anything-py`) in double precision, the update rules are torch.optim's, the adapters are parametrisations of
the weights, and the random streams (order of the cases, start of the factors) are ChaCha8 written out below.
"""

import hashlib
import json
import math
import re
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "salt-sam/tests/parity"))
from generate_gradients import decode, embed, load  # noqa: E402

SIDE, HEIGHT = 64, 56
CASES, CLASSES, STEPS = 7, 2, 20
IGNORE = 255
TARGETS = r"attn\.(qkv|proj)"
NO_DECAY = ("pos_embed", "prompt_tokens", "rel_pos_h", "rel_pos_w")

# What the recipes have in common; 10 samples are five steps of an epoch, 14 with accumulation four.
TRAIN = dict(
    batch_size=2, seed=11, workers=0, weight_decay=0.1, warmup=0.2, loss=dict(bce_weight=1.0),
)
RUNS = {
    "lora": dict(
        adapter=dict(method="lora", targets=[TARGETS], rank=2, alpha=4.0, modules_to_save=["norms", "prompt_token"]),
        train=TRAIN | dict(epochs=4, samples_per_epoch=10, lr=3e-2, grad_clip=0.1),
    ),
    "full": dict(
        adapter=dict(method="full"),
        train=TRAIN | dict(epochs=5, samples_per_epoch=14, accumulate=2, lr=1e-2, lr_floor=0.1, grad_clip=1.0),
    ),
    "salt": dict(
        adapter=dict(
            method="salt", targets=[TARGETS], head_rank=8, tail_rank=2, modules_to_save=["norms", "prompt_token"],
            **{"lambda": 2e-3},
        ),
        train=TRAIN | dict(epochs=4, samples_per_epoch=10, lr=3e-2, spectrum_lr=0.1, grad_clip=0.1),
    ),
    "sgd": dict(
        adapter=dict(method="lora", targets=[TARGETS], rank=2, modules_to_save=["norms", "prompt_token"]),
        train=TRAIN | dict(
            epochs=4, samples_per_epoch=10, lr=0.5, decay="constant", grad_clip=0.0, weight_decay=1e-3,
            optimizer=dict(rule="sgd", momentum=0.9, nesterov=True, lora_plus=4.0),
        ),
    ),
}


class ChaCha8:
    """Words of the stream that `rand_chacha` gives for a key of 32 bytes."""

    def __init__(self, key, stream=0):
        self.key = np.frombuffer(key, dtype="<u4")
        self.stream, self.counter, self.words = stream, 0, []

    @classmethod
    def seeded(cls, state, stream):
        """`seed_from_u64`: the key is eight words of PCG32."""
        words = []
        for _ in range(8):
            state = (state * 6364136223846793005 + 11634580027462260723) % 2**64
            word, turn = ((state >> 18 ^ state) >> 27) % 2**32, state >> 59
            words.append((word >> turn | word << (32 - turn) % 32) % 2**32)
        return cls(np.array(words, dtype="<u4").tobytes(), stream)

    def next(self):
        if not self.words:
            self.words = self.block()
            self.counter += 1
        return self.words.pop(0)

    def block(self):
        place = np.array([self.counter, self.stream], dtype="<u8").view("<u4")
        start = np.concatenate([np.frombuffer(b"expand 32-byte k", dtype="<u4"), self.key, place])
        x = [int(word) for word in start]

        def quarter(a, b, c, d):
            for p, q, r, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                x[p] = (x[p] + x[q]) % 2**32
                mixed = x[r] ^ x[p]
                x[r] = (mixed << turn | mixed >> 32 - turn) % 2**32

        for _ in range(4):
            for i in range(4):
                quarter(i, 4 + i, 8 + i, 12 + i)
            for i in range(4):
                quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        return [(word + int(first)) % 2**32 for word, first in zip(x, start)]


def order(seed, epoch, samples):
    """The case of every sample of an epoch: one shuffle of all cases after the other."""
    rng, cases = ChaCha8.seeded(seed, 1 << 63 | epoch), []
    while len(cases) < samples:
        round_of = list(range(CASES))
        for last in range(CASES - 1, 0, -1):
            other = rng.next() * (last + 1) >> 32
            round_of[last], round_of[other] = round_of[other], round_of[last]
        cases += round_of
    return cases[:samples]


def kaiming(seed, layer, factor, shape, fan_in):
    """Uniform in both directions up to 1 / sqrt(fan_in), in single precision as the crate draws it."""
    key = hashlib.sha256(seed.to_bytes(8, "little") + len(layer).to_bytes(8, "little") + (layer + factor).encode())
    rng, bound = ChaCha8(key.digest()), np.float32(1) / np.sqrt(np.float32(fan_in))
    units = [np.float32(rng.next() >> 9) / np.float32(2**23) for _ in range(math.prod(shape))]
    values = np.array(units, dtype=np.float32) * (bound + bound) - bound
    return torch.tensor(values.reshape(shape)).double()


def case(i):
    """Picture [3, HEIGHT, SIDE] and labels [HEIGHT, SIDE] of a case: two discs on waves of bytes."""
    y, x = np.mgrid[0:HEIGHT, 0:SIDE]
    labels = np.zeros((HEIGHT, SIDE), dtype=np.int64)
    for label, radius, speed in ((1, 11, 5), (2, 7, 9)):
        cx, cy = 12 + i * speed % 40, 12 + (i * speed * 3 + 17 * label) % 32
        labels[(x - cx) ** 2 + (y - cy) ** 2 < radius**2] = label
    channels = [(x * (3 + c) + y * (5 - c) + 29 * i) % 97 + labels * (60 - 25 * c) for c in range(3)]
    return np.stack(channels), labels


def batch(indexes):
    """Cases padded to a square, with the colour of padding and no truth there."""
    mean = [123.675, 116.28, 103.53]
    pixels = np.tile(np.array(mean, dtype=np.float32).reshape(1, 3, 1, 1), (len(indexes), 1, SIDE, SIDE))
    labels = np.full((len(indexes), SIDE, SIDE), IGNORE)
    for row, index in enumerate(indexes):
        pixels[row, :, :HEIGHT], labels[row, :HEIGHT] = case(index)
    return torch.tensor(pixels), torch.tensor(labels)


class Lora(nn.Module):
    """W + alpha / r B A."""

    def __init__(self, weight, settings, seed, layer):
        super().__init__()
        rank, (out, fan_in) = settings["rank"], weight.shape
        self.a = nn.Parameter(kaiming(seed, layer, "a", (rank, fan_in), fan_in))
        self.b = nn.Parameter(torch.zeros(out, rank).double())
        self.scaling = settings.get("alpha", rank) / rank

    def forward(self, weight):
        return weight + self.scaling * self.b @ self.a


class Salt(nn.Module):
    """U blockdiag(relu(scale s + shift), diag(s) + X Y) Vt; the largest entry of every left vector is positive."""

    def __init__(self, weight, settings, seed, layer):
        super().__init__()
        u, s, vt = torch.linalg.svd(weight.detach(), full_matrices=False)
        sign = u.gather(0, u.abs().argmax(0, keepdim=True)).sign()
        self.u, self.s, self.vt = u * sign, s, vt * sign.T
        self.head, tail = settings["head_rank"], settings["tail_rank"]
        rest, self.strength = len(s) - self.head, settings["lambda"]
        self.scale = nn.Parameter(torch.ones(self.head).double())
        self.shift = nn.Parameter(torch.zeros(self.head).double())
        self.x = nn.Parameter(kaiming(seed, layer, "x", (rest, tail), tail))
        self.y = nn.Parameter(torch.zeros(tail, rest).double())

    def forward(self, weight):
        head = torch.relu(self.scale * self.s[: self.head] + self.shift)
        tail = torch.diag(self.s[self.head :]) + self.x @ self.y
        return self.u @ torch.block_diag(torch.diag(head), tail) @ self.vt

    def penalty(self):
        head = self.scale * self.s[: self.head] + self.shift - self.s[: self.head]
        # PyTorch's norm, too, has the gradient 0 at 0.
        return self.strength * (torch.linalg.norm(head) + torch.linalg.norm(self.x @ self.y))


def attach(model, adapter, seed):
    """Freezes, and makes trainable what the adapter trains."""
    if adapter["method"] == "full":
        return
    model.requires_grad_(False)
    kind = {"lora": Lora, "salt": Salt}[adapter["method"]]
    modules = list(model.named_modules())
    for name, module in modules:
        if isinstance(module, nn.Linear) and any(re.search(target, name) for target in adapter["targets"]):
            factors = kind(module.weight, adapter, seed, name)
            parametrize.register_parametrization(module, "weight", factors)
        if "norms" in adapter["modules_to_save"] and "LayerNorm" in type(module).__name__:
            module.requires_grad_(True)
    model.prompt_tokens.requires_grad_(True)


def rates(name, parameter, train):
    """Learning rate and weight decay of a parameter."""
    lr, decay = train["lr"], train["weight_decay"]
    if parameter.ndim <= 1 or name.endswith(NO_DECAY):
        decay = 0.0
    if name.endswith((".scale", ".shift")):
        lr, decay = train["spectrum_lr"], 0.0
    if name.endswith(".b"):
        lr *= train.get("optimizer", {}).get("lora_plus", 1.0)
    return dict(params=[parameter], lr=lr, weight_decay=decay)


def factor(train):
    """Linear rise, then half a cosine down to the floor, or constant."""
    rise, floor = round(train["warmup"] * STEPS), train.get("lr_floor", 0.0)

    def at(step):
        if step < rise:
            return (step + 1) / rise
        if train.get("decay") == "constant":
            return 1.0
        return floor + (1 - floor) * (1 + math.cos(math.pi * (step - rise) / (STEPS - rise))) / 2

    return at


def loss_of(model, pixels, labels):
    """Focal (alpha 0.75, gamma 3), Dice over the batch (smooth 1) and cross entropy, of one mask a class."""
    n = len(pixels)
    images = embed(model, pixels).repeat_interleave(CLASSES, 0)
    dense = model.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand_as(images)
    masks, _ = decode(model, images, model.prompt_tokens.repeat(n, 1)[:, None], dense, False)
    masks = F.interpolate(masks, (SIDE, SIDE), mode="bilinear", align_corners=False).reshape(n, CLASSES, SIDE, SIDE)
    valid = (labels != IGNORE).double()[:, None]
    truth = torch.stack([labels == c + 1 for c in range(CLASSES)], 1).double()
    p = torch.sigmoid(masks)
    entropy = F.binary_cross_entropy_with_logits(masks, truth, reduction="none")
    wrong = 1 - (p * truth + (1 - p) * (1 - truth))
    alpha = 0.75 * truth + 0.25 * (1 - truth)
    mean = lambda x: (x * valid).sum() / (valid.sum() * CLASSES)
    over = (0, 2, 3)
    overlap, both = (p * truth * valid).sum(over), (p * valid).sum(over) + (truth * valid).sum(over)
    dice = 1 - ((2 * overlap + 1) / (both + 1)).mean()
    loss = mean(alpha * wrong**3 * entropy) + dice + mean(entropy)
    penalties = [module.penalty() for module in model.modules() if isinstance(module, Salt)]
    return loss + sum(penalties)


def optimiser(parameters, train):
    settings = train.get("optimizer")
    if settings:
        return torch.optim.SGD(parameters, momentum=settings["momentum"], nesterov=settings["nesterov"])
    return torch.optim.AdamW(parameters)


def run(adapter, train):
    torch.manual_seed(0)
    model = load(SIDE)
    model.prompt_tokens = nn.Parameter(torch.zeros(CLASSES, 16).double())
    attach(model, adapter, train["seed"])
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    rule = optimiser([rates(name, p, train) for name, p in trained], train)
    schedule = torch.optim.lr_scheduler.LambdaLR(rule, factor(train))
    size, rounds = train["batch_size"], train.get("accumulate", 1)
    losses, clipped = [], 0
    for epoch in range(train["epochs"]):
        cases = order(train["seed"], epoch, train["samples_per_epoch"])
        for start in range(0, len(cases), size * rounds):
            step = cases[start : start + size * rounds]
            rule.zero_grad()
            total = 0.0
            for first in range(0, len(step), size):
                part = step[first : first + size]
                share = loss_of(model, *batch(part)) * len(part) / len(step)
                share.backward()
                total += share.item()
            if train["grad_clip"] > 0:
                norm = nn.utils.clip_grad_norm_([p for _, p in trained], train["grad_clip"])
                clipped += int(norm > train["grad_clip"])
            rule.step()
            schedule.step()
            losses.append(float(f"{total:.9g}"))
    assert len(losses) == STEPS
    return losses, clipped


def main():
    runs = []
    for name, recipe in RUNS.items():
        losses, clipped = run(**recipe)
        runs.append(dict(name=name, **recipe, losses=losses))
        print(f"{name}: {clipped} of {STEPS} steps clipped; {losses[0]:.4f} to {losses[-1]:.4f}", losses)
    packages = {name: version(name) for name in ("torch", "segment-anything-py")}
    rows = ",\n".join(json.dumps(one, separators=(",", ":")) for one in runs)
    (HERE / "steps.json").write_text(f'{{"packages":{json.dumps(packages)},"runs":[\n{rows}\n]}}\n')


if __name__ == "__main__":
    main()
