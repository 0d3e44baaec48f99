"""Contrastive objectives as pure functions: one kernel, and a target for each objective."""

from xclr_lightning.losses.barlow_twins import barlow_twins_graph_loss
from xclr_lightning.losses.clip import clip_loss, soft_clip_loss
from xclr_lightning.losses.contrastive import contrastive_cross_entropy
from xclr_lightning.losses.objectives import nt_xent_loss, supcon_loss, xclr_loss
from xclr_lightning.losses.targets import normalize_target, soft_weights
from xclr_lightning.losses.vicreg import vicreg_graph_loss

__all__ = [
    "barlow_twins_graph_loss",
    "clip_loss",
    "contrastive_cross_entropy",
    "normalize_target",
    "nt_xent_loss",
    "soft_clip_loss",
    "soft_weights",
    "supcon_loss",
    "vicreg_graph_loss",
    "xclr_loss",
]
