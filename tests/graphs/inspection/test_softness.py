"""The target over τ_s against loops in float64, and what must hold of any graph."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from stored_graphs import unit

from xclr_lightning.graphs.inspection.softness import KEPT, TEMPERATURES, Softness, mean_softness, softness, suggested


def batch(samples: int = 24, things: int = 15, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Similarities of samples of which some share their caption, and which ones do."""
    thing = np.random.default_rng(seed).integers(things, size=samples)
    vectors = unit(things, seed=seed)[thing]
    return torch.from_numpy(vectors @ vectors.T), torch.from_numpy(thing[:, None] == thing)


@pytest.mark.parametrize("views", [1, 2, 3])
def test_against_loops(views):
    similarity, same = batch()
    own = torch.arange(10)
    for at in softness(similarity[:10], same[:10], own, views, [0.05, 0.3]):
        entropies, own_shares, same_shares = [], [], []
        for i in range(10):
            # With one view, that of texts for pictures, none is the anchor.
            keys = [(v, j) for v in range(views) for j in range(24) if views == 1 or (v, j) != (0, i)]
            weights = [math.exp(similarity[i, j] / at.temperature) for _, j in keys]
            p = [weight / sum(weights) for weight in weights]
            entropies.append(-sum(q * math.log(q) for q in p))
            own_shares.append(sum(q for q, (_, j) in zip(p, keys, strict=True) if j == i))
            same_shares.append(sum(q for q, (_, j) in zip(p, keys, strict=True) if same[i, j]))
            assert len(keys) == at.keys
        assert at.entropy == pytest.approx(np.mean(entropies), rel=1e-6)
        assert at.effective_positives == pytest.approx(np.mean(np.exp(entropies)), rel=1e-6)
        assert at.own_share == pytest.approx(np.mean(own_shares), rel=1e-6)
        assert at.same_share == pytest.approx(np.mean(same_shares), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_a_higher_temperature_is_softer(seed):
    similarity, same = batch(seed=seed)
    curve = softness(similarity, same, torch.arange(24), 2, TEMPERATURES)
    assert all(a.entropy <= b.entropy + 1e-12 for a, b in pairwise(curve))  # equal where others have no weight left
    assert all(a.same_share >= b.same_share - 1e-12 for a, b in pairwise(curve))
    assert curve[0].entropy + 1 < curve[-1].entropy
    assert curve[0].same_share > 0.9 > 0.3 > curve[-1].same_share
    assert all(1 <= at.effective_positives <= at.keys and at.own_share <= at.same_share for at in curve)


@pytest.mark.parametrize("seed", range(5))
def test_the_suggestion_is_the_softest_that_keeps_its_share(seed):
    similarity, same = batch(seed=seed)
    curve = softness(similarity, same, torch.arange(24), 2, TEMPERATURES)
    found = suggested(curve)
    assert found.same_share >= KEPT > curve[curve.index(found) + 1].same_share


def test_closer_captions_or_a_larger_batch_want_a_lower_temperature():
    def suggestion(samples: int, offset: float) -> float:
        vectors = unit(samples) + offset * unit(1, seed=9)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        similarity = torch.from_numpy(vectors @ vectors.T)
        return suggested(softness(similarity, similarity > 0.999, torch.arange(samples), 2, TEMPERATURES)).temperature

    assert suggestion(400, 0) < suggestion(20, 0)
    assert suggestion(50, 1.5) < suggestion(50, 0)


def test_nothing_is_suggested_where_others_are_as_similar_as_oneself():
    ones = torch.ones(8, 8, dtype=torch.float64)
    curve = softness(ones, torch.eye(8, dtype=torch.bool), torch.arange(8), 2, TEMPERATURES)
    assert suggested(curve) is None
    assert all(at.nearly_uniform for at in curve)


def test_extremes_are_called_by_their_names():
    similarity, same = batch(64, 60)
    curve = softness(similarity, same, torch.arange(64), 2, TEMPERATURES)
    assert (curve[0].nearly_one_hot, curve[0].nearly_uniform) == (True, False)
    assert (curve[-1].nearly_one_hot, curve[-1].nearly_uniform) == (False, True)
    between = suggested(curve)
    assert not between.nearly_one_hot
    assert not between.nearly_uniform


def test_one_caption_for_all_is_one_hot_rather_than_uniform():
    (at,) = softness(torch.ones(4, 4), torch.ones(4, 4, dtype=torch.bool), torch.arange(4), 2, [0.1])
    assert at.nearly_one_hot
    assert not at.nearly_uniform


def test_many_positives_of_one_class_are_not_uniform():
    """Of four classes a quarter of the keys are of the anchor's own."""
    same = torch.arange(64)[:, None] % 4 == torch.arange(64) % 4
    sharp, soft = softness(same.double(), same, torch.arange(64), 2, [0.5, 5.0])
    assert sharp.effective_positives > 0.5 * sharp.keys
    assert sharp.same_share == pytest.approx(31 / (31 + 96 * math.exp(-2)))
    assert not sharp.nearly_uniform
    assert soft.nearly_uniform


def test_means_are_by_temperature():
    one, other = ([Softness(t, t * f, 2.0, 0.1 * f, 0.2 * f, 9) for t in (0.1, 0.2)] for f in (1, 3))
    assert mean_softness([one, other]) == [
        Softness(t, pytest.approx(2 * t), 2.0, pytest.approx(0.2), pytest.approx(0.4), 9) for t in (0.1, 0.2)
    ]
