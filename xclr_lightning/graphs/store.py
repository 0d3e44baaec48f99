"""The embedding form on disk: a side file a shard that joins keys to vectors, and each distinct vector once.

``samples/NAME.npy`` has a row a sample, its ``key`` and the number of its ``vector``; ``vectors/NAME.npy`` the vectors
that the graph meets first in that shard, numbered on from the shard before; ``captions/NAME.npy`` the texts they were
computed from, as UTF-8 with a zero byte after each.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from xclr_lightning.cache import atomic_file
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Captioned
from xclr_lightning.graphs.manifest import check_belongs, check_files, read_manifest
from xclr_lightning.graphs.mapped import MappedRows

FORM = {"form": "embedding", "version": 1}
UNIT_LENGTH = "unit length"
# Vectors looked at whenever a graph is opened; every one was when it was built.
SPOT_CHECKS = 1000
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
        with atomic_file(_file(draft, kind, name), draft.parent) as path, path.open("wb") as file:
            np.save(file, array, allow_pickle=False)


def has_unit(draft: Path, name: str) -> bool:
    """Whether a unit is stored whole."""
    return _file(draft, "samples", name).is_file()


def unit_dimension(draft: Path, name: str) -> int:
    """Dimension of a stored unit's vectors."""
    return MappedRows(_file(draft, "vectors", name)).shape[1]


class StoredEmbeddings:
    """A stored graph of the embedding form, checked but for its whole content.

    Args:
        folder: The graph.

    Attributes:
        manifest: Its ``graph.json``.
        keys: Each sample's key. Shape: ``(N,)``, bytes.
        vector: Number of each sample's vector. Shape: ``(N,)``, int64.
        parts: Vectors, a memory-mapped array a unit. Shapes: ``(D_i, d)``, D in all.

    Raises:
        UserError: The graph is missing or damaged, or of a form that this version does not read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        _check_form(folder, self.manifest)
        check_files(folder, self.manifest)
        names = list(self.manifest["units"])
        tables = [_table(_file(folder, "samples", name)) for name in names]
        self.keys = np.concatenate([table["key"] for table in tables])
        self.vector = np.concatenate([table["vector"] for table in tables])
        self.parts = [_rows(_file(folder, "vectors", name)) for name in names]
        self._check_counts()
        lowest, highest = int(self.vector.min()), int(self.vector.max())
        if lowest < 0 or highest >= self._distinct:
            found = f"numbers vectors from {lowest}" if lowest < 0 else f"numbers vectors up to {highest}"
            raise _damaged(folder / "samples", f"{found}, there are {self._distinct}")
        self._spot_check()

    def check_keys(self, data: Captioned) -> None:
        """Refuse data whose keys are others, or in another order.

        Raises:
            UserError: They are; the message has the first on both sides.
        """
        keys = data.keys()
        if len(keys) == len(self.keys) and np.array_equal(keys, self.keys):
            return
        both = min(len(keys), len(self.keys))
        first = int(np.argmax(np.append(keys[:both] != self.keys[:both], True)))
        theirs, ours = (repr(side[first].decode(errors="replace")) if first < len(side) else "none"
                        for side in (self.keys, keys))  # fmt: skip
        raise UserError(
            f"the keys in {self.folder / 'samples'} are not those of {data.path}: at sample {first} the graph has "
            f"{theirs}, the data {ours}; delete {self.folder} to compute the graph again"
        )

    def captions(self) -> Iterator[str]:
        """What each vector was computed from, in the order of their numbers."""
        for name in self.manifest["units"]:
            texts = np.load(_file(self.folder, "captions", name), allow_pickle=False).tobytes()
            yield from texts.decode().split("\0")[:-1]

    @property
    def _distinct(self) -> int:
        return sum(len(part) for part in self.parts)

    def _check_counts(self) -> None:
        found = {"count": len(self.keys), "distinct": self._distinct, "dimension": self._dimension()}
        stated = {name: self.manifest.get(name) for name in found}
        if found != stated:
            raise _damaged(self.folder, f"its files have {found}, graph.json says {stated}")

    def _dimension(self) -> int | list[int]:
        found = sorted({part.shape[1] for part in self.parts if len(part)})  # a unit may add no vector
        return found[0] if len(found) == 1 else found

    def _spot_check(self) -> None:
        chosen = np.random.default_rng(0).choice(self._distinct, min(SPOT_CHECKS, self._distinct), replace=False)
        ends = np.cumsum([len(part) for part in self.parts])
        where = np.searchsorted(ends, chosen, side="right")
        for part in np.unique(where):
            rows = self.parts[part]
            picked = rows[np.sort(chosen[where == part]) - (ends[part] - len(rows))]
            if problem := vector_problem(picked, self.manifest.get("normalisation") == UNIT_LENGTH):
                name = list(self.manifest["units"])[part]
                raise _damaged(_file(self.folder, "vectors", name), problem[1])


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


def load_embeddings(folder: Path, data: Captioned, facts: dict[str, Any]) -> StoredEmbeddings:
    """Open a graph for the samples that it was computed for.

    Args:
        folder: The graph.
        data: The samples.
        facts: What ``graph.json`` must say.

    Raises:
        UserError: The graph is missing, damaged, or belongs to other data or settings.
    """
    manifest = read_manifest(folder)
    _check_form(folder, manifest)
    check_belongs(folder, manifest, {"count": len(data), **facts}, data.path)
    stored = StoredEmbeddings(folder)
    stored.check_keys(data)
    return stored


def _check_form(folder: Path, manifest: dict[str, Any]) -> None:
    found = {name: manifest.get(name) for name in FORM}
    if found != FORM:
        by = f", written by xclr_lightning {written}" if (written := manifest.get("package_version")) else ""
        raise UserError(
            f"the graph in {folder} has form {found['form']!r}, version {found['version']!r}{by}; this version reads "
            f"{FORM['form']!r}, version {FORM['version']}: update the package, or delete the graph to compute it again"
        )
    units = manifest.get("units")
    if not (isinstance(units, list) and units and all(isinstance(name, str) for name in units)):
        raise UserError(f"no graph in {folder}: graph.json does not list its units; delete the folder")


def _table(file: Path) -> np.ndarray:
    try:
        table = np.load(file, allow_pickle=False)
        if table.ndim != 1 or table.dtype.names != ("key", "vector"):
            raise ValueError(f"an array of {table.dtype} and shape {table.shape}, expected rows of key and vector")
        return table
    except (OSError, EOFError, ValueError) as error:
        raise _damaged(file, str(error)) from error


def _rows(file: Path) -> MappedRows:
    try:
        rows = MappedRows(file)
        if rows.dtype != np.float16:
            raise ValueError(f"values of {rows.dtype}, expected float16")
        return rows
    except (OSError, EOFError, ValueError) as error:
        raise _damaged(file, str(error)) from error


def _file(folder: Path, kind: str, name: str) -> Path:
    return folder / kind / f"{name}.npy"


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(f"{path} is missing or damaged ({reason}): delete the graph's folder to compute it again")
