"""A PyTorch DataLoader with PIL and torchvision that does the work of examples/loader_speed.rs.

    python pytorch.py DIR --workers 2 --samples 96 --cases files|memory

DIR holds data_split.csv (imgs,split), images/ and masks/<stem>_mask.png. Prints one line of JSON. The clock
starts when the first batch is there. Image and mask are decoded, the longest side is resized to 512 (antialiased
bilinear, nearest), both are flipped, rotated and scaled alike, the image's brightness and contrast are changed,
the rest is padded, and the batch is float32 CHW with uint8 labels. `--augment tensor` does the changes on tensors
in place of PIL images; that is slower, so it is not the default.
"""

import argparse
import csv
import json
import math
import random
import time
from pathlib import Path

import torch
import torchvision
from PIL import Image, __version__ as pil_version
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

PAD = [124, 116, 104]
IGNORE = 255


class Cases(Dataset):
    def __init__(self, folder, args):
        with open(folder / "data_split.csv", newline="") as table:
            stems = [Path(row["imgs"]).stem for row in csv.DictReader(table)]
        by_stem = {path.stem: path for path in (folder / "images").iterdir()}
        self.paths = [(by_stem[stem], folder / "masks" / f"{stem}_mask.png") for stem in stems]
        self.side, self.samples, self.tensors = args.image_size, args.samples, args.augment == "tensor"
        self.kept = [self.read(k) for k in range(len(self.paths))] if args.cases == "memory" else None

    def __len__(self):
        return self.samples

    def read(self, case):
        image, mask = (Image.open(path) for path in self.paths[case])
        image, mask = image.convert("RGB"), mask.convert("L")
        scale = self.side / max(image.size)
        size = [int(length * scale + 0.5) for length in reversed(image.size)]
        image = F.resize(image, size, InterpolationMode.BILINEAR, antialias=True)
        mask = F.resize(mask, size, InterpolationMode.NEAREST)
        return image, mask.point(lambda v: v > 0)

    def __getitem__(self, index):
        case = index % len(self.paths)
        image, mask = self.kept[case] if self.kept else self.read(case)
        if self.tensors:
            image, mask = F.pil_to_tensor(image), F.pil_to_tensor(mask)
        if random.random() < 0.5:
            image, mask = F.horizontal_flip(image), F.horizontal_flip(mask)
        if random.random() < 0.5:
            image, mask = F.vertical_flip(image), F.vertical_flip(mask)
        geometry = {
            "angle": random.uniform(-45, 45),
            "translate": [0, 0],
            "scale": math.exp(random.uniform(math.log(0.8), math.log(1.25))),
            "shear": [0.0, 0.0],
        }
        image = F.affine(image, interpolation=InterpolationMode.BILINEAR, fill=PAD, **geometry)
        mask = F.affine(mask, interpolation=InterpolationMode.NEAREST, fill=[IGNORE], **geometry)
        image = F.adjust_brightness(image, random.uniform(0.8, 1.2))
        image = F.adjust_contrast(image, random.uniform(0.8, 1.2))
        if not self.tensors:
            image, mask = F.pil_to_tensor(image), F.pil_to_tensor(mask)
        height, width = image.shape[-2:]
        if (height, width) != (self.side, self.side):
            border = [0, 0, self.side - width, self.side - height]
            image, mask = F.pad(image, border, fill=PAD), F.pad(mask, border, fill=[IGNORE])
        return image.to(torch.float32), mask[0]


def seed_worker(worker):
    random.seed(worker)


def share_of_memory_mb(pids):
    """Memory of processes, pages that they share counted once; None where the system does not tell."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            return None
        total += int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1])
    return total / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--samples", type=int, required=True)
    parser.add_argument("--cases", choices=["files", "memory"], default="files")
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--augment", choices=["pil", "tensor"], default="pil")
    args = parser.parse_args()
    loader = DataLoader(
        Cases(args.folder, args),
        batch_size=4,
        shuffle=True,
        num_workers=args.workers,
        prefetch_factor=2,
        worker_init_fn=seed_worker,
    )
    batches = iter(loader)
    first, _ = next(batches)
    assert first.shape == (4, 3, args.image_size, args.image_size) and first.dtype == torch.float32
    start, samples = time.perf_counter(), 0
    for image, mask in batches:
        samples += len(image)
        # While the workers are there.
        if samples + len(first) == args.samples:
            seconds = time.perf_counter() - start
            memory = share_of_memory_mb(["self", *(worker.pid for worker in batches._workers)])
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, pillow {pil_version}"
    print(json.dumps({"seconds": seconds, "samples": samples, "rss_mb": memory, "program": versions}))


if __name__ == "__main__":
    main()
