"""Torchvision's data sets of classified pictures, by name."""

import fcntl
import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from torchvision import datasets

from xclr_lightning.cache import cache_dir
from xclr_lightning.columns import Column
from xclr_lightning.data.decode import reading
from xclr_lightning.data.source import Source
from xclr_lightning.errors import UserError, did_you_mean

PREFIX = "torchvision:"
# What torchvision raises where files are missing or damaged, or cannot be fetched.
_ABSENT = (RuntimeError, OSError)


class TorchvisionSet(Source):
    """A part of a data set of :mod:`torchvision.datasets` that gives pictures with the number of their class.

    The field ``class`` has the class's name as torchvision knows it, with spaces for underscores, or its number where
    torchvision knows none; the names are the captions. Files are looked for in ``?root=``, else in ``$XCLR_DATA``, else
    in the folder ``datasets`` of the cache, and fetched by torchvision where they are missing.

    Args:
        name: ``torchvision:CIFAR10/train``, ``torchvision:Food101/test?root=/data``; for sets that are not divided,
            ``torchvision:EuroSAT``.

    Raises:
        UserError: There is no such set or part, its files are neither there nor to be had, or it has no classes.
    """

    def __init__(self, name: str) -> None:
        place, _, query = name.removeprefix(PREFIX).partition("?")
        self._name = f"{PREFIX}{place}"
        option, _, folder = query.partition("=")
        if option not in ("", "root"):
            raise UserError(f"{name}: no option {option!r}; only ?root=FOLDER is known")
        root = Path(folder or os.environ.get("XCLR_DATA") or cache_dir() / "datasets").expanduser()
        kind, _, part = place.partition("/")
        self.path = root / place
        self._dataset = _open(self._name, _set_class(self._name, kind), part, root)
        self._classes = _class_column(self._name, self._dataset)

    def __len__(self) -> int:
        return len(self._classes)

    def open(self, index: int) -> Image.Image:
        with reading():
            picture: Image.Image = self._dataset[index][0]
            return picture

    def name(self, index: int) -> str:
        return f"{self._name} {index}"

    def parts(self) -> dict[str, slice]:
        return {"00000": slice(0, len(self))}

    def keys(self) -> np.ndarray:
        return np.char.mod(b"%08d", np.arange(len(self)))

    def captions(self, rows: slice = slice(None)) -> Column:
        if not _class_names(self._dataset) or "" in self._classes[rows]:
            raise UserError(
                f"{self._name} has no captions: torchvision has no names of its classes, only numbers; take a graph "
                "over the field class, or an objective that needs no captions"
            )
        return self._classes[rows]

    def fields(self, name: str) -> Column:
        if name != "class":
            raise UserError(f"{self._name} has no field {name!r}: it has class")
        return self._classes


def _set_class(name: str, kind: str) -> Any:
    kinds = {entry: getattr(datasets, entry) for entry in datasets.__all__}
    known = [entry for entry, of in kinds.items() if isinstance(of, type) and issubclass(of, datasets.VisionDataset)]
    if kind not in known:
        raise UserError(f"{name}: torchvision.datasets has no {kind!r}{did_you_mean(kind, known)}")
    return kinds[kind]


def _open(name: str, kind: Any, part: str, root: Path) -> Any:
    arguments = _arguments(name, kind, part)
    try:
        return kind(root=root, **arguments)
    except ValueError as error:  # torchvision lists the parts that there are
        raise UserError(f"{name}: {error}") from error
    except _ABSENT as error:
        absent = error
    except (TypeError, ImportError) as error:
        raise UserError(f"{name} cannot be used: {' '.join(str(error).split())}") from error
    try:
        if "download" not in inspect.signature(kind).parameters:
            raise absent
        with _alone(root):
            with suppress(*_ABSENT):
                return kind(root=root, **arguments)  # another process has fetched it meanwhile
            return kind(root=root, **arguments, download=True)
    except _ABSENT as error:
        call = ", ".join([f"root={str(root)!r}", *(f"{key}={value!r}" for key, value in arguments.items())])
        raise UserError(
            f"{name}: its files are not in {root}, and cannot be fetched ({' '.join(str(error).split())}); where there "
            f"is a network, run torchvision.datasets.{kind.__name__}({call}, download=True) and copy the folder, or "
            "name another by ?root= or XCLR_DATA"
        ) from error


def _arguments(name: str, kind: Any, part: str) -> dict[str, object]:
    """How torchvision is told which part of a set is meant."""
    parameters = inspect.signature(kind).parameters
    if "train" in parameters:
        if part not in ("train", "test"):
            close = did_you_mean(part, ("train", "test"))
            raise UserError(f"{name}: {kind.__name__} has the parts train and test, not {part!r}{close}")
        return {"train": part == "train"}
    if "split" in parameters:
        return {"split": part}
    if part:
        raise UserError(f"{name}: {kind.__name__} is not divided; write {PREFIX}{kind.__name__}")
    return {}


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold other processes of this machine back meanwhile."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".fetching").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _class_column(name: str, dataset: Any) -> Column:
    sample = dataset[0] if len(dataset) else None
    numbers = _class_numbers(dataset)
    if (
        not isinstance(sample, tuple)
        or not isinstance(sample[0], Image.Image)
        or numbers.shape != (len(dataset),)
        or not np.issubdtype(numbers.dtype, np.integer)
        or numbers[0] != sample[1]
    ):
        raise UserError(f"{name} cannot be used: its samples are no pairs of a picture and the number of its class")
    found, codes = np.unique(numbers, return_inverse=True)
    names = _class_names(dataset) or {}
    texts = [names.get(number, "") if names else str(number) for number in found.tolist()]
    return Column(pa.chunked_array([pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), texts)]))


def _class_numbers(dataset: Any) -> np.ndarray:
    """Each sample's class: torchvision holds it in one of several attributes; where in none, pictures are read."""
    for attribute in ("targets", "labels", "_labels", "y"):
        if hasattr(dataset, attribute):
            return np.asarray(getattr(dataset, attribute))
    for attribute in ("_samples", "samples"):
        if hasattr(dataset, attribute):
            return np.asarray([sample[-1] for sample in getattr(dataset, attribute)])
    return np.asarray([dataset[index][1] for index in range(len(dataset))])


def _class_names(dataset: Any) -> dict[int, str]:
    """Names of classes by number; empty where torchvision has none. ImageNet's are the first of their synonyms."""
    names = getattr(dataset, "classes", None) or getattr(dataset, "categories", None) or []
    return {i: (name if isinstance(name, str) else name[0]).replace("_", " ") for i, name in enumerate(names)}
