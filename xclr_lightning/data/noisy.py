"""Wrong captions on purpose: what a method makes of noise is measured by adding some."""

from functools import cached_property

import numpy as np
import pyarrow as pa
from PIL import Image

from xclr_lightning.columns import Column
from xclr_lightning.data.source import Source
from xclr_lightning.exchange import exchanged


class NoisySource(Source):
    """Pictures of which a share have each other's captions and fields, as a set collected from the web has.

    Args:
        source: The pictures, with what is true of them.
        share: Of the pictures that are told wrong, 0 … 1.
        seed: Which ones.
    """

    def __init__(self, source: Source, share: float, seed: int) -> None:
        self._source, self._share, self._seed = source, share, seed
        self.path, self.skipped = source.path, source.skipped

    def __len__(self) -> int:
        return len(self._source)

    def open(self, index: int) -> Image.Image:
        return self._source.open(index)

    def name(self, index: int) -> str:
        return self._source.name(index)

    def parts(self) -> dict[str, slice]:
        return self._source.parts()

    def version(self, part: str) -> str | None:
        version = self._source.version(part)
        return None if version is None else f"{version} noise {self._share} {self._seed}"

    def keys(self) -> np.ndarray:
        return self._source.keys()

    def captions(self, rows: slice = slice(None)) -> Column:
        told_of = self._told_of[rows].tolist()
        return Column.of(self._source.captions(slice(number, number + 1))[0] for number in told_of)

    def fields(self, name: str) -> Column:
        return Column(self._source.fields(name).values.take(pa.array(self._told_of)))

    @cached_property
    def _told_of(self) -> np.ndarray:
        return exchanged(len(self), self._share, self._seed)
