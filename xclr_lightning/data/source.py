"""What every source of samples offers: pictures, keys, captions and labels by number."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from PIL import Image

from xclr_lightning.errors import UserError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


class BadImage(Exception):
    """A picture that cannot be read: training takes another in its place and counts it."""


class Source(ABC):
    """Samples numbered 0 … len − 1, the same way in every process and every run."""

    path: Path

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def image(self, index: int) -> Image.Image:
        """Decode a picture to RGB.

        Raises:
            BadImage: The picture cannot be read; the message names it.
        """

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
    def captions(self, rows: slice = slice(None)) -> list[str]:
        """Captions of all samples, or of a run of them.

        Raises:
            UserError: A sample has none.
        """

    @abstractmethod
    def fields(self, name: str) -> list[str]:
        """Each sample's value of a metadata field, such as its class.

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
    """
    values = source.fields(field)
    names = sorted(set(values)) if names is None else names
    number = {name: i for i, name in enumerate(names)}
    return np.array([number.get(value, -1) for value in values], dtype=np.int64), names


def decode(file: object, name: str) -> Image.Image:
    """Open a picture as RGB, from a path or a binary file.

    Raises:
        BadImage: It cannot be read; the message names it.
    """
    try:
        with Image.open(file) as image:  # type: ignore[arg-type]
            return image.convert("RGB")
    except Exception as error:  # decoders raise nearly anything on broken input
        raise BadImage(f"{name}: {type(error).__name__}: {error}") from error


def existing(path: Path) -> Path:
    """Return the path if something is there, else raise UserError with the part of it that does exist."""
    if not path.exists():
        parent = next(folder for folder in path.absolute().parents if folder.exists())
        raise UserError(f"no such file or folder: {path} (only {parent} exists); check the path in the config")
    return path
