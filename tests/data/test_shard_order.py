"""An order by shards: few at a time, equal steps, each process its own."""

from itertools import pairwise

import numpy as np
import pytest

from xclr_lightning.data.shard_order import shard_order

SIZES = np.array([50, 3, 70, 21, 40, 90, 8, 33])
STARTS = np.cumsum(SIZES) - SIZES
SAMPLES = int(SIZES.sum())


def order(at_once: int = 2, batch: int = 12, ranks: int = 1, seed: int = 0) -> np.ndarray:
    return shard_order(np.arange(SAMPLES), STARTS, at_once, batch, ranks, np.random.default_rng(seed))


def shard_of(samples: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(SIZES)), SIZES)[samples]


def of_rank(found: np.ndarray, batch: int, ranks: int, rank: int) -> np.ndarray:
    return found.reshape(-1, ranks, batch // ranks)[:, rank].ravel()


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_full_batches_without_repetition(ranks):
    found = order(ranks=ranks)
    assert len(found) == len(set(found.tolist())) == SAMPLES // 12 * 12


def test_what_fills_no_batch_is_other_samples_each_time():
    seen = [set(order(seed=seed).tolist()) for seed in range(30)]
    assert set.union(*seen) == set(range(SAMPLES))
    assert len({frozenset(each) for each in seen}) > 20


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_a_process_reads_few_shards_at_a_time(ranks, at_once):
    found = order(at_once=at_once, ranks=ranks)
    for rank in range(ranks):
        shards = shard_of(of_rank(found, 12, ranks, rank))
        windows = [[shards[0]]]
        for shard in shards:
            if shard not in windows[-1]:
                if len(windows[-1]) == at_once and not any(shard in window for window in windows):
                    windows.append([])
                windows[-1].append(shard)
        assert max(len(window) for window in windows) <= at_once
        # A shard that is done is not opened again.
        last = {shard: np.flatnonzero(shards == shard).max() for shard in set(shards.tolist())}
        firsts = {shard: np.flatnonzero(shards == shard).min() for shard in last}
        for window, following in pairwise(windows):
            assert max(last[s] for s in window) < min(firsts[s] for s in following)


@pytest.mark.parametrize("ranks", [2, 3])
def test_processes_share_no_more_than_the_shards_at_their_borders(ranks):
    found = order(ranks=ranks)
    read = [set(shard_of(of_rank(found, 12, ranks, rank)).tolist()) for rank in range(ranks)]
    assert sum(map(len, read)) <= len(SIZES) + ranks - 1


def test_shards_and_samples_are_mixed():
    """Every shard comes first about as often as its size among its like has it; samples of a window in any order."""
    firsts = np.bincount([shard_of(order(at_once=1, seed=seed)[:1])[0] for seed in range(800)], minlength=len(SIZES))
    assert ((firsts - 100) ** 2 / 100).sum() < 24.3  # χ² with 7 degrees of freedom: beyond it once in a thousand
    found = order(at_once=len(SIZES), seed=1)
    assert abs(np.corrcoef(np.arange(len(found)), found)[0, 1]) < 0.2


def test_a_share_of_the_samples():
    chosen = np.arange(0, SAMPLES, 3)
    found = shard_order(chosen, STARTS, 2, 10, 2, np.random.default_rng(0))
    assert set(found.tolist()) <= set(chosen.tolist())
    assert len(found) == len(chosen) // 10 * 10
