"""The largest of very many similarities, block by block: nearest neighbours as far as float32 can tell."""

from collections.abc import Iterator
from math import gcd

import torch
from torch import Tensor

from xclr_lightning.evaluation.fixed_point import unit

# Blocks of keys in half precision that are scaled to unit length at once.
CHUNK = 16
# Similarities that are looked at together: only groups whose largest may count are looked into.
GROUP = 32


class Bank:
    """Rows of a bank as unit vectors: scaled once if they are float32, else whenever they are read."""

    def __init__(self, rows: Tensor, chunk: int) -> None:
        self.scaled = rows.dtype == torch.float32
        self.rows = unit(rows) if self.scaled else rows
        self.chunk = max(1, len(rows)) if self.scaled else chunk

    def __getitem__(self, numbers: Tensor) -> Tensor:
        rows = self.rows.index_select(0, numbers)
        return rows if self.scaled else unit(rows)

    def chunks(self) -> Iterator[tuple[int, Tensor]]:
        """Number of the first, and unit vectors, of all of the bank in turn."""
        for start in range(0, len(self.rows), self.chunk):
            rows = self.rows[start : start + self.chunk]
            yield start, rows if self.scaled else unit(rows)


def candidates(bank: Bank, queries: Tensor, width: int, query_block: int, key_block: int) -> tuple[Tensor, Tensor]:
    """The ``width`` largest float32 products of unit vectors, and their rows."""
    values = queries.new_full((len(queries), width), -torch.inf)
    index = torch.zeros_like(values, dtype=torch.int64)
    products = queries.new_empty(query_block * key_block)
    best = _Best(min(query_block, len(queries)), width, key_block, queries.device)
    for start, chunk in bank.chunks():
        for first in range(0, len(queries), query_block):
            rows = slice(first, first + query_block)
            best.load(values[rows], index[rows])
            for place in range(0, len(chunk), key_block):
                keys = chunk[place : place + key_block]
                block = products[: len(queries[rows]) * len(keys)].view(-1, len(keys))
                best.add(torch.mm(queries[rows], keys.T, out=block), start + place)
            values[rows], index[rows] = best.settle()
    return values, index


class _Best:
    """The largest similarities so far of each query, with room for a block of others that may be among them."""

    def __init__(self, queries: int, width: int, room: int, device: torch.device) -> None:
        self.width = width
        self._values = torch.full((queries, 2 * width + room), -torch.inf, device=device)
        self._index = torch.zeros((queries, 2 * width + room), dtype=torch.int64, device=device)

    def load(self, values: Tensor, index: Tensor) -> None:
        """Go on from the largest of some queries. Shapes: ``(q, width)``."""
        self.values, self.index = self._values[: len(values)], self._index[: len(values)]
        self.values[:, : self.width], self.index[:, : self.width] = values, index
        self.filled = torch.full_like(index[:, 0], self.width)
        self.floor = values.amin(1, keepdim=True)
        self.empty = bool(self.floor.isinf().any())

    def add(self, similarity: Tensor, start: int) -> None:
        """Take what exceeds the floor; ``similarity`` is of rows from ``start`` on."""
        if self.empty:  # nothing to leave out by yet
            top, place = similarity.topk(min(self.width, similarity.shape[1]), sorted=False)
            row = torch.arange(len(top), device=top.device).repeat_interleave(top.shape[1])
            self._put(row, top.flatten(), place.flatten() + start)
            self.settle()
            return
        size = gcd(similarity.shape[1], GROUP)
        groups = similarity.view(-1, size)
        largest = groups.amax(1).view(len(similarity), -1)
        group = (largest > self.floor).flatten().nonzero()[:, 0]
        row = group // largest.shape[1]
        inside = groups.index_select(0, group)
        hit = (inside > self.floor.index_select(0, row)).flatten().nonzero()[:, 0]
        place = (group * size).index_select(0, hit // size) + hit % size
        row = place // similarity.shape[1]
        self._put(row, inside.flatten().index_select(0, hit), place % similarity.shape[1] + start)

    def settle(self) -> tuple[Tensor, Tensor]:
        """Keep the largest, and raise the floor to the least of them."""
        used = int(self.filled.max())
        top, place = self.values[:, :used].topk(self.width, sorted=False)
        index = self.index[:, :used].gather(1, place)
        self.values[:, : self.width], self.index[:, : self.width] = top, index
        self.values[:, self.width : used] = -torch.inf
        self.filled.fill_(self.width)
        self.floor = top.amin(1, keepdim=True)
        self.empty = bool(self.floor.isinf().any())
        return top, index

    def _put(self, row: Tensor, values: Tensor, index: Tensor) -> None:
        """Append, rows ascending."""
        count = row.bincount(minlength=len(self.filled))
        place = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count - self.filled)[row]
        self.values[row, place], self.index[row, place] = values, index
        self.filled += count
        if int(self.filled.max()) > 2 * self.width:
            self.settle()
