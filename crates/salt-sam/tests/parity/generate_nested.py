"""Writes nested.pth: what MedSAM's `train_one_gpu.py` saves while it trains, with two small tensors for a model.

    pip install torch
    python crates/salt-sam/tests/parity/generate_nested.py
"""

from pathlib import Path

import torch

weights = {
    "module.image_encoder.pos_embed": torch.tensor([1.0, 2.0, 3.0]),
    "module.mask_decoder.iou_token.weight": torch.tensor([[4.0]]),
}
parameters = [torch.nn.Parameter(value.clone()) for value in weights.values()]
optimizer = torch.optim.AdamW(parameters)
sum(parameter.sum() for parameter in parameters).backward()
optimizer.step()
checkpoint = {"model": weights, "optimizer": optimizer.state_dict(), "epoch": 3}
torch.save(checkpoint, Path(__file__).parent / "nested.pth")
