"""One LightningModule an objective, each a target over the same ContrastiveModule."""

from xclr_lightning.objectives.module import ContrastiveModule, Samples
from xclr_lightning.objectives.simclr import SimCLR
from xclr_lightning.objectives.supcon import SupCon
from xclr_lightning.objectives.xclr import XCLR

__all__ = ["XCLR", "ContrastiveModule", "Samples", "SimCLR", "SupCon"]
