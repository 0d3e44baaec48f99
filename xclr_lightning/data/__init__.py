"""Pictures with captions or labels: where they are read from, and how they become batches."""

from xclr_lightning.data.datamodule import GraphDataModule
from xclr_lightning.data.decode import BadImage
from xclr_lightning.data.folder import ImageFolder
from xclr_lightning.data.locate import locate, open_source
from xclr_lightning.data.photometric import Photometric
from xclr_lightning.data.shards import Shards
from xclr_lightning.data.source import Source
from xclr_lightning.data.table import Table
from xclr_lightning.data.torchvision_set import TorchvisionSet
from xclr_lightning.data.views import EvalView, RandomCropView, TransformView, View

__all__ = [
    "BadImage",
    "EvalView",
    "GraphDataModule",
    "ImageFolder",
    "Photometric",
    "RandomCropView",
    "Shards",
    "Source",
    "Table",
    "TorchvisionSet",
    "TransformView",
    "View",
    "locate",
    "open_source",
]
