"""Exchanging what is said of some things, for controls and studies of noise."""

import numpy as np


def exchanged(count: int, share: float, seed: int) -> np.ndarray:
    """Give a share of numbers each other's places.

    Args:
        count: Of numbers.
        share: Of them that change place, 0 … 1; one alone cannot.
        seed: Which ones, and where to.

    Returns:
        For each number the one that it becomes, a permutation. Shape: ``(count,)``, int64.

    Example:
        >>> int((exchanged(10, 0.5, seed=0) != np.arange(10)).sum())
        5
    """
    target = np.arange(count)
    chosen = np.random.default_rng(seed).permutation(count)[: round(share * count)]
    target[chosen] = np.roll(chosen, 1)  # one cycle, so none stays where it is
    return target
