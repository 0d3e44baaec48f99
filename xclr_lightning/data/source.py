"""What every source of samples offers: pictures, keys, captions and labels by number."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from xclr_lightning.columns import Column, number_texts
from xclr_lightning.data.decode import BadImage, rgb
from xclr_lightning.errors import UserError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


class Source(ABC):
    """Samples numbered 0 … len − 1, the same way in every process and every run.

    Attributes:
        path: Where they are, for messages.
        skipped: How many samples were left out when the source was opened, by cause.
    """

    path: Path
    skipped: Mapping[str, int] = MappingProxyType({})

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def open(self, index: int) -> Image.Image:
        """Open a picture, of any mode, which need not be decoded yet: views read no more of it than they need.

        Raises:
            BadImage: The picture cannot be opened; the message leaves it to the caller to name it.
        """

    @abstractmethod
    def name(self, index: int) -> str:
        """What a picture is called in messages."""

    def image(self, index: int) -> Image.Image:
        """Decode a picture to RGB.

        Raises:
            BadImage: The picture cannot be read; the message names it.
        """
        try:
            return rgb(self.open(index))
        except BadImage as error:
            raise BadImage(f"{self.name(index)}: {error}") from error

    @abstractmethod
    def parts(self) -> dict[str, slice]:
        """Consecutive runs of samples stored together, by name: a tar shard each, or the whole folder."""

    def version(self, part: str) -> str | None:
        """Something that changes whenever a part's file does; None where that cannot be told without reading it."""
        return None

    @abstractmethod
    def keys(self) -> np.ndarray:
        """Each sample's key, unique in its part. Shape: ``(len,)``, bytes."""

    @abstractmethod
    def captions(self, rows: slice = slice(None)) -> Column:
        """Captions of all samples, or of a run of them.

        Raises:
            UserError: A sample has none.
        """

    @abstractmethod
    def fields(self, name: str) -> Column:
        """Each sample's value of a metadata field, such as its class; empty where it has none.

        Raises:
            UserError: The source has no such field.
        """


def labels(source: Source, field: str, names: list[str] | None = None) -> tuple[np.ndarray, list[str]]:
    """Number a field's values.

    Args:
        source: The samples.
        field: Name of the field.
        names: Values in the order of their numbers; by default those that occur, sorted.

    Returns:
        Numbers, −1 for a value that ``names`` lacks, shape ``(len,)``, int64; and the names.

    Raises:
        UserError: The source has no such field, or a sample has no value in it: together they would be a class.
    """
    numbers, found = number_texts(source.fields(field))
    if "" in found:
        without = np.flatnonzero(numbers == found.index(""))
        raise UserError(
            f"{len(without):,} of {len(numbers):,} samples in {source.path} have no {field!r}, first "
            f"{source.name(int(without[0]))}: leave them out of the data, or give each a value"
        )
    if names is None:
        return numbers, found
    place = {name: i for i, name in enumerate(names)}
    return np.array([place.get(name, -1) for name in found], dtype=np.int64)[numbers], names


def existing(path: Path) -> Path:
    """Return the path if something is there, else raise UserError with the part of it that does exist."""
    if not path.exists():
        parent = next(folder for folder in path.absolute().parents if folder.exists())
        raise UserError(f"no such file or folder: {path} (only {parent} exists); check the path in the config")
    return path
