"""The embedding form on disk: a side file a unit that joins keys to vectors, and each distinct vector once."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Captioned
from xclr_lightning.graphs.consecutive import Consecutive
from xclr_lightning.graphs.manifest import check_belongs, check_files, read_manifest
from xclr_lightning.graphs.unit_files import (
    damaged,
    open_column,
    open_vectors,
    read_captions,
    unit_file,
    vector_problem,
)

FORM = {"form": "embedding", "version": 1}
UNIT_LENGTH = "unit length"
# Vectors looked at whenever a graph is opened; every one was when it was built.
SPOT_CHECKS = 1000


class StoredEmbeddings:
    """A stored graph of the embedding form, checked but for its whole content. Of N samples none is held in memory.

    Args:
        folder: The graph.

    Attributes:
        manifest: Its ``graph.json``.
        vectors: The distinct ones, memory-mapped. Shape: ``(D, d)``, float16.
        vector: Number of each sample's vector, memory-mapped. Shape: ``(N,)``, int64.

    Raises:
        UserError: The graph is missing or damaged, or of a form that this version does not read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        _check_form(folder, self.manifest)
        check_files(folder, self.manifest)
        self._units: list[str] = self.manifest["units"]
        self.vector = Consecutive([open_column(folder, name, "vector") for name in self._units])
        self.vectors = Consecutive([open_vectors(folder, name) for name in self._units])
        self._check_counts()
        self._check_numbers()
        self._spot_check()

    def check_keys(self, data: Captioned) -> None:
        """Refuse data, of as many samples, whose keys are others or in another order.

        Raises:
            UserError: They are; the message has the first on both sides.
        """
        theirs, start = data.keys(), 0
        for name in self._units:
            ours = open_column(self.folder, name, "key")[:]
            block = theirs[start : start + len(ours)]
            if not np.array_equal(block, ours):
                first = int(np.argmax(block != ours))
                raise UserError(
                    f"the keys in {self.folder / 'samples'} are not those of {data.path}: at sample {start + first} "
                    f"the graph has {_readable(ours[first])}, the data {_readable(block[first])}; delete {self.folder} "
                    "to compute the graph again"
                )
            start += len(ours)

    def captions_of(self, numbers: Iterable[int]) -> list[str]:
        """What vectors were computed from.

        Args:
            numbers: Of the vectors, in any order.

        Raises:
            UserError: A file is missing or damaged.
        """
        wanted = np.array([*numbers], dtype=np.int64)
        texts = np.empty(len(wanted), dtype=object)
        for unit, places, rows in self.vectors.visits(wanted):
            captions = read_captions(self.folder, self._units[unit], len(self.vectors.parts[unit]))
            texts[places] = [captions[row] for row in rows]
        return texts.tolist()

    def _check_counts(self) -> None:
        widths = sorted({part.shape[1] for part in self.vectors.parts if len(part)})  # a unit may add no vector
        found = {
            "count": len(self.vector),
            "distinct": len(self.vectors),
            "dimension": widths[0] if len(widths) == 1 else widths,
        }
        stated = {name: self.manifest.get(name) for name in found}
        if found != stated:
            raise damaged(self.folder, f"its files have {found}, graph.json says {stated}")

    def _check_numbers(self) -> None:
        for name, part in zip(self._units, self.vector.parts, strict=True):
            lowest, highest = int(part[:].min(initial=0)), int(part[:].max(initial=0))
            if lowest < 0 or highest >= len(self.vectors):
                found = f"from {lowest}" if lowest < 0 else f"up to {highest}"
                file = unit_file(self.folder, "samples", name)
                raise damaged(file, f"it numbers vectors {found}, there are {len(self.vectors)}")

    def _spot_check(self) -> None:
        count = len(self.vectors)
        chosen = np.random.default_rng(0).choice(count, min(SPOT_CHECKS, count), replace=False)
        for unit, _, rows in self.vectors.visits(chosen):
            picked = self.vectors.parts[unit][rows]
            if problem := vector_problem(picked, self.manifest.get("normalisation") == UNIT_LENGTH):
                raise damaged(unit_file(self.folder, "vectors", self._units[unit]), problem[1])


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


def _readable(key: bytes) -> str:
    return repr(key.decode(errors="replace"))
