"""The largest of very many similarities, block by block: nearest neighbours as far as float32 can tell."""

from collections.abc import Iterator
from math import ceil, gcd, sqrt

import torch
from torch import Tensor

from xclr_lightning.evaluation.fixed_point import scales, unit

# Blocks of keys in half precision that are scaled to unit length at once.
CHUNK = 16
# Similarities that are looked at together: only groups whose largest may count are looked into.
GROUP = 32
# A random part of the bank tells from the start how large a similarity has to be: its share, how many blocks of keys it
# may fill, and how surely, in deviations.
SAMPLE, SAMPLED, SURELY = 1 / 24, 4, 4
# Up to so many blocks of keys, to sort all similarities costs less than to find those that count.
FEW = 4


class Bank:
    """Rows of a bank as unit vectors: scaled once if they are float32, else whenever they are read."""

    def __init__(self, rows: Tensor, chunk: int) -> None:
        if rows.dtype == torch.float32:
            self.rows, self.scale, self.chunk = unit(rows), None, max(1, len(rows))
        else:
            self.rows, self.chunk = rows, chunk
            self.scale = torch.cat([scales(part) for part in rows.split(chunk)])

    def __getitem__(self, numbers: Tensor) -> Tensor:
        rows = self.rows.index_select(0, numbers)
        return rows if self.scale is None else unit(rows, self.scale.index_select(0, numbers))

    def chunks(self) -> Iterator[tuple[int, Tensor]]:
        """Number of the first, and unit vectors, of all of the bank in turn."""
        for start in range(0, len(self.rows), self.chunk):
            part = slice(start, start + self.chunk)
            yield start, self.rows[part] if self.scale is None else unit(self.rows[part], self.scale[part])


def candidates(bank: Bank, queries: Tensor, width: int, query_block: int, key_block: int) -> tuple[Tensor, Tensor]:
    """The ``width`` largest float32 products of unit vectors, and their rows."""
    if len(bank.rows) <= FEW * key_block:
        return _largest(bank, queries, width, query_block * key_block)
    floor = _likely_floor(bank, queries, width, query_block, key_block)
    values, index = _above(bank, queries, width, floor, query_block, key_block)
    if len(missed := values.isinf().any(1).nonzero()[:, 0]):
        floor = torch.full_like(floor[missed], -torch.inf)
        values[missed], index[missed] = _above(bank, queries[missed], width, floor, query_block, key_block)
    return values, index


def _largest(bank: Bank, queries: Tensor, width: int, room: int) -> tuple[Tensor, Tensor]:
    """The same from all products with a small bank, of which there is room for so many at once."""
    keys = bank[torch.arange(len(bank.rows), device=queries.device)]
    parts = queries.split(max(1, room // max(1, len(keys))))
    found = [(part @ keys.T).topk(width, sorted=False) for part in parts]
    return torch.cat([one.values for one in found]), torch.cat([one.indices for one in found])


def _likely_floor(bank: Bank, queries: Tensor, width: int, query_block: int, key_block: int) -> Tensor:
    """What, by a random part of the bank, at least ``width`` similarities of a query exceed. Shape: ``(Q, 1)``."""
    size = min(int(SAMPLE * len(bank.rows)), SAMPLED * key_block) // 8 * 8
    expected = width * size / max(1, len(bank.rows))
    rank = ceil((SURELY / 2 + sqrt(SURELY**2 / 4 + expected)) ** 2)  # rank − SURELY · √rank = expected
    if rank > size // 8:
        return queries.new_full((len(queries), 1), -torch.inf)
    drawn = torch.randperm(len(bank.rows), generator=torch.Generator().manual_seed(0))[:size]
    sample = bank[drawn.to(queries.device)].split(max(1, key_block // 8) * 8)
    floors = []
    for rows in queries.split(query_block):
        # Of each eight the largest: there are fewer to sort, and the floor is hardly lower.
        largest = [(rows @ keys.T).view(len(rows), 8, -1).amax(1) for keys in sample]
        floors.append(torch.cat(largest, dim=1).topk(rank, sorted=False).values.amin(1, keepdim=True))
    return torch.cat(floors)


def _above(
    bank: Bank, queries: Tensor, width: int, floor: Tensor, query_block: int, key_block: int
) -> tuple[Tensor, Tensor]:
    """The ``width`` largest products above a floor ``(Q, 1)``; where there are fewer, −∞ for the rest."""
    values = queries.new_full((len(queries), width), -torch.inf)
    index = torch.zeros_like(values, dtype=torch.int64)
    products = queries.new_empty(query_block * key_block)
    best = _Best(min(query_block, len(queries)), width, key_block, queries.device)
    for start, chunk in bank.chunks():
        for first in range(0, len(queries), query_block):
            rows = slice(first, first + query_block)
            best.load(values[rows], index[rows], floor[rows])
            for place in range(0, len(chunk), key_block):
                keys = chunk[place : place + key_block]
                block = products[: len(queries[rows]) * len(keys)].view(-1, len(keys))
                best.add(torch.mm(queries[rows], keys.T, out=block), start + place)
            values[rows], index[rows] = best.settle()
    return values, index


class _Best:
    """The largest similarities so far of each query, with room for a block of others that may be among them."""

    def __init__(self, queries: int, width: int, room: int, device: torch.device) -> None:
        self.width, self.most = width, 4 * width
        self._values = torch.full((queries, self.most + room), -torch.inf, device=device)
        self._index = torch.zeros((queries, self.most + room), dtype=torch.int64, device=device)

    def load(self, values: Tensor, index: Tensor, floor: Tensor) -> None:
        """Go on from the largest of some queries. Shapes: ``(q, width)``, ``(q, 1)``."""
        self.values, self.index = self._values[: len(values)], self._index[: len(values)]
        self.values[:, : self.width], self.index[:, : self.width] = values, index
        self.filled = torch.full_like(index[:, 0], self.width)
        self._raise(floor, values)

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
        self._raise(self.floor, top)
        return top, index

    def _raise(self, floor: Tensor, values: Tensor) -> None:
        self.floor = torch.maximum(floor, values.amin(1, keepdim=True))
        self.empty = bool(self.floor.isinf().any())

    def _put(self, row: Tensor, values: Tensor, index: Tensor) -> None:
        """Append, rows ascending."""
        count = row.bincount(minlength=len(self.filled))
        place = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count - self.filled)[row]
        self.values[row, place], self.index[row, place] = values, index
        self.filled += count
        if int(self.filled.max()) > self.most:
            self.settle()
