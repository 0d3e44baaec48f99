"""The embedding form of a graph: a vector a sample, similarity a product of vectors."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from xclr_lightning.graphs.consecutive import Consecutive, Part


class EmbeddingGraph:
    """Cosine similarity of stored vectors.

    Args:
        parts: Vectors in consecutive arrays, usually half precision and memory-mapped. Shapes: ``(d_i, d)``, D in all.
        vector: Each sample's vector, as a number in all parts together; by default sample i has vector i.
            Shape: ``(N,)``, integer; usually memory-mapped.

    Example:
        >>> graph = EmbeddingGraph([np.array([[1, 0], [0, 1]]), np.array([[0.6, 0.8]])])
        >>> a = torch.stack([graph.nodes(0), graph.nodes(2)])
        >>> graph.similarity(a, a)
        tensor([[1.0000, 0.6000],
                [0.6000, 1.0000]])
    """

    def __init__(self, parts: Sequence[Part], vector: np.ndarray | Consecutive | None = None) -> None:
        self.vectors = Consecutive(parts)
        self.vector = vector

    def __len__(self) -> int:
        return len(self.vectors if self.vector is None else self.vector)

    def nodes(self, index: int) -> Tensor:
        """A sample's unit vector. Shape: ``(d,)``, float32."""
        vector = self.stored(index)
        # Half precision leaves norms off by 1e-3, which τ_s = 0.1 would turn into 1 % of a target.
        vector /= max(float(np.sqrt(vector @ vector)), 1e-12)
        return torch.from_numpy(vector)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosines in float32. Shapes: ``(n, d)``, ``(m, d)`` → ``(n, m)``, in [−1, 1]."""
        with torch.autocast(a.device.type, enabled=False):
            return a.float() @ b.float().T

    def stored(self, index: int) -> np.ndarray:
        """A copy of a sample's vector as it is stored. Shape: ``(d,)``, float32."""
        number = index if self.vector is None else int(self.vector[index])
        return np.array(self.vectors[number], dtype=np.float32)


class GaussianGraph(EmbeddingGraph):
    """A Gaussian kernel of the Euclidean distance between stored vectors, exp(−d² / (2 h²)).

    Args:
        parts: As in the base; lengths count.
        vector: As in the base.
        bandwidth: h, the distance at which similarity is 0.61.

    Example:
        >>> graph = GaussianGraph([np.array([[0.0], [3.0]])], bandwidth=3.0)
        >>> a = torch.stack([graph.nodes(0), graph.nodes(1)])
        >>> graph.similarity(a, a)
        tensor([[1.0000, 0.6065],
                [0.6065, 1.0000]])
    """

    def __init__(
        self, parts: Sequence[Part], vector: np.ndarray | Consecutive | None = None, *, bandwidth: float
    ) -> None:
        super().__init__(parts, vector)
        self.bandwidth = bandwidth

    def nodes(self, index: int) -> Tensor:
        """A sample's vector, of its own length. Shape: ``(d,)``, float32."""
        return torch.from_numpy(self.stored(index))

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """The kernel in float32. Shapes: ``(n, d)``, ``(m, d)`` → ``(n, m)``, in [0, 1]."""
        with torch.autocast(a.device.type, enabled=False):
            a, b = a.float() / self.bandwidth, b.float() / self.bandwidth
            half = 0.5 * a.square().sum(1)[:, None] + 0.5 * b.square().sum(1)
            return (a @ b.T - half).clamp(max=0).exp()
