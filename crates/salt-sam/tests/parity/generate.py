"""Writes the parity fixtures of salt-sam: a small random Segment Anything and what it computes.

The oracle is `SamModel` of Hugging Face transformers, eager attention, in double precision
(fixtures are stored as float32). The weights are saved under the keys of the original checkpoint.

    pip install torch transformers safetensors numpy
    python crates/salt-sam/tests/parity/generate.py

The original `segment_anything` code gives the same on these weights (see README.md). Running the
script again with the versions named in sam_small.json gives the same files.
"""

import json
import re
from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from transformers import SamConfig, SamModel

HERE = Path(__file__).parent

# Window 3 does not divide the grid of 8 tokens, so windows are padded. The decoder's LayerNorms
# of the original code have PyTorch's default eps 1e-5, where transformers defaults to 1e-6.
CONFIG = dict(
    vision_config=dict(
        image_size=64, patch_size=8, hidden_size=32, num_hidden_layers=4, num_attention_heads=2,
        mlp_ratio=4, mlp_dim=128, window_size=3, global_attn_indexes=[1, 3],
        output_channels=16, num_pos_feats=8, layer_norm_eps=1e-6,
    ),
    prompt_encoder_config=dict(
        hidden_size=16, image_size=64, patch_size=8, mask_input_channels=8,
    ),
    mask_decoder_config=dict(
        hidden_size=16, mlp_dim=32, num_hidden_layers=2, num_attention_heads=2,
        iou_head_hidden_dim=16, layer_norm_eps=1e-5,
    ),
)

# transformers' key -> the original's; applied in this order.
RENAMES = [
    (r"^vision_encoder\.layers\.", "image_encoder.blocks."),
    (r"^vision_encoder\.", "image_encoder."),
    (r"patch_embed\.projection", "patch_embed.proj"),
    (r"neck\.conv1", "neck.0"), (r"neck\.layer_norm1", "neck.1"),
    (r"neck\.conv2", "neck.2"), (r"neck\.layer_norm2", "neck.3"),
    (r"shared_embedding\.positional_embedding", "pe_layer.positional_encoding_gaussian_matrix"),
    (r"encoder\.point_embed\.", "encoder.point_embeddings."),
    (r"mask_embed\.conv1", "mask_downscaling.0"), (r"mask_embed\.layer_norm1", "mask_downscaling.1"),
    (r"mask_embed\.conv2", "mask_downscaling.3"), (r"mask_embed\.layer_norm2", "mask_downscaling.4"),
    (r"mask_embed\.conv3", "mask_downscaling.6"),
    (r"upscale_conv1", "output_upscaling.0"), (r"upscale_layer_norm", "output_upscaling.1"),
    (r"upscale_conv2", "output_upscaling.3"),
    (r"((?:mlps\.\d|head))\.proj_out", r"\1.layers.2"),
    (r"((?:mlps\.\d|head))\.layers\.0", r"\1.layers.1"),
    (r"((?:mlps\.\d|head))\.proj_in", r"\1.layers.0"),
    (r"\.layer_norm", ".norm"),
]

# Every kind of parameter once: windowed and global attention, MLP, norms, convolutions, tokens.
GRADIENTS = [
    "image_encoder.pos_embed",
    "image_encoder.patch_embed.proj.weight",
    "image_encoder.blocks.0.attn.rel_pos_h",
    "image_encoder.blocks.0.attn.qkv.weight",
    "image_encoder.blocks.0.attn.qkv.bias",
    "image_encoder.blocks.1.attn.rel_pos_w",
    "image_encoder.blocks.2.mlp.lin1.weight",
    "image_encoder.blocks.3.norm2.weight",
    "image_encoder.neck.0.weight",
    "image_encoder.neck.2.weight",
    "image_encoder.neck.3.bias",
    "prompt_encoder.point_embeddings.1.weight",
    "prompt_encoder.point_embeddings.2.weight",
    "prompt_encoder.mask_downscaling.3.weight",
    "mask_decoder.transformer.layers.0.cross_attn_token_to_image.q_proj.weight",
    "mask_decoder.transformer.layers.1.norm4.bias",
    "mask_decoder.iou_token.weight",
    "mask_decoder.mask_tokens.weight",
    "mask_decoder.output_upscaling.0.weight",
    "mask_decoder.output_upscaling.1.weight",
    "mask_decoder.output_hypernetworks_mlps.1.layers.2.weight",
    "mask_decoder.iou_prediction_head.layers.0.weight",
]

MEAN = torch.tensor([123.675, 116.28, 103.53], dtype=torch.float64)
STD = torch.tensor([58.395, 57.12, 57.375], dtype=torch.float64)


def original_name(key):
    """The original checkpoint's key of a transformers key; None for the tied copy."""
    if key.startswith("shared_image_embedding."):
        return None
    for pattern, new in RENAMES:
        key = re.sub(pattern, new, key)
    return key


TOKENS = r"rel_pos|pos_embed|positional|point_embed|no_mask|iou_token|mask_tokens"
# Small inputs to one LayerNorm of each kind, so that a wrong eps is visible above the tolerance.
SMALL = (
    r"vision_encoder\.(patch_embed|pos_embed)|neck\.conv1|mask_embed\.conv1|upscale_conv1"
    r"|mask_decoder\.transformer\.layers\.0\.self_attn\.out_proj"
)


def randomise(model):
    """Random values everywhere, of a size that leaves no term negligible."""
    for key, value in model.state_dict().items():
        noise = torch.randn(value.shape)
        if "norm" in key:
            noise = 0.2 * noise + (1.0 if key.endswith("weight") else 0.0)
        elif key.endswith("bias"):
            noise *= 0.1
        elif re.search(TOKENS, key):
            noise *= 0.7
        else:
            noise /= value[0].numel() ** 0.5
        value.copy_(noise * 0.03 if re.search(SMALL, key) else noise)
    # One buffer in two places.
    model.shared_image_embedding.positional_embedding.copy_(
        model.prompt_encoder.shared_embedding.positional_embedding
    )


def normalise(pixels):
    """[B, 3, H, W] of 0..=255 to what the encoder takes."""
    return (pixels.double() - MEAN[:, None, None]) / STD[:, None, None]


def prompts():
    """Name -> the prompts of two images: points [2, 1, P, 2] as (x, y) pixels, labels, boxes, mask."""
    points = torch.tensor([[[[12.0, 40.5]]], [[[55.0, 3.0]]]], dtype=torch.float64)
    two = torch.tensor([[[[12.0, 40.5], [30.0, 31.0]]], [[[55.0, 3.0], [0.0, 63.0]]]], dtype=torch.float64)
    box = torch.tensor([[[4.0, 8.0, 50.0, 60.5]], [[20.0, 0.0, 63.0, 33.0]]], dtype=torch.float64)
    mask = torch.randn(2, 1, 32, 32).float().double() * 3
    # Fewer points in one image than in the other: label -1 fills up.
    padded_labels = torch.tensor([[[1.0, -1.0]], [[0.0, 1.0]]])
    one_label, two_labels = torch.ones(2, 1, 1), torch.tensor([1.0, 0.0]).repeat(2, 1, 1)
    return {
        "point": dict(input_points=points, input_labels=one_label),
        "two_points": dict(input_points=two, input_labels=two_labels),
        "box": dict(input_boxes=box),
        "point_box": dict(input_points=points, input_labels=one_label, input_boxes=box),
        "padded_box": dict(input_points=two, input_labels=padded_labels, input_boxes=box),
        "only_mask": dict(input_masks=mask),
        "mask": dict(input_points=points, input_labels=one_label, input_masks=mask),
        "point_box_mask": dict(input_points=points, input_labels=one_label, input_boxes=box, input_masks=mask),
    }


def encode(model, pixels, out=None):
    """The image embedding, and every stage on the way into `out`."""
    encoder = model.vision_encoder
    x = encoder.patch_embed(pixels) + encoder.pos_embed
    stages = {"encoder.patch_pos": x}
    for index, layer in enumerate(encoder.layers):
        x = layer(x)
        stages[f"encoder.block{index}"] = x
    x = encoder.neck(x)
    stages["encoder.image_embedding"] = x
    if out is not None:
        out.update(stages)
    return x


def embed_prompts(model, given):
    """Sparse [2, 1, P, C] (None for a mask alone) and dense [2, C, h, w] embeddings."""
    empty = dict(input_points=None, input_labels=None, input_boxes=None, input_masks=None)
    return model.prompt_encoder(**{**empty, **given})


def decode(model, embedding, image_pe, sparse, dense, multimask):
    masks, iou = model.mask_decoder(embedding, image_pe, sparse, dense, multimask_output=multimask)
    return masks, iou


def main():
    torch.manual_seed(20240607)
    config = SamConfig(**CONFIG)
    model = SamModel._from_config(config, attn_implementation="eager").eval()
    assert type(model.vision_encoder.layers[0].attn).__name__ == "SamVisionAttention"
    with torch.no_grad():
        randomise(model)

    names = {original_name(k): k for k in model.state_dict() if original_name(k)}
    weights = OrderedDict(
        (new, model.state_dict()[old].clone().contiguous()) for new, old in sorted(names.items())
    )
    save_file(weights, HERE / "sam_small.safetensors", metadata={"format": "pt"})
    torch.save(weights, HERE / "sam_small.pth")

    model.double()
    out = {}
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    out["pixels"] = pixels
    out["normalised_corner"] = normalise(pixels)[:, :, :4, :4]

    with torch.no_grad():
        embedding = encode(model, normalise(pixels), out)
        assert torch.equal(embedding, model.get_image_embeddings(normalise(pixels)))
        image_pe = model.get_image_wide_positional_embeddings().double().repeat(2, 1, 1, 1)
        out["image_pe"] = image_pe[:1]
        cases = prompts()
        for name, given in cases.items():
            out |= {f"{name}.{key}": value for key, value in given.items()}
            sparse, dense = embed_prompts(model, given)
            if sparse is not None:
                out[f"{name}.sparse"] = sparse[:, 0]
            # Without a mask the dense embedding is one vector, repeated.
            out[f"{name}.dense"] = dense if "mask" in name else dense[:, :, :1, :1]
            for label, multimask in (("single", False), ("multi", True)):
                masks, iou = decode(model, embedding, image_pe, sparse, dense, multimask)
                out[f"{name}.{label}.low_res_masks"] = masks[:, 0]
                out[f"{name}.{label}.iou_predictions"] = iou[:, 0]

        # Semantic use: per class one learned token [C] as the only sparse prompt, single mask.
        tokens = torch.randn(3, 16).float().double()
        _, dense = embed_prompts(model, cases["point"])
        masks, iou = decode(model, embedding, image_pe, tokens.repeat(2, 1, 1)[:, :, None], dense, False)
        out["classes.tokens"] = tokens
        out["classes.low_res_masks"] = masks[:, :, 0]
        out["classes.iou_predictions"] = iou[:, :, 0]

    # Gradients of a fixed scalar, through everything.
    given = cases["point_box_mask"]
    sparse, dense = embed_prompts(model, given)
    masks, iou = decode(model, encode(model, normalise(pixels)), image_pe, sparse, dense, True)
    loss_weights = torch.randn(masks[:, 0].shape).float().double()
    loss = (masks[:, 0] * loss_weights).mean() * 100 + iou.sum()
    loss.backward()
    out["loss.weights"] = loss_weights
    out["loss.value"] = loss.detach().reshape(1)
    parameters = dict(model.named_parameters())
    for key in GRADIENTS:
        out[f"grad.{key}"] = parameters[names[key]].grad

    # 96 px: pos_embed bilinear over the grid; transformers resizes rel_pos by itself, as SAM does.
    with torch.no_grad():
        encoder = model.vision_encoder
        encoder.patch_embed.image_size = (96, 96)
        grid = F.interpolate(encoder.pos_embed.permute(0, 3, 1, 2), size=(12, 12), mode="bilinear",
                             align_corners=False, antialias=False)
        encoder.pos_embed = torch.nn.Parameter(grid.permute(0, 2, 3, 1))
        larger = torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8)
        out["px96.pixels"] = larger
        out["px96.image_embedding"] = encode(model, normalise(larger))

    out = {k: (v if v.dtype == torch.uint8 else v.detach().float()).clone().contiguous() for k, v in out.items()}
    save_file(out, HERE / "sam_small_expected.safetensors")
    about = dict(
        torch=torch.__version__, transformers=transformers.__version__, config=CONFIG,
        hf_names=dict(sorted(names.items())),
    )
    (HERE / "sam_small.json").write_text(json.dumps(about, indent=1) + "\n")
    for key, value in out.items():
        print(f"{key:90} {list(value.shape)!s:20} rms {value.double().pow(2).mean().sqrt():.3g}")


if __name__ == "__main__":
    main()
