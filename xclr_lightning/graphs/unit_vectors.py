"""The distinct vectors of a graph of embeddings, read in blocks as unit rows in float32."""

from collections.abc import Sequence

import numpy as np
import torch

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import SimilarityGraph
from xclr_lightning.graphs.consecutive import Consecutive, Part
from xclr_lightning.graphs.embedding import EmbeddingGraph

# Samples whose similarities show whether a graph's are products of its nodes.
PROBES = 8


class UnitVectors:
    """Vectors in consecutive arrays, scaled to unit length in float32 as they are read.

    Args:
        parts: Usually half precision and memory-mapped. Shapes: ``(d_i, d)``, D in all; one without rows has any d.

    Example:
        >>> vectors = UnitVectors([np.array([[3, 4]]), np.array([[0, 2], [1, 0]])])
        >>> vectors[np.array([2, 0])]
        array([[1. , 0. ],
               [0.6, 0.8]], dtype=float32)
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._rows = Consecutive(parts)
        self.dimension = self._rows[:0].shape[1]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Unit vectors by number. Shape: ``(n, d)``, float32."""
        out = self._rows[rows].astype(np.float32)
        out /= np.maximum(np.sqrt(np.einsum("nd,nd->n", out, out))[:, None], 1e-12)
        return out


def unit_vectors(graph: SimilarityGraph, count: int, origin: str) -> tuple[UnitVectors, np.ndarray]:
    """The vectors whose products a graph's similarities are.

    Args:
        graph: Open, of embeddings.
        count: N, of samples.
        origin: Where the graph comes from, named in the message.

    Returns:
        D distinct vectors, and the number of each sample's one, shape ``(N,)``, int64.

    Raises:
        UserError: The graph's nodes are no vectors, or its similarities not their cosines.
    """
    probes = np.random.default_rng(0).choice(count, min(PROBES, count), replace=False)
    nodes = torch.stack([graph.nodes(int(i)) for i in probes])
    if nodes.ndim != 2 or not nodes.is_floating_point():
        raise UserError(
            f"{origin} has nodes of shape {tuple(nodes.shape[1:])} {nodes.dtype}: neighbours are sought among "
            "embeddings, such as those of CaptionGraph"
        )
    unit = torch.nn.functional.normalize(nodes.float(), dim=1)
    if (worst := float((graph.similarity(nodes, nodes) - unit @ unit.T).abs().max())) > 1e-3:
        raise UserError(
            f"{origin} has similarities that are not cosines of its embeddings (by {worst:.2g}): neighbours are "
            "sought by cosine; use metric cosine"
        )
    if isinstance(graph, EmbeddingGraph):
        vectors = UnitVectors(graph.vectors.parts)
        return vectors, np.arange(len(vectors)) if graph.vector is None else graph.vector[:]
    stacked = np.empty((count, nodes.shape[1]), dtype=np.float32)
    for number in range(count):
        stacked[number] = graph.nodes(number).numpy()
    return UnitVectors([stacked]), np.arange(count)
