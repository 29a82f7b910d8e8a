"""Writes gradients.json: what the gradient of every parameter of the small model is, told in three numbers each.

The oracle is the original code (PyPI `segment-anything-py`) in double precision with the weights and inputs that
`generate.py` wrote. A gradient g of n values is told by its norm and by two sums over waves,
sum_i g_i sin(1 + f i) for f = 0.7 and 1.3: cheap, small, and none of them stays where a value, a sign or the order
changes. Losses are weighted by the first of these waves.

    pip install torch torchvision segment-anything-py safetensors numpy
    python crates/salt-sam/tests/parity/generate_gradients.py
"""

import json
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.prompt_encoder import PositionEmbeddingRandom

HERE = Path(__file__).parent
FREQUENCIES = (0.7, 1.3)

# The original encodes positions in single precision whatever the model has.
encode = PositionEmbeddingRandom._pe_encoding
PositionEmbeddingRandom._pe_encoding = lambda self, coords: encode(
    self, coords.to(self.positional_encoding_gaussian_matrix.dtype)
)


def small(side):
    """`CONFIG` of generate.py for an image of `side` pixels."""
    grid = side // 8
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=side, patch_size=8, embed_dim=32, depth=4, num_heads=2, mlp_ratio=4, out_chans=16,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=3,
            global_attn_indexes=(1, 3),
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=16, image_embedding_size=(grid, grid), input_image_size=(side, side), mask_in_chans=8,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=16, iou_head_hidden_dim=16,
            transformer=TwoWayTransformer(depth=2, embedding_dim=16, num_heads=2, mlp_dim=32),
        ),
    ).double()


def wave(n, frequency=FREQUENCIES[0]):
    return torch.sin(1 + frequency * torch.arange(n, dtype=torch.float64))


def load(side):
    """The model at another size: positions and relative positions are resampled, as salt-sam does."""
    model = small(side)
    weights = {key: value.double() for key, value in load_file(HERE / "sam_small.safetensors").items()}
    grid = side // 8
    key = "image_encoder.pos_embed"
    weights[key] = F.interpolate(
        weights[key].permute(0, 3, 1, 2), size=(grid, grid), mode="bilinear", align_corners=False,
    ).permute(0, 2, 3, 1)
    # The original resizes relative positions where they are used, and only its parameter has another length.
    encoder = model.image_encoder
    for name, parameter in encoder.named_parameters():
        if "rel_pos" in name:
            block = encoder.get_submodule(name.rsplit(".", 1)[0])
            stored = weights[f"image_encoder.{name}"]
            setattr(block, name.rsplit(".", 1)[1], torch.nn.Parameter(stored.clone()))
    model.load_state_dict(weights)
    return model


def embed(model, pixels):
    mean, std = model.pixel_mean.double(), model.pixel_std.double()
    return model.image_encoder((pixels.double() - mean) / std)


def score(masks, iou):
    """One number of masks [n, m, h, w] and predicted IoU."""
    weights = wave(masks.numel()).reshape(masks.shape)
    return (masks * weights).mean() * 100 + iou.sum()


def decode(model, embedding, sparse, dense, multimask):
    """One image after the other: the original decodes several prompts of one image."""
    answers = [
        model.mask_decoder(
            image_embeddings=embedding[i : i + 1], image_pe=model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse[i : i + 1], dense_prompt_embeddings=dense[i : i + 1],
            multimask_output=multimask,
        )
        for i in range(len(sparse))
    ]
    return [torch.cat(parts) for parts in zip(*answers)]


def ask(model, embedding, points, boxes, masks, multimask):
    sparse, dense = model.prompt_encoder(points=points, boxes=boxes, masks=masks)
    return score(*decode(model, embedding, sparse, dense, multimask))


def given(inputs, case):
    """The prompts of generate.py, without its axis of several prompts an image."""
    part = lambda key: inputs[f"{case}.{key}"].double()[:, 0] if f"{case}.{key}" in inputs else None
    points = part("input_points")
    masks = inputs.get(f"{case}.input_masks")
    return (
        None if points is None else (points, part("input_labels")),
        part("input_boxes"),
        None if masks is None else masks.double(),
    )


def prompted(inputs):
    """Every kind of prompt, one mask and several: every parameter has a part in it."""
    model = load(64)
    embedding = embed(model, inputs["pixels"])
    loss = ask(model, embedding, *given(inputs, "point_box_mask"), True)
    loss = loss + ask(model, embedding, *given(inputs, "two_points"), False)
    return loss + ask(model, embedding, *given(inputs, "padded_box"), False), model, {}


def classes(inputs):
    """A token a class, for two images."""
    model = load(64)
    tokens = inputs["classes.tokens"].double().requires_grad_()
    embedding = embed(model, inputs["pixels"])
    n_classes = len(tokens)
    _, dense = model.prompt_encoder(points=None, boxes=torch.zeros(1, 4).double(), masks=None)
    masks, iou = decode(
        model, embedding.repeat_interleave(n_classes, 0), tokens.repeat(2, 1)[:, None],
        dense.expand(2 * n_classes, -1, -1, -1), False,
    )
    masks = masks.reshape(2, n_classes, *masks.shape[2:])
    return score(masks, iou), model, {"prompt_tokens": tokens}


def resampled(inputs):
    """Another size of image: gradients go back through the resampling of relative positions."""
    model = load(96)
    embedding = embed(model, inputs["px96.pixels"])
    points = torch.tensor([[[12.0, 40.5]]]).double(), torch.tensor([[1.0]]).double()
    boxes = torch.tensor([[4.0, 8.0, 90.0, 60.5]]).double()
    return ask(model, embedding, points, boxes, None, True), model, {}


def told(gradient):
    flat = gradient.reshape(-1)
    numbers = [flat.norm()] + [flat @ wave(len(flat), f) for f in FREQUENCIES]
    return [float(f"{float(number):.9g}") for number in numbers]


def main():
    inputs = load_file(HERE / "sam_small_expected.safetensors")
    document = {"segment-anything-py": version("segment-anything-py"), "torch": torch.__version__}
    for case in (prompted, classes, resampled):
        loss, model, more = case(inputs)
        loss.backward()
        parameters = dict(model.named_parameters()) | more
        gradients = {key: told(p.grad) for key, p in sorted(parameters.items()) if p.grad is not None}
        document[case.__name__] = {"loss": float(f"{loss.item():.9g}"), "gradients": gradients}
        assert case is not prompted or len(gradients) == len(parameters), "a parameter without a part"
        print(f"{case.__name__}: loss {loss.item():.6f}, {len(gradients)} of {len(parameters)} gradients")
    text = json.dumps(document, indent=None, separators=(",", ":"))
    (HERE / "gradients.json").write_text(text.replace("],", "],\n") + "\n")


if __name__ == "__main__":
    main()
