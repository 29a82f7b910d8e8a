"""Writes the fixtures of this folder: what PyTorch and HF peft compute for a small model.

SALT and S-SAM are written here as method.md section 1 states them, in the dense form of the
reference code (the whole matrix U S' Vt rebuilt each time); LoRA and its kin are HF peft's own.
Everything runs in float64 (PiSSA and OLoRA in float32) and is stored in float32.

    pip install torch==2.6.0 peft==0.21.2 safetensors
    python generate.py
"""

import copy
import os
import tempfile

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD, TAIL = 2, 2
LAYERS = ["conv", "fc1", "fc2"]


class Net(nn.Module):
    """A wide convolution, a tall and a wide linear layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.fc1 = nn.Linear(6, 9)
        self.fc2 = nn.Linear(9, 5)

    def forward(self, x):
        x = F.relu(self.conv(x)).mean((2, 3))
        return self.fc2(torch.tanh(self.fc1(x)))

    def run(self, x, weights):
        x = F.conv2d(x, weights["conv"], self.conv.bias, padding=1)
        x = F.relu(x).mean((2, 3))
        x = torch.tanh(F.linear(x, weights["fc1"], self.fc1.bias))
        return F.linear(x, weights["fc2"], self.fc2.bias)


def canonical_svd(weight):
    """Thin SVD with the entry of largest magnitude of every left vector positive."""
    u, s, vt = torch.linalg.svd(weight.flatten(1), full_matrices=False)
    sign = u.gather(0, u.abs().argmax(0, keepdim=True)).sign()
    return u * sign, s, vt * sign.T


def salt_weight(weight, factors, relu):
    """U blockdiag(f(diag(a s + b)), f(diag(s) + X Y)) Vt, dense as in the reference code."""
    u, s, vt = canonical_svd(weight)
    head = torch.diag(factors["scale"] * s[:HEAD] + factors["shift"])
    tail = torch.diag(s[HEAD:]) + factors["x"] @ factors["y"]
    if relu == "full":
        core = F.relu(torch.block_diag(head, tail))
    elif relu == "head":
        core = torch.block_diag(F.relu(head), tail)
    else:
        core = torch.block_diag(head, tail)
    return (u @ core @ vt).reshape(weight.shape)


def salt_penalty(weight, factors):
    _, s, _ = canonical_svd(weight)
    head = factors["scale"] * s[:HEAD] + factors["shift"] - s[:HEAD]
    return head.norm() + (factors["x"] @ factors["y"]).norm()


def ssam_weight(weight, factors):
    u, s, vt = canonical_svd(weight)
    return (u @ torch.diag(F.relu(factors["scale"] * s + factors["shift"])) @ vt).reshape(weight.shape)


def leaf(*shape, around=0.0, spread=1.0):
    return (around + spread * torch.randn(*shape)).requires_grad_()


def run(out, case, net, x, target, factors, effective, extra=0.0):
    """Forward, gradient of every factor, effective weight of every layer."""
    weights = {name: effective(getattr(net, name).weight.detach(), factors[name]) for name in LAYERS}
    output = net.run(x, weights)
    loss = (output * target).sum() + extra
    loss.backward()
    out[f"{case}.output"] = output
    for name in LAYERS:
        out[f"{case}.merged.{name}"] = weights[name]
        for field, value in factors[name].items():
            out[f"{case}.factor.{name}.{field}"] = value
            out[f"{case}.grad.{name}.{field}"] = value.grad


def hf_case(out, case, net, x, target, **settings):
    """LoRA or one of its kin by HF peft: its file, forward, gradients and merged weights."""
    settings = {"target_modules": LAYERS, "lora_dropout": 0.0, **settings}
    adapted = get_peft_model(copy.deepcopy(net), LoraConfig(r=3, lora_alpha=6, **settings))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_magnitude" in name:
                parameter.mul_((1 + 0.3 * torch.rand(parameter.shape)).float())
            elif "lora_" in name:
                parameter.copy_((0.5 * torch.randn(parameter.shape)).float())
    output = adapted(x)
    (output * target).sum().backward()
    out[f"{case}.output"] = output
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            name = name.removeprefix("base_model.model.").replace(".default", "")
            layer, field = name.removesuffix(".weight").split(".lora_")
            field = field.removesuffix("_vector").lower()
            out[f"{case}.grad.{layer}.{field}"] = parameter.grad
    with tempfile.TemporaryDirectory() as folder:
        adapted.save_pretrained(folder)
        tensors = load_file(os.path.join(folder, "adapter_model.safetensors"))
        tensors = {name: tensor.float().contiguous() for name, tensor in tensors.items()}
        save_file(tensors, os.path.join(HERE, f"hf_{case}.safetensors"), metadata={"format": "pt"})
    merged = adapted.merge_and_unload()
    for name in LAYERS:
        out[f"{case}.merged.{name}"] = getattr(merged, name).weight


def main():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    net = Net()
    for parameter in net.parameters():
        parameter.requires_grad_(False)
        parameter.copy_(parameter.float().double())
    x, target = torch.randn(2, 3, 5, 5).float().double(), torch.randn(2, 5).float().double()
    out = {"input": x, "target": target}
    for name, parameter in net.named_parameters():
        out[f"base.{name}"] = parameter.clone()

    for relu in ["head", "full", "off"]:
        factors = {}
        for name in LAYERS:
            k = min(getattr(net, name).weight.flatten(1).shape)
            # The first scale is negative, so that relu has something to do.
            scale = torch.tensor([-0.4, 1.3]).requires_grad_()
            factors[name] = {
                "scale": scale,
                "shift": leaf(HEAD, spread=0.2),
                "x": leaf(k - HEAD, TAIL, spread=0.6),
                "y": leaf(TAIL, k - HEAD, spread=0.6),
            }
        run(out, f"salt_{relu}", net, x, target, factors, lambda w, f: salt_weight(w, f, relu))
        if relu == "head":
            for layer in factors.values():
                for value in layer.values():
                    value.grad = None
            penalty = sum(salt_penalty(getattr(net, n).weight, factors[n]) for n in LAYERS)
            (0.25 * penalty).backward()
            out["penalty.value"] = 0.25 * penalty.reshape(1)
            for name in LAYERS:
                for field, value in factors[name].items():
                    out[f"penalty.grad.{name}.{field}"] = value.grad

    factors = {}
    for name in LAYERS:
        k = min(getattr(net, name).weight.flatten(1).shape)
        factors[name] = {"scale": leaf(k, around=0.8, spread=0.6), "shift": leaf(k, spread=0.3)}
    run(out, "ssam", net, x, target, factors, ssam_weight)

    hf_case(out, "lora", net, x, target)
    hf_case(out, "rslora", net, x, target, use_rslora=True)
    hf_case(out, "dora", net, x, target, use_dora=True)
    # HF peft decomposes linear layers only, and in float32 only.
    for case in ["pissa", "olora"]:
        layers = {"target_modules": ["fc1", "fc2"], "init_lora_weights": case}
        torch.set_default_dtype(torch.float32)
        hf_case(out, case, net.float(), x.float(), target.float(), **layers)
        torch.set_default_dtype(torch.float64)
        net.double()

    out = {name: tensor.detach().float().clone().contiguous() for name, tensor in out.items()}
    save_file(out, os.path.join(HERE, "parity.safetensors"))


if __name__ == "__main__":
    main()
