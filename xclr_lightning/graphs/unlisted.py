"""What neighbour lists leave out: how often a pair is listed, and what the others are worth."""

from typing import Any

import numpy as np

from xclr_lightning.graphs.unit_vectors import UnitVectors

# Random pairs of samples; the standard error of their mean is a three-hundredth of their spread.
PAIRS = 100_000
BLOCK = 4096


def related_samples(vector: np.ndarray, ids: np.ndarray) -> float:
    """Other samples that have a sample's vector or one of its list, in the mean over samples.

    Args:
        vector: Number of each sample's vector. Shape: ``(N,)``.
        ids: Each vector's neighbours, −1 for none. Shape: ``(D, k)``.

    Example:
        >>> related_samples(np.array([0, 0, 1, 2]), np.array([[1], [0], [1]]))
        1.75
    """
    samples = np.bincount(vector, minlength=len(ids))
    total = 0
    for start in range(0, len(ids), BLOCK):
        block = ids[start : start + BLOCK]
        own = samples[start : start + BLOCK]
        total += int((own * (own - 1 + np.where(block < 0, 0, samples[block]).sum(1))).sum())
    return total / len(vector)


def unlisted_similarity(vectors: UnitVectors, vector: np.ndarray, ids: np.ndarray, seed: int) -> dict[str, Any]:
    """The mean similarity of random pairs of samples that no list holds: the one value that is nearest to all of them.

    Args:
        vectors: D of them.
        vector: Number of each sample's vector. Shape: ``(N,)``.
        ids: Each vector's neighbours. Shape: ``(D, k)``.
        seed: Which pairs.

    Returns:
        For ``graph.json``: ``value``, ``reason``, and ``std``, the spread of what the value stands for.
    """
    pairs = vector[np.random.default_rng(seed).integers(len(vector), size=(PAIRS, 2))]
    found = []
    for start in range(0, PAIRS, BLOCK):
        a, b = pairs[start : start + BLOCK].T
        unlisted = (a != b) & (ids[a] != b[:, None]).all(1) & (ids[b] != a[:, None]).all(1)
        a, b = a[unlisted], b[unlisted]
        found.append(np.einsum("nd,nd->n", vectors[a], vectors[b]))
    values = np.concatenate(found)
    if not len(values):
        return {"value": 0.0, "reason": "no pair is unlisted", "std": 0.0}
    return {
        "value": round(float(values.mean(dtype=np.float64)), 6),
        "reason": f"mean similarity of {len(values)} random pairs that no list holds",
        "std": round(float(values.std(dtype=np.float64)), 6),
    }
