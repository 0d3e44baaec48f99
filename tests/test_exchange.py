"""Exchanging a share of numbers."""

import numpy as np
import pytest

from xclr_lightning.exchange import exchanged


@pytest.mark.parametrize("share", [0, 0.25, 1])
def test_it_is_a_permutation_that_moves_a_share(share):
    target = exchanged(200, share, seed=1)
    assert sorted(target) == list(range(200))
    assert (target != np.arange(200)).sum() == 200 * share


def test_the_seed_decides():
    assert (exchanged(200, 0.5, seed=1) == exchanged(200, 0.5, seed=1)).all()
    assert (exchanged(200, 0.5, seed=1) != exchanged(200, 0.5, seed=2)).any()
