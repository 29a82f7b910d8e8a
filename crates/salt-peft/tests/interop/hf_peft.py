"""Adapter directories between this crate and Hugging Face peft, both ways.

    python hf_peft.py write DIR    writes DIR/base.safetensors, DIR/outputs.safetensors and DIR/<case>/ with peft
    python hf_peft.py check DIR    loads every directory below DIR/ours with peft and compares outputs and
                                   merged weights with what the crate computed

`cargo xtask parity` runs both around the crate's own half (tests/interop.rs) and writes the figures down.
The small directories in tests/interop/hf are the output of `write`; CI reads them without Python.
Needs torch, peft and safetensors.
"""

import copy
import json
import sys
from pathlib import Path

import peft
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn

TARGETS = ["stem", "qkv", "blocks.0", "blocks.1"]


class Net(nn.Module):
    """A convolution, a fused projection and linear layers around a norm; tests/interop.rs has the same."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.blocks = nn.ModuleList([nn.Linear(96, 14), nn.Linear(14, 14, bias=False)])
        self.norm = nn.LayerNorm(14)
        self.qkv = nn.Linear(14, 42)
        self.head = nn.Linear(14, 5)

    def forward(self, x):
        hidden = torch.relu(self.stem(x)).flatten(1)
        hidden = self.norm(self.blocks[0](hidden))
        q, k, v = self.qkv(hidden).chunk(3, dim=-1)
        return self.head(torch.relu(self.blocks[1](q * k + v)))


def net():
    torch.manual_seed(0)
    return Net().eval()


def inputs():
    return torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(1))


def cases():
    """Name, configuration, and whether PiSSA is converted to a LoRA while saving."""
    common = dict(r=3, lora_alpha=5, target_modules=TARGETS)
    yield "lora", LoraConfig(**common), False
    yield "rslora", LoraConfig(**common, use_rslora=True), False
    yield "dora", LoraConfig(**common, use_dora=True), False
    yield "rsdora", LoraConfig(**common, use_dora=True, use_rslora=True), False
    yield "gaussian", LoraConfig(**common, init_lora_weights="gaussian"), False
    linear = dict(common, target_modules=["qkv", "blocks.0", "blocks.1"])
    yield "pissa", LoraConfig(**linear, init_lora_weights="pissa"), False
    yield "pissa_converted", LoraConfig(**linear, init_lora_weights="pissa"), True
    yield "olora", LoraConfig(**linear, init_lora_weights="olora"), False
    patterns = dict(
        rank_pattern={"stem": 2, r"^blocks\.1": 4}, alpha_pattern={"qkv": 7, "blocks.0": 1}
    )
    yield "patterns", LoraConfig(**dict(common, r=1), **patterns), False
    yield "saved", LoraConfig(**common, modules_to_save=["norm", "head"]), False
    yield "regex", LoraConfig(**dict(common, target_modules=r".*\.[01]|stem")), False


def move(model):
    """Every trained value a little away from its start, as training would."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(0.1 * noise)


def write(root):
    root.mkdir(parents=True, exist_ok=True)
    base = net()
    save_file(base.state_dict(), root / "base.safetensors")
    outputs = {"inputs": inputs(), "base": base(inputs()).detach()}
    for name, config, convert in cases():
        torch.manual_seed(3)
        model = get_peft_model(copy.deepcopy(base), config).eval()
        arguments = {}
        if convert:
            # peft converts by the difference to the start, which it reads from a directory.
            start = root / "start"
            model.peft_config["default"].init_lora_weights = True
            model.save_pretrained(start)
            model.peft_config["default"].init_lora_weights = "pissa"
            arguments["path_initial_model_for_weight_conversion"] = str(start)
        move(model)
        outputs[name] = model(inputs()).detach()
        model.save_pretrained(root / name, **arguments)
        merged = model.merge_and_unload()
        for target in ["qkv", "blocks.0", "blocks.1", "stem"]:
            outputs[f"{name}.{target}.weight"] = merged.get_submodule(target).weight.detach().clone()
        # peft writes its targets in any order.
        path = root / name / "adapter_config.json"
        config = json.loads(path.read_text())
        if isinstance(config["target_modules"], list):
            config["target_modules"].sort()
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        readme = root / name / "README.md"
        if readme.exists():
            readme.unlink()
        if convert:
            for file in start.iterdir():
                file.unlink()
            start.rmdir()
    save_file({k: v.contiguous() for k, v in outputs.items()}, root / "outputs.safetensors")


def relative(found, expected):
    return ((found - expected).abs().max() / expected.abs().max().clamp_min(1e-30)).item()


def check(root):
    """One line of Markdown per directory; an exit code of 1 if any is off by more than the tolerance."""
    tolerance = 1e-5
    expected = load_file(root / "outputs.safetensors")
    base = net()
    base.load_state_dict(load_file(root.parent / "base.safetensors"))
    worst = 0.0
    print(f"torch {torch.__version__}, peft {peft.__version__}")
    print("| adapter of salt-peft, read by peft | type | rank | output | merged weights |")
    print("|---|---|---|---|---|")
    for path in sorted(p for p in root.iterdir() if p.is_dir()):
        model = PeftModel.from_pretrained(copy.deepcopy(base), str(path)).eval()
        config = model.peft_config["default"]
        kind = "DoRA" if config.use_dora else "LoRA"
        extra = path / "extra_parameters.safetensors"
        if extra.exists():
            missing = model.base_model.model.load_state_dict(load_file(extra), strict=False)
            assert not missing.unexpected_keys, missing.unexpected_keys
        output = relative(model(inputs()).detach(), expected[path.name])
        merged = model.merge_and_unload()
        weights = 0.0
        for target in ["qkv", "blocks.0", "blocks.1", "stem"]:
            found = merged.get_submodule(target).weight.detach()
            weights = max(weights, relative(found, expected[f"{path.name}.{target}.weight"]))
        worst = max(worst, output, weights)
        print(f"| {path.name} | {kind} | {config.r} | {output:.1e} | {weights:.1e} |")
    if worst > tolerance:
        sys.exit(f"the largest relative difference is {worst:.1e}, above {tolerance:.0e}")


if __name__ == "__main__":
    command, folder = sys.argv[1:]
    {"write": write, "check": check}[command](Path(folder))
