"""The optimiser and its schedule."""

import math
from typing import Literal

import torch
from timm.optim import Lars
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def build_optimizer(
    module: nn.Module,
    name: Literal["adamw", "lars"],
    lr: float,
    weight_decay: float,
    momentum: float = 0.9,
) -> Optimizer:
    """AdamW or LARS, with biases and norm parameters free of weight decay and of LARS's adaptation.

    Args:
        module: Whose trainable parameters are optimised.
        name: ``adamw``, or ``lars`` (You et al. 2017, https://arxiv.org/abs/1708.03888).
        lr: Peak learning rate.
        weight_decay: Decay of matrices and convolutions.
        momentum: Of LARS.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        # timm's LARS adapts the groups that decay, and only those.
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr)
    return Lars(groups, lr=lr, momentum=momentum)


def warmup_cosine(optimizer: Optimizer, warmup_steps: int, total_steps: int) -> LambdaLR:
    """Linear warm-up to the peak, then a half cosine to 0, by step.

    Args:
        optimizer: Whose groups' learning rates are scaled.
        warmup_steps: Steps up to the peak; 0 starts there.
        total_steps: Steps in all.
    """

    def scale(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return LambdaLR(optimizer, scale)


def scaled_lr(lr: float, batch_size: int, rule: Literal["none", "linear", "sqrt"]) -> float:
    """Learning rate for a global batch: ``lr``, ``lr · batch / 256`` or ``lr · √batch``.

    Example:
        >>> scaled_lr(0.075, 4096, "sqrt"), scaled_lr(0.3, 1024, "linear")
        (4.8, 1.2)
    """
    return lr * {"none": 1.0, "linear": batch_size / 256, "sqrt": math.sqrt(batch_size)}[rule]
