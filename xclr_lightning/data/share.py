"""A share of the samples, for the curve of accuracy over the amount of training data."""

import numpy as np


def stratified_share(share: float, strata: np.ndarray, seed: int) -> np.ndarray:
    """Draw a share of the samples, the same share of each stratum as nearly as whole numbers allow.

    Shares of one seed are nested: a smaller one is part of a larger one.

    Args:
        share: Of the samples, in (0, 1].
        strata: Each sample's class, or one number for all. Shape: ``(n,)``, integer.
        seed: Which samples.

    Returns:
        Their numbers, ascending, ``round(share · n)`` of them. Shape: ``(m,)``, int64.

    Example:
        >>> strata = np.array([0, 0, 0, 0, 1, 1, 1, 1])
        >>> strata[stratified_share(0.5, strata, seed=0)]
        array([0, 0, 1, 1])
    """
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(strata))
    by_stratum = drawn[np.argsort(strata[drawn], kind="stable")]
    ordered = strata[by_stratum]
    sizes = np.bincount(np.unique(ordered, return_inverse=True)[1])
    nth = np.arange(len(strata)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # Each stratum's samples lie evenly between 0 and 1: those below the share are taken, by lot among equals.
    height = (nth + 0.5) / np.repeat(sizes, sizes)
    chosen = np.lexsort((rng.random(len(strata)), height))[: round(share * len(strata))]
    return np.sort(by_stratum[chosen])
