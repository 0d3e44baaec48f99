"""Neighbour lists on disk: ``ids.npy`` and ``similarities.npy``, a row a distinct vector, and ``vector.npy``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.manifest import check_belongs, check_files, read_manifest
from xclr_lightning.graphs.mapped import MappedRows
from xclr_lightning.graphs.neighbour_list import NeighbourGraph

FORM = {"form": "neighbour_list", "version": 1}
VECTOR, IDS, SIMILARITIES = "vector.npy", "ids.npy", "similarities.npy"

# Graphs up to this size are read whole when they are opened, of larger ones so many rows.
READ_WHOLE, SPOT_CHECKS = 1 << 26, 1000
# Rounding of a cosine of vectors in half precision that were scaled to unit length.
TOLERANCE = 1e-5


def load_lists(folder: Path, facts: Mapping[str, Any], data_path: Path, floor: float | None) -> NeighbourGraph:
    """Open neighbour lists for the samples that they were computed for.

    Args:
        folder: The graph.
        facts: What ``graph.json`` must say.
        data_path: The data, named in messages.
        floor: What an unlisted pair is worth; by default what ``graph.json`` says.

    Raises:
        UserError: The graph is missing, damaged, or belongs to other data or settings.
    """
    manifest = read_manifest(folder)
    check_belongs(folder, manifest, {**FORM, **facts}, data_path)
    check_files(folder, manifest, hashes=_size(folder) <= READ_WHOLE)
    vector = _numbers(folder / VECTOR)
    ids, similarities = _rows(folder / IDS, np.dtype(np.int32)), _rows(folder / SIMILARITIES, np.dtype(np.float32))
    shape = (manifest.get("distinct"), manifest.get("neighbours"))
    if (ids.shape, similarities.shape, vector.shape) != (shape, shape, (manifest["count"],)):
        raise _damaged(
            folder,
            f"its files have {ids.shape}, {similarities.shape} and {vector.shape}, graph.json says {shape} and "
            f"{manifest['count']}",
        )
    if len(vector) and not 0 <= int(vector.min()) <= int(vector.max()) < len(ids):
        raise _damaged(folder / VECTOR, f"numbers {vector.min()} to {vector.max()} of {len(ids)} vectors")
    _spot_check(folder, ids, similarities)
    stated = [manifest.get("related"), (manifest.get("floor") or {}).get("value") if floor is None else floor]
    if not all(isinstance(value, int | float) and np.isfinite(value) for value in stated):
        raise _damaged(folder, f"graph.json says related {stated[0]!r} and floor {stated[1]!r}, expected numbers")
    return NeighbourGraph(vector, ids, similarities, float(stated[1]), float(stated[0]))  # type: ignore[arg-type]


def _spot_check(folder: Path, ids: MappedRows, similarities: MappedRows) -> None:
    chosen = np.sort(np.random.default_rng(0).permutation(len(ids))[:SPOT_CHECKS])
    numbers, values = ids[chosen], similarities[chosen]
    if len(wrong := numbers[(numbers < -1) | (numbers >= len(ids))]):
        raise _damaged(folder / IDS, f"a list has the number {wrong[0]}, there are {len(ids)} vectors")
    if len(wrong := values[~(np.abs(values) <= 1 + TOLERANCE)]):
        raise _damaged(folder / SIMILARITIES, f"a similarity is {wrong[0]:.4g}, expected -1 to 1")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _numbers(file: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
        if array.ndim != 1 or array.dtype != np.int64:
            raise ValueError(f"an array of {array.dtype} and shape {array.shape}, expected one whole number a sample")
        return array
    except (OSError, EOFError, ValueError) as error:
        raise _damaged(file, str(error)) from error


def _rows(file: Path, dtype: np.dtype) -> MappedRows:
    try:
        rows = MappedRows(file)
        if rows.dtype != dtype:
            raise ValueError(f"values of {rows.dtype}, expected {dtype}")
        return rows
    except (OSError, EOFError, ValueError) as error:
        raise _damaged(file, str(error)) from error


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is missing or damaged ({reason}): delete the graph's folder to compute it again")
