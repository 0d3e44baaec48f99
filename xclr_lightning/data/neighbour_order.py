"""An order of all samples in which some follow one that they are neighbours of."""

import numpy as np

from xclr_lightning.graphs.mapped import MappedRows

# Samples are looked at in so many rounds, each without regard to what others of its round take.
ROUNDS = 500


def neighbour_order(
    vector: np.ndarray, lists: np.ndarray | MappedRows, share: float, batch_size: int, rng: np.random.Generator
) -> np.ndarray:
    """Put every sample in a random place, with some of its neighbours behind it as far as they are not yet taken.

    Samples are drawn one after the other, and each takes its share of neighbours out of those that are left: others
    of its own vector and samples of its list, all vectors alike. The groups that arise are then shuffled, so that
    those without neighbours, which arise towards the end, are in all batches.

    Args:
        vector: Number of each sample's vector. Shape: ``(N,)``, int64.
        lists: Each vector's neighbours, −1 for none. Shape: ``(D, k)``, integer.
        share: Of the samples that are to be there as another's neighbour, 0 … 1; 0 gives a plain shuffle. A group has
            one neighbour of each vector at most, and never more than a batch holds.
        batch_size: Of the batches into which the order will be cut; a cut may divide a group.
        rng: Decides everything.

    Returns:
        A permutation of all samples. Shape: ``(N,)``, int64.
    """
    drawn = rng.permutation(len(vector))
    if share == 0:
        return drawn
    each = batch_size - 1 if share == 1 else min(share / (1 - share), batch_size - 1)
    stacks = _Stacks(vector, drawn, len(lists))
    samples, groups, count = [], [], 0
    size = -(-len(drawn) // ROUNDS)
    for start in range(0, len(drawn), size):
        seeds = stacks.untaken(drawn[start : start + size])
        stacks.take(vector[seeds])
        wanted = np.floor(each + rng.random(len(seeds))).astype(np.int64)
        owner, picked = _pick(vector[seeds], lists, wanted, stacks, rng)
        taken, got = stacks.take(picked)
        samples += [seeds, taken]
        groups += [np.arange(len(seeds)) + count, owner[got] + count]
        count += len(seeds)
    place = rng.permutation(count)[np.concatenate(groups)]
    shuffled = np.concatenate(samples)[np.argsort(place, kind="stable")]
    # Turned by chance, for a large group is last less often than its size would have it: the same samples would be
    # left out whenever the last batch is not full.
    return np.roll(shuffled, rng.integers(len(shuffled)))


class _Stacks:
    """Samples of each vector, one upon the other in the order in which they are drawn; the top one is taken next.

    Args:
        vector: Number of each sample's vector. Shape: ``(N,)``.
        drawn: A permutation of the samples.
        count: D, of vectors.
    """

    def __init__(self, vector: np.ndarray, drawn: np.ndarray, count: int) -> None:
        self._vector = vector
        self._samples = drawn[np.argsort(vector[drawn], kind="stable")]
        self._ends = np.cumsum(np.bincount(vector, minlength=count))
        self._top = self._ends - np.bincount(vector, minlength=count)
        self._place = np.empty(len(vector), dtype=np.int64)
        self._place[self._samples] = np.arange(len(vector))

    def left(self, vectors: np.ndarray) -> np.ndarray:
        """Whether there are samples of these vectors left."""
        left: np.ndarray = self._top[vectors] < self._ends[vectors]
        return left

    def untaken(self, samples: np.ndarray) -> np.ndarray:
        """Those of the samples that are left."""
        unused: np.ndarray = samples[self._place[samples] >= self._top[self._vector[samples]]]
        return unused

    def take(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take a sample of each vector named, those named first first.

        Returns:
            The samples; and which of the vectors named gave one, in the same order.
        """
        order = np.argsort(vectors, kind="stable")
        ordered = vectors[order]
        place = self._top[ordered] + np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
        got = place < self._ends[ordered]
        np.add.at(self._top, ordered[got], 1)
        return self._samples[place[got]], order[got]


def _pick(
    own: np.ndarray, lists: np.ndarray | MappedRows, wanted: np.ndarray, stacks: _Stacks, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw vectors that seeds take a sample of, out of their own and their lists: the seeds' places, the vectors."""
    choice = np.concatenate([own[:, None], lists[own]], axis=1)
    chance = rng.random(choice.shape, dtype=np.float32)
    chance[(choice < 0) | ~stacks.left(choice)] = 2
    most = min(int(wanted.max(initial=0)), choice.shape[1])
    best = np.argsort(chance, axis=1)[:, :most]
    picked = np.take_along_axis(chance, best, 1) < 2
    picked &= np.arange(most) < wanted[:, None]
    owner, column = np.nonzero(picked)
    return owner, choice[owner, best[owner, column]]
