"""Halves are halves, random, and the same in every run."""

import pytest
import torch

from xclr_lightning.evaluation import random_halves


@pytest.mark.parametrize("count", [0, 1, 2, 9, 1000])
def test_halves_are_even_and_disjoint(count):
    first, second = random_halves(count)
    assert len(first) - len(second) == count % 2
    assert torch.equal(torch.cat([first, second]).sort().values, torch.arange(count))


def test_the_seed_alone_decides():
    torch.manual_seed(1)
    first, _ = random_halves(1000)
    torch.manual_seed(2)
    assert torch.equal(first, random_halves(1000)[0])
    assert not torch.equal(first, random_halves(1000, seed=1)[0])
    assert 400 < (first < 500).sum() * 2 < 600
