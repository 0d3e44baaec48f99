"""One LightningModule an objective; those that learn from a graph are each a target over the same module."""

from xclr_lightning.objectives.barlow_twins import BarlowTwins
from xclr_lightning.objectives.base import BackboneModule
from xclr_lightning.objectives.clip import CLIP
from xclr_lightning.objectives.linear_probe import LinearProbe
from xclr_lightning.objectives.module import ContrastiveModule
from xclr_lightning.objectives.pretrained import Pretrained
from xclr_lightning.objectives.samples import Samples
from xclr_lightning.objectives.simclr import SimCLR
from xclr_lightning.objectives.soft_clip import SoftCLIP
from xclr_lightning.objectives.supcon import SupCon
from xclr_lightning.objectives.teacher_xclr import TeacherXCLR
from xclr_lightning.objectives.text_tower import TextTower
from xclr_lightning.objectives.vicreg import VICReg
from xclr_lightning.objectives.xclr import XCLR

__all__ = [
    "CLIP",
    "XCLR",
    "BackboneModule",
    "BarlowTwins",
    "ContrastiveModule",
    "LinearProbe",
    "Pretrained",
    "Samples",
    "SimCLR",
    "SoftCLIP",
    "SupCon",
    "TeacherXCLR",
    "TextTower",
    "VICReg",
]
