"""Some pictures of many, from few shards: to look at a set is not to read, or to fetch, all of it."""

import numpy as np
from PIL import Image

from xclr_lightning.columns import Column
from xclr_lightning.data import Source

# Shards that are looked into, where they hold enough.
FEW = 4


class Excerpt(Source):
    """Some pictures of a source, by new numbers.

    Args:
        source: The pictures.
        numbers: Which of them, ascending. Shape: ``(n,)``, int64.
    """

    def __init__(self, source: Source, numbers: np.ndarray) -> None:
        self._source, self.numbers = source, numbers
        self.path, self.skipped = source.path, source.skipped

    def __len__(self) -> int:
        return len(self.numbers)

    def open(self, index: int) -> Image.Image:
        return self._source.open(int(self.numbers[index]))

    def name(self, index: int) -> str:
        return self._source.name(int(self.numbers[index]))

    def parts(self) -> dict[str, slice]:
        return {"excerpt": slice(0, len(self))}

    def keys(self) -> np.ndarray:
        return np.asarray(self._source.keys()[self.numbers])

    def captions(self, rows: slice = slice(None)) -> Column:
        return Column.of(self._source.captions(slice(number, number + 1))[0] for number in self.numbers[rows].tolist())

    def fields(self, name: str) -> Column:
        values = self._source.fields(name)
        return Column.of(values[number] for number in self.numbers.tolist())


def excerpt(source: Source, count: int) -> Source:
    """Draw pictures at random, but alike in every run.

    Args:
        source: The pictures.
        count: How many.

    Returns:
        The source itself where it has no more, whose features other evaluations may have too.
    """
    return source if count >= len(source) else Excerpt(source, some_numbers(source.parts(), count))


def some_numbers(parts: dict[str, slice], count: int) -> np.ndarray:
    """Numbers of some pictures, ascending, of four parts or of as many more as it takes.

    Args:
        parts: As :meth:`Source.parts` gives them.
        count: How many, of all at most.

    Returns:
        Shape: ``(count,)``, int64.

    Example:
        >>> some_numbers({"00000": slice(0, 3), "00001": slice(3, 9)}, 4)
        array([2, 3, 6, 8])
    """
    rng, runs = np.random.default_rng(0), list(parts.values())
    found: list[np.ndarray] = []
    for number in rng.permutation(len(runs)):
        if len(found) >= FEW and sum(map(len, found)) >= count:
            break
        found.append(np.arange(runs[number].start, runs[number].stop))
    return np.sort(rng.choice(np.concatenate(found), count, replace=False))
