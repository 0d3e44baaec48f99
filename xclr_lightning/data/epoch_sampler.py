"""Which samples each batch of each process has: a function of seed, epoch and position alone."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from torch.utils.data import DistributedSampler

from xclr_lightning.errors import UserError

# A generator → samples; consecutive ones are a batch, of which each process has an equal consecutive slice.
Order = Callable[[np.random.Generator], np.ndarray]
# Where training begins: the epoch and how many samples of it were seen, the sweep and how many of that.
START = {"epoch": 0, "samples": 0, "sweep": 0, "swept": 0}


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
        goes_on_at: Where training stood, as :meth:`place` told; ``epoch_samples`` may be another since.

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
        goes_on_at: Mapping[str, int] = START,
    ) -> None:
        super().__init__(range(samples), num_replicas=ranks, rank=rank, seed=seed)  # type: ignore[arg-type]
        self._order, self._size, self._each = order, batch_size, batch_size // ranks
        self._in_sweep, self._in_epoch = samples // batch_size, (epoch_samples or samples) // batch_size
        if not (self._in_sweep and self._in_epoch):
            raise UserError(
                f"{min(samples, epoch_samples or samples)} samples fill no batch of {batch_size}: lower data.batch_size"
            )
        self.epoch = self._first = goes_on_at["epoch"]
        self._done = min(goes_on_at["samples"] // batch_size, self._in_epoch)
        # Batches of all sweeps are numbered through. One of which a part was seen is left out.
        in_sweep = min(-(-goes_on_at["swept"] // batch_size), self._in_sweep)
        self._start = goes_on_at["sweep"] * self._in_sweep + in_sweep - self._done

    def __iter__(self) -> Iterator[tuple[int, int]]:
        done, start = self._done if self.epoch == self._first else 0, self._start_of(self.epoch)
        known, mine = -1, np.empty(0)
        for number in range(start + done, start + self._in_epoch):
            sweep, batch = divmod(number, self._in_sweep)
            if sweep != known:
                known, mine = sweep, self._mine(sweep)
            for sample in mine[batch].tolist():
                yield sample, sweep

    def __len__(self) -> int:
        """Samples of this process in a whole epoch, whatever position it is begun at."""
        return self._in_epoch * self._each

    def place(self, epoch: int, samples: int) -> dict[str, int]:
        """Where training stands, for a checkpoint, once it has seen so many samples of an epoch."""
        sweep, batch = divmod(self._start_of(epoch) + samples // self._size, self._in_sweep)
        return {"epoch": epoch, "samples": samples, "sweep": sweep, "swept": batch * self._size}

    def _start_of(self, epoch: int) -> int:
        """Number of an epoch's first batch."""
        return self._start + (epoch - self._first) * self._in_epoch

    def _mine(self, sweep: int) -> np.ndarray:
        """This process's part of each batch of a sweep. Shape: ``(batches, batch_size / ranks)``."""
        order = self._order(np.random.default_rng([self.seed, sweep]))
        whole = order[: self._in_sweep * self._each * self.num_replicas]
        return whole.reshape(self._in_sweep, self.num_replicas, self._each)[:, self.rank]
