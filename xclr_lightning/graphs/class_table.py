"""The class-table form of a graph: a sample's node is its class, similarity one entry of a C × C table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xclr_lightning.cache import atomic_folder
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.manifest import check_belongs, check_files, read_manifest, write_manifest

TABLE = "table.npy"

# Rounding that a table may have: float32 of a cosine.
TOLERANCE = 1e-5


class ClassTableGraph:
    """Similarity by class. Its cost in training is nil, however many samples there are.

    Args:
        table: Similarity of any two classes. Shape: ``(C, C)``, float32.
        classes: The class of every sample. Shape: ``(N,)``, int64, in [0, C).

    Example:
        >>> graph = ClassTableGraph(torch.tensor([[1.0, 0.2], [0.2, 1.0]]), torch.tensor([0, 1, 0]))
        >>> a = torch.stack([graph.nodes(0), graph.nodes(1)])
        >>> graph.similarity(a, graph.nodes(2)[None])
        tensor([[1.0000],
                [0.2000]])
    """

    def __init__(self, table: Tensor, classes: Tensor) -> None:
        self._table, self._classes = table, classes
        self._on_device: dict[torch.device, Tensor] = {}

    def __len__(self) -> int:
        return len(self._classes)

    def nodes(self, index: int) -> Tensor:
        """A sample's class. Shape: ``()``, int64."""
        return self._classes[index].clone()

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Entries of the table. Shapes: ``(n,)``, ``(m,)`` int64 → ``(n, m)`` float32."""
        if a.device not in self._on_device:
            self._on_device[a.device] = self._table.to(a.device)
        return self._on_device[a.device].index_select(0, a).index_select(1, b)

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_on_device": {}}  # workers look up nothing


def check_table(table: np.ndarray, classes: Sequence[str], origin: str) -> None:
    """Refuse what is no table of similarities.

    Args:
        table: What should be one.
        classes: Names of its rows, C of them.
        origin: Where it comes from, named in the message.

    Raises:
        UserError: Its shape is not ``(C, C)``, or it has values that are no finite numbers, is not symmetric, is not 1
            on the diagonal, or leaves [−1, 1].

    Example:
        >>> check_table(np.array([[1, 0.5], [0.5, 0.9]]), ["cat", "dog"], "mine.npy")
        Traceback (most recent call last):
        xclr_lightning.errors.UserError: mine.npy: the similarity of dog to itself is 0.9, expected 1
    """
    if table.shape != (len(classes), len(classes)) or table.dtype.kind not in "fiub":
        raise UserError(
            f"{origin}: expected numbers of shape ({len(classes)}, {len(classes)}), one row a class, found "
            f"{table.dtype} of shape {table.shape}"
        )
    table = np.asarray(table, dtype=np.float64)

    def first(wrong: np.ndarray) -> tuple[int, int] | None:
        place = np.argwhere(wrong)
        return (int(place[0][0]), int(place[0][1])) if len(place) else None

    if at := first(~np.isfinite(table)):
        raise UserError(f"{origin}: the similarity of {classes[at[0]]} and {classes[at[1]]} is {table[at]}")
    if at := first(np.abs(table - table.T) > TOLERANCE):
        one, other = classes[at[0]], classes[at[1]]
        raise UserError(
            f"{origin}: similarities are not symmetric: {table[at]:g} for {one} and {other}, {table.T[at]:g} for "
            f"{other} and {one}"
        )
    if at := first(np.diag(np.abs(table.diagonal() - 1) > TOLERANCE)):
        raise UserError(f"{origin}: the similarity of {classes[at[0]]} to itself is {table[at]:g}, expected 1")
    if at := first(np.abs(table) > 1 + TOLERANCE):
        raise UserError(
            f"{origin}: the similarity of {classes[at[0]]} and {classes[at[1]]} is {table[at]:g}, expected -1 to 1"
        )


def save_table(folder: Path, table: np.ndarray, classes: Sequence[str], facts: Mapping[str, Any]) -> None:
    """Store a table, whole or not at all.

    Args:
        folder: Where the graph goes; left alone if it exists.
        table: Shape: ``(C, C)``.
        classes: Names of its rows.
        facts: What ``graph.json`` says of the graph beyond its form, classes, dtype and count.
    """
    with atomic_folder(folder) as draft:
        np.save(draft / TABLE, table.astype(np.float32), allow_pickle=False)
        form = {"form": "class_table", "dtype": "float32", "count": len(classes), "classes": list(classes)}
        write_manifest(draft, {**form, **facts})


def load_table(folder: Path, classes: Sequence[str], facts: Mapping[str, Any], data_path: str | Path) -> np.ndarray:
    """Open a stored table.

    Args:
        folder: The graph.
        classes: The data's classes, in the order of their numbers.
        facts: What ``graph.json`` must say.
        data_path: The data, named in messages.

    Returns:
        Shape: ``(C, C)``, float32.

    Raises:
        UserError: The graph is missing, damaged, or belongs to other classes or settings.
    """
    manifest = read_manifest(folder)
    check_belongs(folder, manifest, {"form": "class_table", **facts, "count": len(classes)}, data_path)
    for number, (found, expected) in enumerate(zip(manifest.get("classes", []), classes, strict=False)):
        if found != expected:
            raise UserError(
                f"the graph in {folder} does not belong to the data in {data_path}: its class {number} is {found!r}, "
                f"expected {expected!r}; delete the graph to compute it again"
            )
    check_files(folder, manifest, hashes=True)
    try:
        table: np.ndarray = np.load(folder / TABLE, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{folder / TABLE} is missing or damaged ({error}): delete {folder}") from error
    check_table(table, classes, str(folder / TABLE))
    return table
