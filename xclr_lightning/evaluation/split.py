"""Splits that every run makes alike."""

import numpy as np
import torch
from torch import Tensor


def random_halves(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two random even halves of ``count`` samples, as MIT-States is split; the first is larger by one if odd.

    Returns:
        Their numbers. Shapes: ``(⌈count / 2⌉,)``, ``(⌊count / 2⌋,)``, int64.

    Example:
        >>> first, second = random_halves(5)
        >>> len(first), len(second), sorted([*first.tolist(), *second.tolist()])
        (3, 2, [0, 1, 2, 3, 4])
    """
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    return order[: (count + 1) // 2], order[(count + 1) // 2 :]
