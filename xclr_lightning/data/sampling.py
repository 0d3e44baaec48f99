"""How a training run takes its samples: which of them, in what batches, on which process, from where on."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from xclr_lightning.data.dataset import ViewsDataset
from xclr_lightning.data.epoch_sampler import EpochSampler, Order
from xclr_lightning.data.neighbour_order import neighbour_order
from xclr_lightning.data.shard_order import shard_order
from xclr_lightning.data.share import stratified_share
from xclr_lightning.errors import UserError
from xclr_lightning.graphs import NeighbourGraph


class Sampling:
    """Settings of :class:`GraphDataModule` that say how samples are taken, and the sampler that follows from them.

    Raises:
        UserError: A setting is out of its range, or two do not go together.
    """

    def __init__(
        self,
        batch_size: int,
        train_share: float,
        epoch_samples: int | None,
        shards_at_once: int | None,
        neighbour_share: float,
        neighbours: int,
    ) -> None:
        self.batch_size, self.train_share, self.epoch_samples = batch_size, train_share, epoch_samples
        self.shards_at_once, self.neighbour_share, self.neighbours = shards_at_once, neighbour_share, neighbours
        if batch_size < 2:
            raise UserError(f"data.batch_size {batch_size}: at least 2 samples are compared with each other")
        if epoch_samples is not None and epoch_samples < batch_size:
            raise UserError(f"data.epoch_samples {epoch_samples} fill no batch of {batch_size}: lower data.batch_size")
        if not 0 < train_share <= 1:
            raise UserError(f"data.train_share {train_share}: expected a share above 0, up to 1")
        if not 0 <= neighbour_share <= 1 or neighbours < 1:
            raise UserError(
                f"data.neighbour_share {neighbour_share}, data.neighbours {neighbours}: expected a share from 0 to 1, "
                "of at least 1 neighbour"
            )
        if shards_at_once is not None and (shards_at_once < 1 or neighbour_share):
            raise UserError(
                f"data.shards_at_once {shards_at_once}: expected at least 1, and no data.neighbour_share, whose "
                "neighbours are in all shards"
            )

    def chosen(self, dataset: ViewsDataset) -> np.ndarray:
        """The samples that are trained on, ascending. Shape: ``(m,)``, integer."""
        if self.train_share == 1:
            return np.arange(len(dataset), dtype=np.int32)  # half the memory of int64
        strata = np.zeros(len(dataset), np.int64) if dataset.labels is None else dataset.labels
        return stratified_share(self.train_share, strata, dataset.seed)

    def order(self, dataset: ViewsDataset, ranks: int) -> dict[str, Any]:
        """What the order of samples depends on, to be the same in every process, and in a run that goes on."""
        keys = dataset.source.keys()
        some = keys[:: max(1, len(keys) // 10_000)].tobytes()  # one picture more or less shifts all behind it
        order = {"seed": dataset.seed, "pictures": len(dataset), "hash_of_keys": hashlib.sha256(some).hexdigest()[:8]}
        order |= {"batch_size": self.batch_size, "train_share": self.train_share}
        order |= {"neighbour_share": self.neighbour_share, "shards_at_once": self.shards_at_once}
        return order | ({"processes": ranks} if self.shards_at_once else {})

    def sampler(
        self, dataset: ViewsDataset, lists: NeighbourGraph | None, rank: int, ranks: int, goes_on_at: Mapping[str, int]
    ) -> EpochSampler:
        """This process's part of all batches.

        Args:
            dataset: The samples; its seed decides, and bad ones are replaced by others of :meth:`chosen`.
            lists: Where neighbours are found, if batches are to have some.
            rank: Number of this process.
            ranks: Of processes.
            goes_on_at: Where training stood.

        Raises:
            UserError: There are too few samples for a batch, or they cannot be shared.
        """
        self.check_batches(len(dataset), ranks, "train")
        dataset.chosen = chosen = self.chosen(dataset)
        if self.train_share < 1:
            self.check_batches(len(chosen), ranks, f"train_share {self.train_share:g} of data.train")
        return EpochSampler(
            self._order(dataset, lists, chosen, ranks),
            len(chosen),
            self.batch_size,
            self.epoch_samples,
            dataset.seed,
            rank,
            ranks,
            goes_on_at,
        )

    def check_batches(self, samples: int, ranks: int, split: str) -> None:
        """Refuse batches that processes cannot share, and data that fill none.

        Raises:
            UserError: It is so.
        """
        if self.batch_size % ranks:
            raise UserError(f"data.batch_size {self.batch_size} is shared by all processes: {ranks} do not divide it")
        if samples < self.batch_size:
            raise UserError(
                f"data.{split} has {samples} pictures, fewer than data.batch_size {self.batch_size}: "
                "no batch is full; lower the batch size"
            )

    def _order(self, dataset: ViewsDataset, lists: NeighbourGraph | None, chosen: np.ndarray, ranks: int) -> Order:
        if lists is not None:
            near, vector = lists.ids[:][:, : self.neighbours], lists.vector[chosen]
            return lambda rng: chosen[neighbour_order(vector, near, self.neighbour_share, self.batch_size, rng)]
        if at_once := self.shards_at_once:
            starts = np.array([part.start for part in dataset.source.parts().values()])
            return lambda rng: shard_order(chosen, starts, at_once, self.batch_size, ranks, rng)
        return lambda rng: rng.permutation(chosen)
