"""Orders with neighbours: everything once, and as many neighbours as were asked for, throughout."""

import numpy as np
import pytest

from xclr_lightning.data.neighbour_order import neighbour_order

SAMPLES, VECTORS, NEAR = 600, 400, 6
BATCH = 20


def ring(vectors: int = VECTORS, k: int = NEAR) -> np.ndarray:
    """Lists of the next ones on a ring. Shape: ``(vectors, k)``."""
    return ((np.arange(vectors)[:, None] + np.arange(1, k + 1)) % vectors).astype(np.int32)


def vector_of(samples: int = SAMPLES, vectors: int = VECTORS) -> np.ndarray:
    return np.random.default_rng(0).integers(vectors, size=samples)


def related(vector: np.ndarray, lists: np.ndarray, one: int, other: int) -> bool:
    return vector[one] == vector[other] or vector[other] in lists[vector[one]]


def order(share: float, seed: int = 0, batch: int = BATCH) -> np.ndarray:
    return neighbour_order(vector_of(), ring(), share, batch, np.random.default_rng(seed))


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.75, 0.9, 1])
def test_each_sample_exactly_once(share):
    assert sorted(order(share)) == list(range(SAMPLES))


def test_lists_with_empty_places_and_a_vector_that_no_sample_has():
    lists = np.full((8, 2), -1)
    lists[0, 0] = 7
    found = neighbour_order(np.array([0, 0, 1, 2]), lists, 0.5, 2, np.random.default_rng(0))
    assert sorted(found) == [0, 1, 2, 3]


def brought_along(found: np.ndarray, batch: int) -> np.ndarray:
    """How many of each batch come right behind a run of samples of which one lists them. Shape: ``(batches,)``."""
    vector, lists = vector_of(), ring()
    batches = found[: len(found) // batch * batch].reshape(-1, batch)
    counts = []
    for samples in batches:
        seed, count = samples[0], 0
        for sample in samples[1:]:
            if related(vector, lists, seed, sample):
                count += 1
            else:
                seed = sample
        counts.append(count)
    return np.array(counts)


@pytest.mark.parametrize(("share", "least"), [(0.2, 0.17), (0.5, 0.4), (0.75, 0.6)])
def test_the_share_of_neighbours_is_about_what_was_asked_for_in_all_batches(share, least):
    found = np.array([brought_along(order(share, seed), BATCH) for seed in range(10)]) / BATCH
    by_chance = np.mean([brought_along(order(0, seed), BATCH) for seed in range(10)]) / BATCH
    assert by_chance < 0.05
    assert least <= found.mean() <= share + by_chance + 0.02
    # No stretch of an epoch is poorer than another: a batch says next to nothing of the following one.
    assert np.corrcoef(found[:, :-1].ravel(), found[:, 1:].ravel())[0, 1] < 0.3


def test_no_share_is_a_plain_shuffle():
    """Every sample is in every place, and beside every other, as often as chance has it."""
    orders = np.stack([neighbour_order(np.arange(6), ring(6, 2), 0, 2, np.random.default_rng(i)) for i in range(6000)])
    for place in range(6):
        # χ² with 5 degrees of freedom is beyond 20.5 once in a thousand.
        assert ((np.bincount(orders[:, place], minlength=6) - 1000) ** 2 / 1000).sum() < 20.5
    pairs = orders[:, 0] * 6 + orders[:, 1]
    expected = np.full(36, 200.0).reshape(6, 6)
    np.fill_diagonal(expected, 0)
    counts = np.bincount(pairs, minlength=36).reshape(6, 6)
    assert ((counts - expected)[expected > 0] ** 2 / 200).sum() < 58.3  # 29 degrees of freedom, the same level


def test_which_samples_an_epoch_leaves_out_is_chance():
    """Those with neighbours and those without are dropped alike."""
    lists = np.full((20, 3), -1)
    lists[:10] = ring(10, 3)  # half of the vectors have neighbours, half none
    dropped = [neighbour_order(np.arange(20), lists, 0.75, 17, np.random.default_rng(i))[17:] for i in range(1000)]
    assert (np.concatenate(dropped) < 10).mean() == pytest.approx(0.5, abs=0.035)
