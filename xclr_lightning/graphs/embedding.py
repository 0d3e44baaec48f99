"""The embedding form of a graph: a unit vector a sample, similarity their dot product."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class EmbeddingGraph:
    """Cosine similarity of stored vectors.

    Args:
        parts: One vector a sample, in consecutive arrays, usually half precision and memory-mapped.
            Shapes: ``(n_i, d)``, N in all.

    Example:
        >>> graph = EmbeddingGraph([np.array([[1, 0], [0, 1]]), np.array([[0.6, 0.8]])])
        >>> a = torch.stack([graph.nodes(0), graph.nodes(2)])
        >>> graph.similarity(a, a)
        tensor([[1.0000, 0.6000],
                [0.6000, 1.0000]])
    """

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self._parts = list(parts)
        self._ends = np.cumsum([len(part) for part in self._parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def nodes(self, index: int) -> Tensor:
        """A sample's unit vector. Shape: ``(d,)``, float32."""
        part = int(np.searchsorted(self._ends, index, side="right"))
        vector = torch.from_numpy(np.array(self._parts[part][index - self._ends[part]], dtype=np.float32))
        # Half precision leaves norms off by 1e-3, which τ_s = 0.1 would turn into 1 % of a target.
        return torch.nn.functional.normalize(vector, dim=0)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosines in float32. Shapes: ``(n, d)``, ``(m, d)`` → ``(n, m)``, in [−1, 1]."""
        with torch.autocast(a.device.type, enabled=False):
            return a.float() @ b.float().T
