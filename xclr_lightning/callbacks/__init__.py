"""What runs at epoch end: evaluations, figures, and what the user is told."""

from xclr_lightning.callbacks.agreement import Agreement
from xclr_lightning.callbacks.graph_report import GraphReport
from xclr_lightning.callbacks.imagenet9 import ImageNet9
from xclr_lightning.callbacks.knn import KNN, KNNSet
from xclr_lightning.callbacks.mit_states import MITStates
from xclr_lightning.callbacks.similarity_figure import SimilarityFigure
from xclr_lightning.callbacks.zero_shot import ZeroShot, ZeroShotSet

__all__ = [
    "KNN",
    "Agreement",
    "GraphReport",
    "ImageNet9",
    "KNNSet",
    "MITStates",
    "SimilarityFigure",
    "ZeroShot",
    "ZeroShotSet",
]
