"""The embedding form of a graph: a unit vector a sample, similarity their dot product."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class EmbeddingGraph:
    """Cosine similarity of stored vectors.

    Args:
        parts: One unit vector a sample, in consecutive arrays, usually half precision and memory-mapped.
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
        """A sample's vector. Shape: ``(d,)``, the stored dtype."""
        part = int(np.searchsorted(self._ends, index, side="right"))
        return torch.from_numpy(np.array(self._parts[part][index - self._ends[part]]))

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosines in float32. Shapes: ``(n, d)``, ``(m, d)`` → ``(n, m)``, in [−1, 1]."""
        # Half precision leaves norms off by 1e-3, which τ_s = 0.1 would turn into 1 % of a target.
        a, b = (torch.nn.functional.normalize(nodes.float(), dim=1) for nodes in (a, b))
        with torch.autocast(a.device.type, enabled=False):
            return a @ b.T
