"""Contrastive objectives as pure functions: one kernel, and a target for each objective."""

from xclr_lightning.losses.contrastive import contrastive_cross_entropy
from xclr_lightning.losses.objectives import nt_xent_loss, supcon_loss, xclr_loss
from xclr_lightning.losses.targets import normalize_target, soft_weights

__all__ = [
    "contrastive_cross_entropy",
    "normalize_target",
    "nt_xent_loss",
    "soft_weights",
    "supcon_loss",
    "xclr_loss",
]
