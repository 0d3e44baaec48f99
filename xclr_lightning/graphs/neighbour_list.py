"""The neighbour-list form of a graph: a sample's node is its vector's number and those of its nearest, by degree."""

import logging

import numpy as np
import torch
from torch import Tensor

from xclr_lightning.graphs.mapped import MappedRows

# Related samples that a batch should have for an anchor; below, most anchors see nothing but the floor.
ENOUGH = 1.0
# Last bits of a number that stand for it in a first look: a table of a megabyte.
BITS = (1 << 20) - 1

log = logging.getLogger(__name__)


class NeighbourGraph:
    """Similarity as lists of neighbours state it, and one value for all other pairs.

    Lists are of distinct vectors, so that a caption that occurs a thousand times takes one place in a list.

    Args:
        vector: Number of each sample's vector; samples of one vector have similarity 1. Shape: ``(N,)``, in [0, D).
        ids: Numbers of each vector's neighbours, −1 for none. Shape: ``(D, k)``, int32.
        similarities: Theirs. Shape: ``(D, k)``, float32.
        floor: What a pair is worth of which neither lists the other.
        related: Other samples that have a sample's vector or one of its list, in the mean over samples.

    Example:
        >>> ids, similarities = np.array([[1], [0], [1]], np.int32), np.array([[0.9], [0.9], [0.5]], np.float32)
        >>> graph = NeighbourGraph(np.arange(3), ids, similarities, floor=0.1)
        >>> a = torch.stack([graph.nodes(i) for i in range(3)])
        >>> graph.similarity(a, a)
        tensor([[1.0000, 0.9000, 0.1000],
                [0.9000, 1.0000, 0.5000],
                [0.1000, 0.5000, 1.0000]])
    """

    def __init__(
        self,
        vector: np.ndarray,
        ids: np.ndarray | MappedRows,
        similarities: np.ndarray | MappedRows,
        floor: float,
        related: float | None = None,
    ) -> None:
        self.vector, self.ids, self.similarities = vector, ids, similarities
        self.floor = floor
        self.related = float(ids.shape[1]) if related is None else related

    def __len__(self) -> int:
        return len(self.vector)

    def nodes(self, index: int) -> Tensor:
        """A sample's vector and its neighbours: numbers, and the bits of float32 similarities.

        Returns:
            Whole numbers, which no precision setting rounds. Shape: ``(1 + k, 2)``, int32.
        """
        number = int(self.vector[index])
        node = np.empty((1 + self.ids.shape[1], 2), dtype=np.int32)
        node[0, 0], node[1:, 0] = number, self.ids[number]
        node[0, 1], node[1:, 1] = np.float32(1).view(np.int32), self.similarities[number].view(np.int32)
        return torch.from_numpy(node)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """What either list states, the larger if both do; 1 for one vector; the floor otherwise.

        Shapes: ``(n, 1 + k, 2)``, ``(m, 1 + k, 2)`` int32 → ``(n, m)`` float32.
        """
        pairs, values = _listed(a, b)
        mirrored, others = _listed(b, a)
        rows, columns = torch.cat([pairs, mirrored.flip(0)], 1)
        place = rows * len(b) + columns
        block = values.new_full((len(a) * len(b),), self.floor)
        block[place] = -torch.inf  # so that what is stated counts where it is below the floor, too
        block.scatter_reduce_(0, place, torch.cat([values, others]), "amax")
        return block.view(len(a), len(b))

    def expected(self, batch_size: int) -> float:
        """Related samples that an anchor finds in a random batch, in the mean.

        Example:
            >>> lists = np.zeros((12_000, 64), np.int32)
            >>> graph = NeighbourGraph(np.arange(12_000), lists, lists.astype(np.float32), 0.0)
            >>> round(graph.expected(1024), 2)
            5.46
        """
        return (batch_size - 1) * self.related / max(1, len(self) - 1)

    def warn_if_rare(self, batch_size: int) -> None:
        """Say so if hardly a pair of a random batch is listed: the loss then sees the floor and little else."""
        if (expected := self.expected(batch_size)) < ENOUGH:
            log.warning(
                "neighbour lists: an anchor finds %.2g related samples in a random batch of %d, in the mean; all other "
                "pairs are worth the floor %.3g. Set data.neighbour_share to bring neighbours into batches, or use the "
                "graph of embeddings itself",
                expected,
                batch_size,
                self.floor,
            )


def _listed(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """All that lists of ``a`` state of vectors of ``b``, at a cost of n · k.

    Returns:
        Places in ``a`` and ``b``, ``(2, p)``, int64; similarities, ``(p,)``, float32.
    """
    own, wanted = b[:, 0, 0], a[..., 0]
    # Nearly nothing of the lists is in the batch: a look at the last bits of the numbers leaves few to search for.
    there = torch.zeros(BITS + 1, dtype=torch.bool, device=b.device)
    there[(own & BITS).long()] = True
    row, column = there[(wanted & BITS).long()].nonzero(as_tuple=True)
    ordered, order = own.sort()
    number = wanted[row, column]
    first = torch.searchsorted(ordered, number)
    count = torch.searchsorted(ordered, number, right=True) - first
    # Several samples may have the vector, or none.
    entry = torch.arange(len(number), device=b.device).repeat_interleave(count)
    nth = torch.arange(len(entry), device=b.device) - (count.cumsum(0) - count)[entry]
    pairs = torch.stack([row[entry], order[first[entry] + nth]])
    return pairs, a[..., 1][row, column].view(torch.float32)[entry]
