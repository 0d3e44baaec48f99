"""The files of one unit of a graph of embeddings: keys joined to vectors, the vectors it adds, and their texts.

``samples/NAME.npy`` has a row a sample, its ``key`` and the number of its ``vector``; ``vectors/NAME.npy`` the vectors
that the graph meets first in that unit, numbered on from the unit before; ``captions/NAME.npy`` the texts they were
computed from, as UTF-8 with a zero byte after each.
"""

from pathlib import Path

import numpy as np

from xclr_lightning.cache import atomic_file
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.mapped import MappedColumn, MappedRows

# Half precision rounds each value by 2⁻¹¹ of itself at most.
NORM_TOLERANCE = 2e-3


def write_unit(
    draft: Path, name: str, keys: np.ndarray, vector: np.ndarray, vectors: np.ndarray, captions: list[str]
) -> None:
    """Store one unit of the data; the side file comes last and says that the unit is whole.

    Args:
        draft: The graph's folder; its parent takes files that are being written.
        name: Of the unit.
        keys: Shape: ``(n,)``, bytes.
        vector: Number of each sample's vector. Shape: ``(n,)``.
        vectors: Those that the unit adds. Shape: ``(m, d)``, stored in half precision.
        captions: What they were computed from, m texts.
    """
    texts = "".join(f"{caption}\0" for caption in captions).encode()
    table = np.empty(len(keys), dtype=[("key", keys.dtype), ("vector", np.int64)])
    table["key"], table["vector"] = keys, vector
    for kind, array in (
        ("vectors", vectors.astype(np.float16)),
        ("captions", np.frombuffer(texts, dtype=np.uint8)),
        ("samples", table),
    ):
        with atomic_file(unit_file(draft, kind, name), draft.parent) as path, path.open("wb") as file:
            np.save(file, array, allow_pickle=False)


def has_unit(draft: Path, name: str) -> bool:
    """Whether a unit is stored whole."""
    return unit_file(draft, "samples", name).is_file()


def unit_dimension(draft: Path, name: str) -> int:
    """Dimension of a stored unit's vectors."""
    return MappedRows(unit_file(draft, "vectors", name)).shape[1]


def open_column(folder: Path, name: str, column: str) -> MappedColumn:
    """Open a column of a unit's samples, ``key`` or ``vector``. Shape: ``(n,)``.

    Raises:
        UserError: The file is missing or damaged.
    """
    file = unit_file(folder, "samples", name)
    try:
        return MappedColumn(file, ("key", "vector"), column)
    except (OSError, EOFError, ValueError) as error:
        raise damaged(file, str(error)) from error


def open_vectors(folder: Path, name: str) -> MappedRows:
    """Open the vectors that a unit adds. Shape: ``(m, d)``, float16.

    Raises:
        UserError: The file is missing or damaged.
    """
    file = unit_file(folder, "vectors", name)
    try:
        rows = MappedRows(file)
        if rows.dtype != np.float16:
            raise ValueError(f"values of {rows.dtype}, expected float16")
        return rows
    except (OSError, EOFError, ValueError) as error:
        raise damaged(file, str(error)) from error


def read_captions(folder: Path, name: str, count: int) -> list[str]:
    """What a unit's vectors were computed from.

    Args:
        folder: The graph.
        name: Of the unit.
        count: Of its vectors.

    Raises:
        UserError: The file is missing or damaged.
    """
    file = unit_file(folder, "captions", name)
    try:
        captions: list[str] = np.load(file, allow_pickle=False).tobytes().decode().split("\0")[:-1]
    except (OSError, EOFError, ValueError) as error:
        raise damaged(file, str(error)) from error
    if len(captions) != count:
        raise damaged(file, f"{len(captions):,} captions for {count:,} vectors")
    return captions


def unit_file(folder: Path, kind: str, name: str) -> Path:
    """Where a unit's ``samples``, ``vectors`` or ``captions`` are."""
    return folder / kind / f"{name}.npy"


def damaged(path: Path, reason: str) -> UserError:
    """The error for a file that is not as it was written."""
    return UserError(f"{path} is missing or damaged ({reason}): delete the graph's folder to compute it again")


def vector_problem(vectors: np.ndarray, unit: bool) -> tuple[int, str] | None:
    """The first row that is not as it must be, and what is wrong with it.

    Args:
        vectors: As stored. Shape: ``(n, d)``.
        unit: Whether rows are of unit length.

    Example:
        >>> vector_problem(np.array([[0.6, 0.8], [3.0, 4.0]]), unit=True)
        (1, 'a vector has length 5, expected 1')
    """
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1)
    if len(wrong := np.flatnonzero(~np.isfinite(lengths))):
        return int(wrong[0]), "a vector has values that are NaN or infinite"
    if unit and len(wrong := np.flatnonzero(np.abs(lengths - 1) > NORM_TOLERANCE)):
        return int(wrong[0]), f"a vector has length {lengths[wrong[0]]:.4g}, expected 1"
    return None
