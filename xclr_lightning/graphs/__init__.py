"""Similarity graphs: where their values come from, how they are stored, how they are looked up."""

from xclr_lightning.graphs.base import GraphSource, SimilarityGraph
from xclr_lightning.graphs.caption import CaptionGraph
from xclr_lightning.graphs.class_graph import ClassGraph
from xclr_lightning.graphs.class_name import ClassNameGraph
from xclr_lightning.graphs.class_table import ClassTableGraph
from xclr_lightning.graphs.clip_text import ClipTextGraph
from xclr_lightning.graphs.embedding import EmbeddingGraph
from xclr_lightning.graphs.formula import FormulaGraph
from xclr_lightning.graphs.function import FunctionGraph
from xclr_lightning.graphs.label import LabelGraph
from xclr_lightning.graphs.metadata import MetadataGraph
from xclr_lightning.graphs.neighbour_list import NeighbourGraph
from xclr_lightning.graphs.neighbour_source import NeighbourListGraph
from xclr_lightning.graphs.projected import ProjectedGraph
from xclr_lightning.graphs.random_graph import RandomGraph
from xclr_lightning.graphs.taxonomy_graph import TaxonomyGraph
from xclr_lightning.graphs.weighted_sum import WeightedSum
from xclr_lightning.graphs.wordnet import WordNetGraph

__all__ = [
    "CaptionGraph",
    "ClassGraph",
    "ClassNameGraph",
    "ClassTableGraph",
    "ClipTextGraph",
    "EmbeddingGraph",
    "FormulaGraph",
    "FunctionGraph",
    "GraphSource",
    "LabelGraph",
    "MetadataGraph",
    "NeighbourGraph",
    "NeighbourListGraph",
    "ProjectedGraph",
    "RandomGraph",
    "SimilarityGraph",
    "TaxonomyGraph",
    "WeightedSum",
    "WordNetGraph",
]
