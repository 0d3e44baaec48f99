"""Batches that bring neighbours along, in one process or many, from the start of an epoch or from its middle."""

import os
import warnings
from collections.abc import Iterator

import numpy as np
from lightning import Trainer
from torch.utils.data import DistributedSampler

from xclr_lightning.data.neighbour_order import neighbour_order
from xclr_lightning.graphs.mapped import MappedRows
from xclr_lightning.graphs.neighbour_list import NeighbourGraph


class NeighbourSampler(DistributedSampler):
    """This process's samples of batches that bring neighbours along, for a loader with ``drop_last``.

    A batch over all processes is ``batch_size`` consecutive samples of one order, the same in every process and a
    function of seed and epoch alone; each process has an equal slice of it. Each sample comes once an epoch, except
    for those that do not fill a batch. (A loader's own batch sampler would be replaced under DDP; a
    ``DistributedSampler`` is left in its place and told the epoch.)

    Args:
        vector: As in :func:`neighbour_order`.
        lists: The same.
        share: The same.
        batch_size: Over all processes together.
        seed: The same in every process.
        rank: Number of this process.
        ranks: Of processes; they divide ``batch_size``.
        epoch: The one to begin with.
        position: Batches of that epoch to leave out, for they were trained on before.
    """

    def __init__(
        self,
        vector: np.ndarray,
        lists: np.ndarray | MappedRows,
        share: float,
        batch_size: int,
        seed: int,
        rank: int = 0,
        ranks: int = 1,
        epoch: int = 0,
        position: int = 0,
    ) -> None:
        super().__init__(range(len(vector)), num_replicas=ranks, rank=rank, seed=seed)  # type: ignore[arg-type]
        self.vector, self.lists, self.share, self.batch_size = vector, lists, share, batch_size
        self.load_state_dict({"epoch": epoch, "position": position})

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = neighbour_order(self.vector, self.lists, self.share, self.batch_size, rng)
        batches = len(order) // self.batch_size
        mine = order[: batches * self.batch_size].reshape(batches, self.num_replicas, -1)[:, self.rank]
        yield from mine[self._position if self.epoch == self._start else 0 :].ravel().tolist()

    def __len__(self) -> int:
        """Samples of this process in a whole epoch, whatever position it is begun at."""
        return len(self.vector) // self.batch_size * (self.batch_size // self.num_replicas)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on at a batch of an epoch: ``{"epoch": …, "position": …}``."""
        self.epoch = self._start = state["epoch"]
        self._position = state["position"]


def neighbour_sampler(
    graph: NeighbourGraph, neighbours: int, share: float, batch_size: int, trainer: Trainer | None
) -> NeighbourSampler:
    """A sampler for this process; in a run that goes on in mid-epoch it begins behind what was trained on before.

    Args:
        graph: Its lists, of which the first ``neighbours`` are drawn from.
        neighbours: At least 1.
        share: Of a batch that is there as another sample's neighbour, 0 … 1.
        batch_size: Over all processes together.
        trainer: Says which process this is and where training stands; None for one process at the start.
    """
    lists = graph.ids[:][:, :neighbours]
    # As Lightning seeds samplers of its own: the same in every process.
    seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
    if trainer is None:
        return NeighbourSampler(graph.vector, lists, share, batch_size, seed)
    done = trainer.fit_loop.epoch_loop.batch_progress.current.processed  # type: ignore[attr-defined]
    whole = done >= len(graph) // batch_size  # of the epoch before
    # True of loaders that begin anew, which this one does not.
    warnings.filterwarnings("ignore", "You're resuming from a checkpoint that ended before the epoch ended")
    return NeighbourSampler(
        graph.vector,
        lists,
        share,
        batch_size,
        seed,
        trainer.global_rank,
        trainer.world_size,
        trainer.current_epoch,
        0 if whole else done,
    )
