"""Nearest vectors by comparing with every one, block by block."""

import numpy as np
import torch

from xclr_lightning.graphs.unit_vectors import UnitVectors

# Vectors that queries are compared with at once: as many similarities a query are held.
KEYS = 16_384


def exact_neighbours(vectors: UnitVectors, numbers: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Each vector's k nearest others, nearest first.

    Args:
        vectors: D of them.
        numbers: Those whose neighbours are wanted. Shape: ``(n,)``.
        k: At most D − 1.

    Returns:
        Numbers of the neighbours, int32, and cosines, float32. Shapes: ``(n, k)``.

    Example:
        >>> vectors = UnitVectors([np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])])
        >>> exact_neighbours(vectors, np.array([0, 1]), k=1)
        (array([[2],
               [2]], dtype=int32), array([[0.8],
               [0.6]], dtype=float32))
    """
    queries = torch.from_numpy(vectors[numbers])
    own = torch.from_numpy(np.asarray(numbers, dtype=np.int64))
    best = torch.full((len(numbers), 0), 0.0)
    ids = torch.full((len(numbers), 0), 0, dtype=torch.int64)
    for start in range(0, len(vectors), KEYS):
        block = torch.from_numpy(vectors[slice(start, start + KEYS)])
        cosines = queries @ block.T
        inside = (own >= start) & (own < start + len(block))
        cosines[inside, own[inside] - start] = -torch.inf
        top, places = cosines.topk(min(k, len(block)))
        merged, numbers_merged = torch.cat([best, top], 1), torch.cat([ids, places + start], 1)
        best, keep = merged.topk(min(k, merged.shape[1]))
        ids = numbers_merged.gather(1, keep)
    return ids.to(torch.int32).numpy(), best.numpy()
