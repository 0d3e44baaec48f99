"""Diagnostics against their definitions, row by row."""

import math

import pytest
import torch
from torch.nn import functional as F

from xclr_lightning.evaluation import alignment, rank_me, uniformity
from xclr_lightning.evaluation.diagnostics import target_statistics
from xclr_lightning.losses import normalize_target


@pytest.mark.parametrize("views", [1, 2, 3])
def test_target_statistics(views):
    own = torch.tensor([4, 0, 2])
    weights = torch.rand(3, 6)
    # With one view, that of texts for pictures, none is the anchor.
    target = weights.softmax(1) if views == 1 else normalize_target(weights, own, views)
    entropies, shares = [], []
    for row, sample in zip(target.repeat(1, views), own, strict=True):
        others = row.clone()
        if views > 1:
            others[sample] = 0  # the first view is the anchor
        entropies.append(-sum(p * math.log(p) for p in others.tolist() if p > 0))
        shares.append(sum(others[sample + 6 * view].item() for view in range(views)))
    found = target_statistics(target, own, views)
    assert found["entropy"] == pytest.approx(sum(entropies) / 3, rel=1e-5)
    assert found["effective_positives"] == pytest.approx(sum(map(math.exp, entropies)) / 3, rel=1e-5)
    assert found["own_share"] == pytest.approx(sum(shares) / 3, rel=1e-5, abs=1e-7)


def test_simclr_has_one_positive():
    found = target_statistics(normalize_target(torch.eye(5), torch.arange(5), 2), torch.arange(5), 2)
    assert found == {"entropy": 0.0, "effective_positives": 1.0, "own_share": 1.0}


@pytest.mark.parametrize("views", [2, 3])
def test_alignment(views):
    z = F.normalize(torch.randn(views, 5, 4), dim=2)
    pairs = [(z[u] - z[v]).square().sum(1).mean() for u in range(views) for v in range(u)]
    assert alignment(z) == pytest.approx(torch.stack(pairs).mean().item(), rel=1e-5)
    assert alignment(z[:1].repeat(views, 1, 1)) == pytest.approx(0, abs=1e-6)


def test_uniformity():
    z = F.normalize(torch.randn(6, 4), dim=1)
    pairs = [(-2 * (z[i] - z[j]).square().sum()).exp() for i in range(6) for j in range(i)]
    assert uniformity(z) == pytest.approx(torch.stack(pairs).mean().log().item(), rel=1e-5)
    assert uniformity(torch.ones(3, 2)) == pytest.approx(0)


def test_rank_me():
    basis = torch.linalg.qr(torch.randn(8, 8))[0]
    shares = torch.tensor([4.0, 2.0, 1.0, 1.0]) / 8
    expected = math.exp(-sum(p * math.log(p) for p in shares.tolist()))
    assert rank_me((basis[:, :4] * shares) @ basis[:4]) == pytest.approx(expected, rel=1e-4)
    assert rank_me(torch.ones(7, 3)) == pytest.approx(1, rel=1e-4)
    assert rank_me(torch.zeros(4, 3)) == 0.0
    assert math.isnan(rank_me(torch.tensor([[1.0, math.nan]])))
