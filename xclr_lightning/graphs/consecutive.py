"""Arrays one after the other, read as one without being copied into one."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import numpy as np

from xclr_lightning.graphs.mapped import MappedArray

Part = np.ndarray | MappedArray


class Consecutive:
    """Rows of arrays, numbered through all of them.

    Args:
        parts: Usually memory-mapped. Shapes: ``(n_i, …)``; only those without rows may differ in more than n_i.

    Example:
        >>> rows = Consecutive([np.array([3, 4]), np.array([5, 6, 7])])
        >>> int(rows[2]), rows[1:4], rows[np.array([4, 0])]
        (5, array([4, 5, 6]), array([7, 3]))
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = list(parts)
        self._ends = list(accumulate(len(part) for part in self.parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        """One row; those of a slice without a step; or those of numbers, in any order, repeated or not."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return np.concatenate([self._empty(0), *self._run(start, stop)])
        if isinstance(rows, np.ndarray):
            out = self._empty(len(rows))
            for part, places, own in self.visits(rows):
                out[places] = self.parts[part][own]
            return out
        part = bisect_right(self._ends, rows)
        return self.parts[part][rows - self._ends[part]]

    def visits(self, numbers: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Where rows are, each part once.

        Args:
            numbers: Of the rows. Shape: ``(n,)``.

        Yields:
            Number of a part, places in ``numbers``, and the rows of the part that these are.

        Raises:
            IndexError: There is no such row.
        """
        order = np.argsort(numbers, kind="stable")
        bounds = np.searchsorted(numbers[order], [0, *self._ends]).tolist()
        if bounds[0] > 0 or bounds[-1] < len(numbers):
            raise IndexError(f"rows {numbers[order[0]]} to {numbers[order[-1]]} of {len(self)}")
        for part, (start, stop) in enumerate(pairwise(bounds)):
            if stop > start:
                places = order[start:stop]
                yield part, places, numbers[places] - (self._ends[part] - len(self.parts[part]))

    def _run(self, start: int, stop: int) -> Iterator[np.ndarray]:
        while start < stop:
            part = bisect_right(self._ends, start)
            end = self._ends[part]
            first = end - len(self.parts[part])
            yield self.parts[part][start - first : min(stop, end) - first]
            start = end

    def _empty(self, count: int) -> np.ndarray:
        like = next((part[:0] for part in self.parts if len(part)), np.empty(0))
        return np.empty((count, *like.shape[1:]), dtype=like.dtype)
