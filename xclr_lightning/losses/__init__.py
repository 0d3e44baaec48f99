"""Contrastive objectives as pure functions: one kernel, and a target for each objective."""

from xclr_lightning.losses.contrastive import contrastive_cross_entropy
from xclr_lightning.losses.objectives import nt_xent_loss, supcon_loss, xclr_loss
from xclr_lightning.losses.targets import soft_target, uniform_target

__all__ = [
    "contrastive_cross_entropy",
    "nt_xent_loss",
    "soft_target",
    "supcon_loss",
    "uniform_target",
    "xclr_loss",
]
