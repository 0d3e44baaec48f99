"""Similarity graphs: where their values come from, how they are stored, how they are looked up."""

from xclr_lightning.graphs.base import GraphSource, SimilarityGraph
from xclr_lightning.graphs.caption import CaptionGraph
from xclr_lightning.graphs.embedding import EmbeddingGraph

__all__ = ["CaptionGraph", "EmbeddingGraph", "GraphSource", "SimilarityGraph"]
