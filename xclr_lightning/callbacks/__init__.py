"""What runs at epoch end: evaluations, figures, and what the user is told."""

from xclr_lightning.callbacks.agreement import Agreement
from xclr_lightning.callbacks.embedding_projector import EmbeddingProjector
from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.feature_probe import FeatureProbe
from xclr_lightning.callbacks.few_shot import FewShot
from xclr_lightning.callbacks.graph_report import GraphReport
from xclr_lightning.callbacks.imagenet9 import ImageNet9
from xclr_lightning.callbacks.imagenet_real import ImageNetReal
from xclr_lightning.callbacks.imagenet_shift import ImageNetShift
from xclr_lightning.callbacks.knn import KNN
from xclr_lightning.callbacks.labelled import KNNSet
from xclr_lightning.callbacks.linear_probe import OnlineProbe, ProbeSet
from xclr_lightning.callbacks.mit_states import MITStates
from xclr_lightning.callbacks.neighbour_sheet import NeighbourSheet
from xclr_lightning.callbacks.objectnet import ObjectNet
from xclr_lightning.callbacks.retrieval import Retrieval, RetrievalSet
from xclr_lightning.callbacks.scalar_layout import ScalarLayout
from xclr_lightning.callbacks.similarity_figure import SimilarityFigure
from xclr_lightning.callbacks.view_sheet import ViewSheet
from xclr_lightning.callbacks.zero_shot import ZeroShot, ZeroShotSet

__all__ = [
    "KNN",
    "Agreement",
    "EmbeddingProjector",
    "Evaluation",
    "FeatureProbe",
    "FewShot",
    "GraphReport",
    "ImageNet9",
    "ImageNetReal",
    "ImageNetShift",
    "KNNSet",
    "MITStates",
    "NeighbourSheet",
    "ObjectNet",
    "OnlineProbe",
    "ProbeSet",
    "Retrieval",
    "RetrievalSet",
    "ScalarLayout",
    "SimilarityFigure",
    "ViewSheet",
    "ZeroShot",
    "ZeroShotSet",
]
