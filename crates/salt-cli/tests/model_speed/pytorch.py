"""One measurement of SAM in PyTorch, as one line of JSON: the peer of examples/model_speed.

transformers' SamModel with random weights. The methods are HF peft's LoRA, full fine-tuning, and SALT
in the form of its reference code: the weight is built from its decomposition in every forward pass.
"""

import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F
import transformers

# Head ranks of the paper's setting, and the rank of the tail.
SALT_RANKS = {"qkv": 760, "proj": 760, "lin1": 50, "lin2": 50, "conv1": 250, "conv2": 250}
SALT_TAIL = 256


class Salt(torch.nn.Module):
    """A linear layer or convolution whose weight is U relu(core) Vt, built when it is used."""

    def __init__(self, layer, head):
        super().__init__()
        self.layer = layer
        weight = layer.weight.data
        u, s, vt = torch.linalg.svd(weight.flatten(1), full_matrices=False)
        for name, value in (("u", u), ("s", s), ("vt", vt)):
            self.register_buffer(name, value)
        tail = s.numel() - head
        self.scale = torch.nn.Parameter(torch.ones(head, device=weight.device, dtype=weight.dtype))
        self.shift = torch.nn.Parameter(torch.zeros(head, device=weight.device, dtype=weight.dtype))
        self.x = torch.nn.Parameter(torch.randn(tail, SALT_TAIL, device=weight.device, dtype=weight.dtype) * 0.01)
        self.y = torch.nn.Parameter(torch.zeros(SALT_TAIL, tail, device=weight.device, dtype=weight.dtype))

    def forward(self, value):
        head = self.scale.numel()
        diagonal = torch.cat([self.scale * self.s[:head] + self.shift, self.s[head:]])
        core = torch.diag(diagonal)
        core = core + F.pad(self.x @ self.y, (head, 0, head, 0))
        weight = self.u @ torch.relu(core) @ self.vt
        if isinstance(self.layer, torch.nn.Conv2d):
            weight = weight.reshape(self.layer.weight.shape)
            return F.conv2d(value, weight, self.layer.bias, self.layer.stride, self.layer.padding)
        return F.linear(value, weight, self.layer.bias)


def replace(module):
    for name, child in module.named_children():
        if name in SALT_RANKS and isinstance(child, (torch.nn.Linear, torch.nn.Conv2d)):
            setattr(module, name, Salt(child, SALT_RANKS[name]))
        else:
            replace(child)


class Segmenter(torch.nn.Module):
    """Image encoder, and the decoder with one learned token as its prompt."""

    def __init__(self, sam, size):
        super().__init__()
        self.sam, self.size = sam, size
        self.token = torch.nn.Parameter(torch.randn(1, 1, 1, 256))

    def forward(self, pixels):
        sam, batch = self.sam, pixels.shape[0]
        embedding = sam.vision_encoder(pixels).last_hidden_state
        positions = sam.get_image_wide_positional_embeddings().to(embedding)
        dense = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand_as(embedding)
        masks = sam.mask_decoder(
            image_embeddings=embedding,
            image_positional_embeddings=positions.expand(batch, -1, -1, -1),
            sparse_prompt_embeddings=self.token.expand(batch, 1, 1, -1),
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )[0]
        return F.interpolate(masks[:, 0].float(), (self.size, self.size), mode="bilinear", align_corners=False)


def loss_of(logits, target):
    """Focal (alpha .75, gamma 3) and soft Dice over the batch, as the trainer's default."""
    cross = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    p = torch.sigmoid(logits)
    p_t = p * target + (1 - p) * (1 - target)
    alpha = 0.75 * target + 0.25 * (1 - target)
    focal = (alpha * (1 - p_t) ** 3 * cross).mean()
    dice = 1 - (2 * (p * target).sum() + 1) / (p.sum() + target.sum() + 1)
    return focal + dice


def build(args, device):
    """ViT-B, which is what transformers' configuration is by default."""
    vision = transformers.SamVisionConfig(image_size=args.size)
    prompt = transformers.SamPromptEncoderConfig(image_size=args.size, image_embedding_size=args.size // 16)
    config = transformers.SamConfig(vision_config=vision.to_dict(), prompt_encoder_config=prompt.to_dict())
    torch.manual_seed(0)
    sam = transformers.SamModel._from_config(config, attn_implementation=args.attention)
    return sam.to(device, dtype_of(args))


def dtype_of(args):
    return torch.bfloat16 if args.precision == "bf16" else torch.float32


def pixels_of(args, device):
    return torch.randn(args.batch, 3, args.size, args.size, device=device, dtype=dtype_of(args))


def trained(args, sam, device):
    model = Segmenter(sam, args.size)
    if args.method == "full":
        return model.to(device)
    for parameter in sam.parameters():
        parameter.requires_grad_(False)
    if args.method == "paper-salt-256":
        replace(sam.vision_encoder)
        for name, parameter in sam.named_parameters():
            if "norm" in name or "pos_embed" in name:
                parameter.requires_grad_(True)
    elif args.method in ("lora", "dora", "pissa"):
        import peft

        start = "pissa" if args.method == "pissa" else True
        config = peft.LoraConfig(r=args.rank, lora_alpha=args.rank, init_lora_weights=start,
                                 use_dora=args.method == "dora", target_modules=r".*layers\.\d+\.attn\.(qkv|proj)")
        peft.inject_adapter_in_model(config, sam.vision_encoder)
    elif args.method != "frozen":
        raise SystemExit(f"{args.method} has no peer")
    return model.to(device)


def measure(args, device, work):
    """Medians of the whole and of the parts; `work` is a function of the function that ends a part."""
    runs = []
    for repeat in range(args.warmup + args.repeats):
        laps = {}
        since = [0.0]

        def end(part):
            if device == "cuda":
                torch.cuda.synchronize()
            now = time.perf_counter()
            laps[part] = now - since[0]
            since[0] = now

        if device == "cuda":
            torch.cuda.synchronize()
        since[0] = time.perf_counter()
        work(end)
        if repeat >= args.warmup:
            runs.append(laps)
    parts = [[name, statistics.median(run[name] for run in runs)] for name in runs[0]]
    return statistics.median(sum(run.values()) for run in runs), parts


def step(args, device):
    sam = build(args, device)
    model = trained(args, sam, device).train()
    pixels = pixels_of(args, device)
    axis = torch.arange(args.size, device=device) - args.size / 2
    target = ((axis[None] ** 2 + axis[:, None] ** 2).sqrt() < args.size / 4).float()
    target = target.expand(args.batch, 1, -1, -1)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=1e-2)
    forward = torch.compile(model) if args.compile else model

    def work(end):
        with torch.autocast(device, torch.bfloat16, enabled=args.autocast):
            loss = loss_of(forward(pixels), target)
        if not torch.isfinite(loss):
            raise SystemExit("the loss is not finite")
        end("forward")
        loss.backward()
        end("backward")
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        end("optimizer")

    return measure(args, device, work)


@torch.inference_mode()
def encode(args, device):
    sam = build(args, device).eval()
    pixels = pixels_of(args, device)
    encoder = torch.compile(sam.vision_encoder) if args.compile else sam.vision_encoder

    def work(end):
        encoder(pixels)
        end("encode")

    return measure(args, device, work)


@torch.inference_mode()
def decode(args, device):
    sam = build(args, device).eval()
    pixels = pixels_of(args, device)
    embedding = sam.vision_encoder(pixels).last_hidden_state
    corner, far = args.size * 0.25, args.size * 0.75
    boxes = torch.tensor([[[corner, corner, far, far]]], device=device).expand(args.batch, 1, 4)

    def work(end):
        sam(image_embeddings=embedding, input_boxes=boxes, multimask_output=True)
        end("decode")

    return measure(args, device, work)


def attach(args, device):
    """The decompositions of all adapted weights."""
    sam = build(args, device)

    def work(end):
        for name, parameter in sam.vision_encoder.named_parameters():
            if name.endswith("weight") and any(f".{key}." in f".{name}" for key in SALT_RANKS):
                torch.linalg.svd(parameter.data.flatten(1), full_matrices=False)
        end("attach")

    return measure(args, device, work)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", choices=["step", "encode", "decode", "attach"], required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--method", default="paper-salt-256")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--autocast", action="store_true", help="weights of --precision, products in bf16")
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--attention", default="sdpa")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if args.tf32:
        torch.set_float32_matmul_precision("high")
    work = {"step": step, "encode": encode, "decode": decode, "attach": attach}[args.work]
    seconds, parts = work(args, args.device)
    report = {
        "seconds": seconds * args.repeats,
        "samples": args.repeats,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "program": f"torch {torch.__version__}, transformers {transformers.__version__}",
        "parts": parts,
    }
    if args.device == "cuda":
        report["gpu_mb"] = torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps(report))


if __name__ == "__main__":
    main()
