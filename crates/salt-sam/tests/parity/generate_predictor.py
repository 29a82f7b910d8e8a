"""Writes the fixtures of salt-sam's predictor and automatic mask generator.

The oracle is the original code: PyPI `segment-anything-py`, with the weights of sam_nano, which know objects.

    pip install torch torchvision segment-anything-py safetensors numpy pillow opencv-python-headless
    python crates/salt-sam/tests/parity/generate_predictor.py
"""

import json
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.utils.transforms import ResizeLongestSide

HERE = Path(__file__).parent
SIDE = 128

# Width and height of pictures, and the longest side they are brought to.
RESIZES = [
    (1, 1, 64), (1, 2000, 64), (3000, 17, 64), (64, 64, 64), (63, 65, 64), (100, 80, 64), (5, 3, 64),
    (640, 427, 64), (4096, 4096, 32), (33, 31, 128), (2, 129, 128),
    (100, 200, 64), (100, 201, 64), (100, 250, 90), (100, 201, 240), (250, 100, 90),
]

# Sizes of pictures whose masks are brought back to them.
UPSCALES = [(100, 80), (1, 200), (300, 17), (128, 128), (1, 1), (40, 64)]

# Thresholds fit a small model that saw only generated scenes.
AUTOMATIC = {
    "plain": dict(points_per_side=6, points_per_batch=7, pred_iou_thresh=0.1, stability_score_thresh=0.5,
                  stability_score_offset=0.1, box_nms_thresh=0.9),
    "everything": dict(points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0, box_nms_thresh=1.0),
}

# The same with answers that are a formula (class Formula), so that many masks pass every stage.
FORMULA = {
    "plain": dict(points_per_side=8, points_per_batch=7, pred_iou_thresh=0.6, stability_score_thresh=0.8),
    "loose": dict(points_per_side=5, pred_iou_thresh=0.0, stability_score_thresh=0.0, box_nms_thresh=1.0),
    "crops": dict(points_per_side=8, pred_iou_thresh=0.5, stability_score_thresh=0.7, box_nms_thresh=0.6,
                  crop_n_layers=2, crop_n_points_downscale_factor=2, crop_nms_thresh=0.65),
    "all crops": dict(points_per_side=6, pred_iou_thresh=0.3, stability_score_thresh=0.5, box_nms_thresh=0.95,
                      crop_n_layers=1, crop_nms_thresh=0.95, crop_overlap_ratio=0.5),
    "regions": dict(points_per_side=8, pred_iou_thresh=0.3, stability_score_thresh=0.3, box_nms_thresh=0.9,
                    crop_n_layers=1, min_mask_region_area=30),
}
FORMULA_SIZE = (150, 110)

# Centre, radius, sharpness of the edge and score.
OBJECTS = [
    (30.0, 25.0, 14.0, 1.0, 0.9), (80.0, 30.0, 22.0, 0.5, 0.85), (125.0, 20.0, 9.0, 2.0, 0.7),
    (40.0, 80.0, 20.0, 0.25, 0.8), (110.0, 80.0, 26.0, 1.5, 0.95), (70.0, 65.0, 6.0, 3.0, 0.6),
]


class Formula(SamAutomaticMaskGenerator):
    """Discs of three sizes around the object nearest to a point; the largest with a hole and a speck."""

    def __init__(self, **settings):
        super().__init__(model(), output_mode="uncompressed_rle", **settings)
        self.predictor.set_image = lambda image: None
        self.predictor.predict_torch = self.predict

    def _process_crop(self, image, crop_box, layer, size):
        self.crop = crop_box
        return super()._process_crop(image, crop_box, layer, size)

    def _process_batch(self, points, *rest):
        self.points = points
        return super()._process_batch(points, *rest)

    def predict(self, *_, **__):
        x0, y0, x1, y1 = self.crop
        y, x = np.mgrid[y0:y1, x0:x1].astype(np.float64)
        masks, scores = [], []
        for px, py in self.points:
            px, py = px + x0, py + y0
            distances = [np.hypot(px - cx, py - cy) for cx, cy, *_ in OBJECTS]
            cx, cy, radius, sharpness, score = OBJECTS[int(np.argmin(distances))]
            for size, bonus in [(0.6, 0.0), (1.0, 0.05), (1.5, -0.1)]:
                logits = radius * size - np.hypot(x - cx, y - cy)
                if size > 1:
                    logits = np.where(np.hypot(x - cx, y - cy) < 2.6, -3.0, logits)
                    logits = np.where(np.hypot(x - cx - 2 * radius, y - cy) < 2.1, 3.0, logits)
                masks.append(logits * sharpness)
                scores.append(score + bonus - min(distances) / 100)
        shape = (len(self.points), 3, y1 - y0, x1 - x0)
        masks = torch.tensor(np.array(masks)).float().reshape(shape)
        return masks, torch.tensor(scores).float().reshape(shape[:2]), None


def picture(width, height):
    """Bytes that both sides can make: edges, gradients, repetition."""
    x, y, c = np.meshgrid(np.arange(width), np.arange(height), np.arange(3), indexing="xy")
    return ((x * 7 + y * 13 + c * 50 + x * y // 5) % 256).astype(np.uint8)


def scene(width, height):
    """A picture with objects, from the same kind of formula."""
    image = picture(width, height) // 16 + 60
    y, x = np.mgrid[:height, :width]
    for column, row, radius, shade in [
        (0.2, 0.3, 0.15, 150), (0.5, 0.25, 0.1, 90), (0.8, 0.3, 0.13, 120), (0.3, 0.75, 0.12, 110), (0.7, 0.7, 0.2, 140),
    ]:
        image[(x - column * width) ** 2 + (y - row * height) ** 2 < (radius * height) ** 2] += shade
    return image


def model():
    norm = partial(torch.nn.LayerNorm, eps=1e-6)
    sam = Sam(
        image_encoder=ImageEncoderViT(
            img_size=SIDE, patch_size=8, embed_dim=192, depth=6, num_heads=3, mlp_ratio=4, out_chans=128,
            qkv_bias=True, norm_layer=norm, use_rel_pos=True, window_size=8, global_attn_indexes=[2, 5],
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=128, image_embedding_size=(16, 16), input_image_size=(SIDE, SIDE), mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3, transformer_dim=128, iou_head_depth=3, iou_head_hidden_dim=128,
            transformer=TwoWayTransformer(depth=2, embedding_dim=128, num_heads=4, mlp_dim=256),
        ),
        pixel_mean=[123.675, 116.28, 103.53], pixel_std=[58.395, 57.12, 57.375],
    ).eval()
    weights = load_file(HERE.parents[1] / "assets/sam_nano.safetensors")
    weights.pop("prompt_tokens")
    sam.load_state_dict({key: value.float() for key, value in weights.items()}, strict=True)
    return sam


def main():
    out = {}
    for width, height, target in RESIZES:
        rows, columns = ResizeLongestSide.get_preprocess_shape(height, width, target)
        if rows and columns:
            resized = ResizeLongestSide(target).apply_image(picture(width, height))
        else:
            # The original fails on a line that shrinks to nothing; it uses Pillow, and so does this.
            resized = Image.fromarray(picture(width, height)).resize(
                (max(columns, 1), max(rows, 1)), Image.Resampling.BILINEAR)
        out[f"resize.{width}x{height}.{target}"] = torch.from_numpy(np.array(resized))

    sam = model()
    torch.manual_seed(3)
    low_res = torch.randn(1, 2, 64, 64)
    out["upscale.low_res"] = low_res
    for width, height in UPSCALES:
        shown = ResizeLongestSide.get_preprocess_shape(height, width, SIDE)
        shown = tuple(max(side, 1) for side in shown)
        out[f"upscale.{width}x{height}"] = sam.postprocess_masks(low_res, shown, (height, width))

    # The whole way: image and prompts in its own pixels to masks of its size.
    image = scene(100, 80)
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    masks, iou, low_res = predictor.predict(
        point_coords=np.array([[30.0, 32.0], [70.5, 48.0], [3.0, 77.0]]), point_labels=np.array([1, 1, 0]),
        box=np.array([10.0, 8.0, 90.0, 75.0]), multimask_output=True, return_logits=True,
    )
    out["predict.image"] = torch.from_numpy(image)
    out["predict.embedding"] = predictor.get_image_embedding()
    out["predict.mask_logits"] = torch.from_numpy(masks)[None]
    out["predict.iou_predictions"] = torch.from_numpy(iou)[None]
    out["predict.low_res_masks"] = torch.from_numpy(low_res)[None]

    wide = scene(260, 200)
    out["automatic.image"] = torch.from_numpy(wide)
    save_file({k: v.detach().clone().contiguous() for k, v in out.items()}, HERE / "predictor.safetensors")
    found = {}
    for name, settings in AUTOMATIC.items():
        found[name] = records(SamAutomaticMaskGenerator(sam, output_mode="uncompressed_rle", **settings), wide, settings)
    (HERE / "automatic.json").write_text(json.dumps(found) + "\n")
    found = {}
    for name, settings in FORMULA.items():
        found[name] = records(Formula(**settings), picture(*FORMULA_SIZE), settings)
    (HERE / "automatic_formula.json").write_text(json.dumps(found) + "\n")


def records(generator, image, settings):
    masks = generator.generate(image)
    for mask in masks:
        mask["segmentation"]["counts"] = [int(count) for count in mask["segmentation"]["counts"]]
        for key in ("bbox", "crop_box"):
            mask[key] = [int(value) for value in mask[key]]
        for key in ("predicted_iou", "stability_score"):
            mask[key] = float(mask[key])
        mask["area"] = int(mask["area"])
        mask["point_coords"] = [float(value) for value in mask["point_coords"][0]]
    print(len(masks), [(mask["area"], mask["bbox"], mask["crop_box"]) for mask in masks][:9])
    return dict(settings=settings, masks=masks)


if __name__ == "__main__":
    main()
