"""A full-size Segment Anything with random weights, and what two other implementations compute with it.

    python oracle.py write DIR --model vit_b [--image-size 1024]

writes
    DIR/original.pth            the weights as the official checkpoints have them
    DIR/hf/model.safetensors    the same, saved by transformers
    DIR/expected.safetensors    images, prompts and answers
    DIR/oracle.md               versions, and how far the oracles are from each other

The first oracle is `SamModel` of Hugging Face transformers in f32 with eager attention: embeddings,
low-resolution logits, IoU predictions. The second is the original code (PyPI `segment-anything-py`) with the
same weights, from the image to masks of its size; the script fails where the two disagree. The first image is
computed once more in double, for how much of a difference is rounding. `cargo xtask parity sam` runs this and
mod.rs, which compares.

Keys of expected.safetensors, for an image shown to a network of one size (`square@1024`) and a prompt:
    IMAGE@SIZE.image [h, w, 3] u8, .input (scaled, not padded) [3, h, w] u8, .embedding, .embedding_f64
    IMAGE@SIZE.PROMPT.points [n, p, 2], .labels [n, p], .boxes [n, 4] in pixels of the image, .mask_input
    IMAGE@SIZE.PROMPT.single|multi.low_res_masks, .iou_predictions, .masks (of some), .low_res_masks_f64
"""

import argparse
import re
import sys
import time
from collections import OrderedDict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from segment_anything import SamPredictor, sam_model_registry
from transformers import SamConfig, SamModel

sys.path.insert(0, str(Path(__file__).parent.parent / "parity"))
from generate import original_name, randomise  # noqa: E402

# Width, blocks, heads, blocks that attend globally: build_sam.py of the original.
VISION = {
    "vit_b": (768, 12, 12, [2, 5, 8, 11]),
    "vit_l": (1024, 24, 16, [5, 11, 17, 23]),
    "vit_h": (1280, 32, 16, [7, 15, 23, 31]),
}
PATCH = 16
# The one image of each further network size, beside all images at the model's own.
FURTHER_SIZES = [(512, "wide"), (768, "tall")]
# Whose masks are stored at the image's size too, with whether three are asked for.
AT_IMAGE_SIZE = {("point", True), ("points_box", False), ("boxes", False)}
# Two f32 programs that add in another order; the limits of figures.rs are ten times as wide.
AGREEMENT = dict(embedding=1e-4, low_res_masks=1e-3, iou_predictions=1e-4, masks=1e-3)


def build(name):
    """The model of transformers, with values of a trained one's order."""
    width, depth, heads, attend_globally = VISION[name]
    config = SamConfig(
        vision_config=dict(
            hidden_size=width, num_hidden_layers=depth, num_attention_heads=heads,
            global_attn_indexes=attend_globally, layer_norm_eps=1e-6,
        ),
        # The original code's LayerNorms have PyTorch's default eps there.
        mask_decoder_config=dict(layer_norm_eps=1e-5),
    )
    model = SamModel._from_config(config, attn_implementation="eager").eval()
    attention = model.vision_encoder.layers[0].attn
    assert type(attention).__name__ == "SamVisionAttention", type(attention)
    randomise(model)
    for key, value in model.state_dict().items():
        # generate.py makes some inputs small, to see an eps, and its heads are narrow. Here the image must
        # come through many blocks, and scores of order one must stay so.
        if re.search(r"vision_encoder\.(patch_embed|pos_embed)", key):
            value /= 0.03
        if "rel_pos" in key:
            value /= 0.7 * (width / heads) ** 0.5
        # What comes out of a GELU is mostly positive: weights of one sign would make masks that are empty or
        # full. These add up to zero.
        if re.search(r"upscale_conv.*weight|output_hypernetworks_mlps.*proj_out", key):
            value -= value.mean(0, keepdim=True)
        # Logits of order ten, as trained models have.
        if re.search(r"output_hypernetworks_mlps.*proj_out", key):
            value *= 10
    return model


def images():
    """Name to uint8 [h, w, 3]: shading, blobs with edges and texture, a little noise."""
    random = np.random.default_rng(20240607)
    result = {}
    # As it is, enlarged, reduced.
    for name, (width, height) in dict(square=(1024, 1024), wide=(1000, 667), tall=(768, 1365)).items():
        y, x = np.mgrid[0:height, 0:width].astype(np.float64)
        image = np.stack([60 + 90 * x / width, 150 - 80 * y / height, 40 + 60 * (x + y) / (width + height)], -1)
        for _ in range(24):
            cx, cy = random.uniform(0, width), random.uniform(0, height)
            rx, ry = random.uniform(0.03, 0.2, 2) * min(width, height)
            inside = ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
            waves = 25 * np.sin(x * random.uniform(0.02, 0.9) + y * random.uniform(0.02, 0.9))
            image[inside] = random.uniform(0, 255, 3) + waves[inside][:, None]
        image += random.normal(0, 4, image.shape)
        result[name] = image.clip(0, 255).astype(np.uint8)
    return result


def prompts(width, height, former):
    """Prompt name to its parts in pixels of the image; `former` is an earlier answer [1, 1, s, s]."""
    size = torch.tensor([width, height], dtype=torch.float32)

    def at(values):
        # Quarters of pixels: exact in f32.
        values = torch.tensor(values, dtype=torch.float32)
        return (values * size.repeat(values.shape[-1] // 2) * 4).round() / 4

    def given(points=None, labels=None, boxes=None, mask_input=None):
        parts = dict(points=points and at(points), labels=labels and torch.tensor(labels, dtype=torch.float32))
        parts |= dict(boxes=boxes and at(boxes), mask_input=mask_input)
        return {key: value for key, value in parts.items() if value is not None}

    one, box = [[[0.31, 0.62]]], [[0.22, 0.18, 0.71, 0.86]]
    boxes = [[0.02, 0.05, 0.45, 0.5], box[0], [0.5, 0.1, 0.98, 0.4], [0.33, 0.6, 0.52, 0.99]]
    several = [[[0.31, 0.62], [0.4, 0.55], [0.8, 0.2], [0.05, 0.93]]]
    return {
        "point": given(points=one, labels=[[1]]),
        "points": given(points=several, labels=[[1, 1, 0, 0]]),
        "box": given(boxes=box),
        "points_box": given(points=[[[0.31, 0.62], [0.6, 0.3]]], labels=[[1, 0]], boxes=box),
        "point_mask": given(points=one, labels=[[1]], mask_input=former),
        "mask": given(mask_input=former),
        "boxes": given(boxes=boxes),
        # Prompts with fewer points than the others are filled up with label -1.
        "points_each": given(
            points=[[[0.3, 0.6], [0.7, 0.7]], [[0.5, 0.2], [0.0, 0.0]], [[0.9, 0.9], [0.1, 0.4]]],
            labels=[[1, 0], [1, -1], [1, 1]],
        ),
        "boxes_masks": given(boxes=boxes[:3], mask_input=torch.cat([former, former.flip(3), -former])),
    }


class Pair:
    """Both oracles with the same weights, for one size of the network's input."""

    def __init__(self, model, original):
        self.model, self.original = model, original
        self.pos_embed = model.vision_encoder.pos_embed.detach()

    def resize(self, size):
        grid = size // PATCH
        positions = F.interpolate(
            self.pos_embed.permute(0, 3, 1, 2), size=(grid, grid),
            mode="bilinear", align_corners=False, antialias=False,
        )
        # Relative positions are resampled by both on the way.
        positions = torch.nn.Parameter(positions.permute(0, 2, 3, 1).contiguous(), requires_grad=False)
        model, original = self.model, self.original
        model.vision_encoder.pos_embed = positions
        model.vision_encoder.patch_embed.image_size = (size, size)
        model.config.prompt_encoder_config.image_embedding_size = grid
        model.prompt_encoder.image_embedding_size = (grid, grid)
        model.prompt_encoder.input_image_size = size
        original.image_encoder.pos_embed = positions
        original.image_encoder.img_size = size
        original.prompt_encoder.image_embedding_size = (grid, grid)
        original.prompt_encoder.input_image_size = (size, size)
        self.predictor = SamPredictor(original)

    def encode(self, image):
        """transformers' embedding and the scaled pixels; the original's stays in its predictor."""
        self.predictor.set_image(image)
        scaled = torch.from_numpy(self.predictor.transform.apply_image(image)).permute(2, 0, 1).contiguous()
        return self.model.get_image_embeddings(self.original.preprocess(scaled[None])), scaled

    def encode_f64(self, scaled):
        """The original's encoder in double, a block at a time: transformers' softmax is always f32."""
        encoder = self.original.image_encoder
        x = self.original.preprocess(scaled[None].double())
        x = encoder.patch_embed.double()(x) + encoder.pos_embed.double()
        encoder.patch_embed.float()
        for block in encoder.blocks:
            x = block.double()(x)
            block.float()
        x = encoder.neck.double()(x.permute(0, 3, 1, 2))
        encoder.neck.float()
        return x

    def to_input(self, given):
        """Prompts in pixels of the network's input, by the original's code."""
        transform, size = self.predictor.transform, self.predictor.original_size
        scaled = dict(given)
        for key, apply in [("points", transform.apply_coords), ("boxes", transform.apply_boxes)]:
            if key in given:
                scaled[key] = torch.as_tensor(apply(given[key].numpy(), size), dtype=torch.float)
        return scaled

    def decode(self, embedding, given, multimask):
        """transformers' low-resolution logits [n, masks, s, s] and IoU predictions [n, masks]."""
        sparse, dense = self.embed(given)
        image_pe = self.model.get_image_wide_positional_embeddings()
        count = dense.shape[0]
        masks, iou = self.model.mask_decoder(
            embedding.repeat(count, 1, 1, 1), image_pe.repeat(count, 1, 1, 1), sparse, dense,
            multimask_output=multimask,
        )
        return masks.flatten(0, 1), iou.flatten(0, 1)

    def embed(self, given):
        """transformers' prompt embeddings. Several prompts of an image have an axis of their own, which
        masks lack: with those the image is repeated."""
        axis = 1 if "mask_input" in given else 0
        points, labels, boxes = (
            given[key].unsqueeze(axis) if key in given else None for key in ["points", "labels", "boxes"]
        )
        return self.model.prompt_encoder(points, labels, boxes, given.get("mask_input"))

    def decode_f64(self, embedding, given, multimask):
        """As `decode`, in double: transformers' prompt encoder, and the original's decoder for its softmax."""
        self.model.prompt_encoder.double()
        self.model.shared_image_embedding.double()
        given = {key: value.double() for key, value in given.items()}
        sparse, dense = self.embed(given)
        image_pe = self.model.get_image_wide_positional_embeddings()
        self.model.prompt_encoder.float()
        self.model.shared_image_embedding.float()
        count = dense.shape[0] if sparse is None else sparse.shape[0] * sparse.shape[1]
        if sparse is None:
            sparse = dense.new_empty(1, count, 0, dense.shape[1])
        masks, iou = self.original.mask_decoder.double()(
            image_embeddings=embedding, image_pe=image_pe, sparse_prompt_embeddings=sparse.flatten(0, 1),
            dense_prompt_embeddings=dense.expand(count, -1, -1, -1), multimask_output=multimask,
        )
        self.original.mask_decoder.float()
        return masks, iou


def view(pair, image, in_double):
    """Everything that is stored of one image at one size, and the figures of its row."""
    height, width = image.shape[:2]
    embedding, scaled = pair.encode(image)
    out = {"image": torch.from_numpy(image), "input": scaled, "embedding": embedding}
    if in_double:
        out["embedding_f64"] = pair.encode_f64(scaled)
    worst = {key: 0.0 for key in AGREEMENT}

    def agree(key, a, b, where):
        difference = (a - b).abs().max().item()
        worst[key] = max(worst[key], difference)
        assert difference <= AGREEMENT[key], f"{where}: {key} of the two oracles differ by {difference:.1e}"

    agree("embedding", embedding, pair.predictor.get_image_embedding(), "image")
    shares = []
    first = prompts(width, height, torch.zeros(1, 1, 1, 1))["point"]
    former, _ = pair.decode(embedding, pair.to_input(first), False)
    for name, parts in prompts(width, height, former).items():
        out |= {f"{name}.{key}": value for key, value in parts.items()}
        given = pair.to_input(parts)
        for multimask in [False, True]:
            key = f"{name}.{'multi' if multimask else 'single'}"
            low_res, iou = pair.decode(embedding, given, multimask)
            masks, original_iou, original_low_res = pair.predictor.predict_torch(
                given.get("points"), given.get("labels"), given.get("boxes"), given.get("mask_input"),
                multimask_output=multimask, return_logits=True,
            )
            agree("low_res_masks", low_res, original_low_res, key)
            agree("iou_predictions", iou, original_iou, key)
            upscaled = pair.original.postprocess_masks(low_res, pair.predictor.input_size, (height, width))
            agree("masks", upscaled, masks, key)
            shares.append((masks > 0).float().mean((2, 3)).flatten())
            out |= {f"{key}.low_res_masks": low_res, f"{key}.iou_predictions": iou}
            if (name, multimask) in AT_IMAGE_SIZE:
                out[f"{key}.masks"] = masks
            if in_double:
                masks, iou = pair.decode_f64(out["embedding_f64"], given, multimask)
                out |= {f"{key}.low_res_masks_f64": masks, f"{key}.iou_predictions_f64": iou}
    shares = torch.cat(shares)
    assert 0.005 < shares.min() and shares.max() < 0.995, f"masks are almost empty or full: {shares}"
    return out, dict(embedding=embedding, low_res=former, worst=worst, shares=shares)


@torch.no_grad()
def write(root, name, image_size):
    started = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - started:6.0f} s  {text}", flush=True)

    (root / "hf").mkdir(parents=True, exist_ok=True)
    torch.manual_seed(20240607)
    model = build(name)
    weights = OrderedDict((original_name(k), v) for k, v in model.state_dict().items() if original_name(k))
    torch.save(weights, root / "original.pth")
    model.save_pretrained(root / "hf")
    say(f"{name}: {sum(w.numel() for w in weights.values()) / 1e6:.1f} M parameters written")
    original = sam_model_registry[name]()
    # `strict` is the default: every key, no other.
    original.load_state_dict(torch.load(root / "original.pth", weights_only=True, mmap=True), assign=True)
    original.requires_grad_(False)
    pair, pictures, stored, lines = Pair(model, original), images(), {}, []
    views = [(image_size, image) for image in pictures] + FURTHER_SIZES
    for index, (size, image) in enumerate(views):
        pair.resize(size)
        out, row = view(pair, pictures[image], index == 0)
        stored |= {f"{image}@{size}.{key}": value for key, value in out.items()}
        rms = {key: row[key].square().mean().sqrt().item() for key in ["embedding", "low_res"]}
        cells = [image, size, f"{rms['embedding']:.2f}", f"{rms['low_res']:.1f}"]
        cells.append(f"{row['shares'].min():.0%} to {row['shares'].max():.0%}")
        cells += [f"{row['worst'][key]:.1e}" for key in AGREEMENT]
        lines.append(f"| {' | '.join(map(str, cells))} |")
        say(lines[-1])
    stored = {k: (v if v.dtype == torch.uint8 else v.float()).contiguous().clone() for k, v in stored.items()}
    save_file(stored, root / "expected.safetensors", metadata={"model": name})
    versions = [f"{package} {version(package)}" for package in ["torch", "transformers", "segment-anything-py"]]
    (root / "oracle.md").write_text(
        ", ".join(versions) + "\n"
        "| image | network | embedding, rms | logits, rms | foreground of masks "
        "| transformers - original: embedding "
        "| low-resolution logits | IoU predictions | logits at image size |\n"
        "|---|---|---|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["write"])
    parser.add_argument("dir", type=Path, metavar="DIR")
    parser.add_argument("--model", choices=VISION, default="vit_b")
    parser.add_argument("--image-size", type=int, default=1024, help="of the network's input")
    arguments = parser.parse_args()
    write(arguments.dir, arguments.model, arguments.image_size)


if __name__ == "__main__":
    main()
