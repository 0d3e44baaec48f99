"""The optimiser and its schedule."""

import math
from typing import Any, Literal

from timm.optim import Lars, param_groups_layer_decay
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR


def build_optimizer(
    groups: list[dict[str, Any]], name: Literal["adamw", "lars", "sgd"], momentum: float = 0.9
) -> Optimizer:
    """AdamW, LARS or SGD.

    Args:
        groups: Of :func:`parameter_groups`.
        name: ``adamw``; ``lars`` (You et al. 2017, https://arxiv.org/abs/1708.03888), which adapts the step of each
            matrix and convolution to its norm, and leaves biases and norms alone; ``sgd``.
        momentum: Of LARS and SGD.
    """
    if name == "adamw":
        return AdamW(groups)
    if name == "sgd":
        return SGD(groups, momentum=momentum)
    # By itself timm's LARS would adapt what decays, so nothing at all where weight decay is 0.
    return Lars([{**group, "always_adapt": group["matrices"]} for group in groups], momentum=momentum)


def parameter_groups(
    module: nn.Module,
    backbone: nn.Module,
    lr: float,
    weight_decay: float,
    backbone_lr_scale: float = 1.0,
    layer_decay: float = 1.0,
) -> list[dict[str, Any]]:
    """Trainable parameters with their learning rates and weight decay, for any optimiser.

    Biases, norm parameters and what the backbone names in ``no_weight_decay`` (such as position embeddings) do not
    decay.

    Args:
        module: All that is trained.
        backbone: The timm model in it.
        lr: Peak learning rate.
        weight_decay: Decay of matrices and convolutions.
        backbone_lr_scale: Learning rate of the backbone's last layer, as a share of ``lr``.
        layer_decay: Learning rate of each layer of the backbone before that, as a share of the next one's.

    Returns:
        Groups with ``params``, ``lr``, ``weight_decay``, and ``matrices``: whether they may decay and LARS adapts them.
    """
    kept = backbone.no_weight_decay() if hasattr(backbone, "no_weight_decay") else ()  # type: ignore[operator]
    layers = param_groups_layer_decay(backbone, 1.0, kept, layer_decay=layer_decay)
    settings = {
        p: (lr * backbone_lr_scale * layer["lr_scale"], layer["weight_decay"] > 0)
        for layer in layers
        for p in layer["params"]
    }
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for p in module.parameters():
        if p.requires_grad:
            rate, matrix = settings.get(p, (lr, p.ndim > 1))
            group = {"params": [], "lr": rate, "weight_decay": weight_decay * matrix, "matrices": matrix}
            groups.setdefault((rate, matrix), group)["params"].append(p)
    return list(groups.values())


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
