"""An order that reads a few shards at a time, and on each process its own."""

import numpy as np


def shard_order(
    indices: np.ndarray,
    starts: np.ndarray,
    shards_at_once: int,
    batch_size: int,
    ranks: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Read a few shards at a time: shards in random order, samples mixed within as many as are read at once.

    Shards are laid end to end in random order, and each process has an equal stretch of them, so that it reads its own
    shards, but for one that two may share, and takes as many steps as any other whatever the shards' sizes.

    Args:
        indices: The samples, ascending. Shape: ``(n,)``.
        starts: First sample of each shard, ascending from 0. Shape: ``(shards,)``.
        shards_at_once: Shards that a process mixes, at least 1.
        batch_size: Over all processes together.
        ranks: Of processes; they divide ``batch_size``.
        rng: Decides.

    Returns:
        Consecutive ``batch_size`` samples are a batch, of which each process has an equal consecutive slice; samples
        that fill no batch are left out, other ones each time. Shape: ``(n // batch_size · batch_size,)``.
    """
    drawn = rng.permutation(indices)
    place = rng.permutation(len(starts))
    order = drawn[np.argsort(place[_shard(drawn, starts)], kind="stable")]
    shard = _shard(order, starts)
    batches = len(order) // batch_size
    each = batches * (batch_size // ranks)
    stretches = []
    for rank in range(ranks):
        # Whatever fills no batch is left over between the stretches.
        begin = rank * len(order) // ranks
        mine, of = order[begin : begin + each], shard[begin : begin + each]
        window = np.concatenate([[0], np.cumsum(of[1:] != of[:-1])]) // shards_at_once if each else of
        stretches.append(mine[np.lexsort((rng.random(each), window))])
    return np.stack(stretches).reshape(ranks, batches, -1).swapaxes(0, 1).ravel()


def _shard(samples: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.searchsorted(starts, samples, side="right") - 1
