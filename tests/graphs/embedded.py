"""Samples with given vectors, and a graph source that hands them out."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xclr_lightning.graphs import EmbeddingGraph, GraphSource
from xclr_lightning.graphs.embedding import GaussianGraph


@dataclass
class Numbered:
    """As much of data as neighbour lists ask for: how many samples, and where from."""

    count: int
    path: Path = Path("some/data")

    def __len__(self) -> int:
        return self.count


class Given(GraphSource):
    """Embeddings that are at hand, in two parts.

    Args:
        vectors: Distinct ones. Shape: ``(D, d)``.
        vector: Number of each sample's one, by default each has its own. Shape: ``(N,)``.
        bandwidth: Makes them a kernel of distances.
    """

    def __init__(
        self, vectors: np.ndarray, vector: Sequence[int] | None = None, bandwidth: float | None = None
    ) -> None:
        self.vectors = np.asarray(vectors, dtype=np.float16)
        self.vector = None if vector is None else np.asarray(vector)
        self.bandwidth = bandwidth

    def prepare(self, data: Numbered) -> Path:
        return Path(hashlib.sha256(self.vectors.tobytes()).hexdigest()[:8])

    def open(self, data: Numbered) -> EmbeddingGraph:
        parts = [self.vectors[:2], self.vectors[2:2], self.vectors[2:]]
        if self.bandwidth:
            return GaussianGraph(parts, self.vector, bandwidth=self.bandwidth)
        return EmbeddingGraph(parts, self.vector)


def clustered(count: int, dimension: int = 24, clusters: int = 40, seed: int = 0) -> np.ndarray:
    """Vectors around centres, as captions are. Shape: ``(count, dimension)``, float16."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, dimension))
    return (centres[rng.integers(clusters, size=count)] + 0.6 * rng.standard_normal((count, dimension))).astype(
        np.float16
    )


def cosines(vectors: np.ndarray) -> np.ndarray:
    """All cosines in float64, −∞ for a vector with itself. Shape: ``(n, n)``."""
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    result = unit @ unit.T
    np.fill_diagonal(result, -np.inf)
    return result
