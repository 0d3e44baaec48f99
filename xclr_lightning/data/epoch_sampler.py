"""Which samples each batch of each process has: a function of seed, epoch and position alone."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch.utils.data import DistributedSampler

from xclr_lightning.errors import UserError

# A generator → samples; consecutive ones are a batch, of which each process has an equal consecutive slice.
Order = Callable[[np.random.Generator], np.ndarray]


class EpochSampler(DistributedSampler[Any]):
    """This process's samples of an epoch, for a loader with ``drop_last``, from its start or from its middle.

    Sweeps over the samples follow each other without end, each in an order of its own, and an epoch is a stretch of
    them: one sweep, or as many batches as are wanted. Batches are full and each process has an equal part of each, so
    all take equal steps; what fills no batch of a sweep is left out of it. (A ``DistributedSampler``, since Lightning
    leaves that in its place under DDP and tells it the epoch.)

    Yields pairs of a sample's number and the sweep's, both int: a sample's augmentation is drawn from both.

    Args:
        order: The order of a sweep.
        samples: How many a sweep has.
        batch_size: Over all processes together.
        epoch_samples: How many an epoch has; by default a sweep's.
        seed: The same in every process.
        rank: Number of this process.
        ranks: Of processes; they divide ``batch_size``.
        epoch: The one to begin with.
        position: Batches of that epoch to leave out, for they were trained on before.

    Raises:
        UserError: A sweep or an epoch fills no batch.
    """

    def __init__(
        self,
        order: Order,
        samples: int,
        batch_size: int,
        epoch_samples: int | None = None,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
        epoch: int = 0,
        position: int = 0,
    ) -> None:
        super().__init__(range(samples), num_replicas=ranks, rank=rank, seed=seed)  # type: ignore[arg-type]
        self._order, self._each = order, batch_size // ranks
        self._in_sweep, self._in_epoch = samples // batch_size, (epoch_samples or samples) // batch_size
        if not (self._in_sweep and self._in_epoch):
            raise UserError(
                f"{min(samples, epoch_samples or samples)} samples fill no batch of {batch_size}: lower data.batch_size"
            )
        self.epoch = self._start = epoch
        self._position = position

    def __iter__(self) -> Iterator[tuple[int, int]]:
        done = self._position if self.epoch == self._start else 0
        batches = range(self.epoch * self._in_epoch + done, (self.epoch + 1) * self._in_epoch)
        known, mine = -1, np.empty(0)
        for number in batches:
            sweep, batch = divmod(number, self._in_sweep)
            if sweep != known:
                known, mine = sweep, self._mine(sweep)
            for sample in mine[batch].tolist():
                yield sample, sweep

    def __len__(self) -> int:
        """Samples of this process in a whole epoch, whatever position it is begun at."""
        return self._in_epoch * self._each

    def _mine(self, sweep: int) -> np.ndarray:
        """This process's part of each batch of a sweep. Shape: ``(batches, batch_size / ranks)``."""
        order = self._order(np.random.default_rng([self.seed, sweep]))
        whole = order[: self._in_sweep * self._each * self.num_replicas]
        return whole.reshape(self._in_sweep, self.num_replicas, self._each)[:, self.rank]
