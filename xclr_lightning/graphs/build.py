"""Computing a graph of embeddings: resumed where it stopped, shared between processes through the file system alone."""

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xclr_lightning.errors import UserError
from xclr_lightning.exchange import exchanged
from xclr_lightning.graphs.base import Built, Captioned
from xclr_lightning.graphs.manifest import write_manifest
from xclr_lightning.graphs.plan import Plan, Unit, plan
from xclr_lightning.graphs.store import FORM, UNIT_LENGTH
from xclr_lightning.graphs.unit_files import has_unit, open_vectors, unit_dimension, vector_problem, write_unit
from xclr_lightning.progress import progress_bar

# Sentences, and what is told how many more are done → vectors (n, d), float32.
Encode = Callable[[list[str], Callable[[int], object]], np.ndarray]


class EmbeddingBuild:
    """One graph in the making, in the folder ``NAME.partial`` beside the place where it will be.

    What is stored depends on the data and the settings alone, never on who computed which unit or how often that was
    interrupted: a distinct sentence belongs to the unit where it first occurs, and is encoded in that unit's batches.

    Args:
        folder: Where the graph will be.
        data: The samples.
        facts: What ``graph.json`` says beyond form, counts and files.
        sentences: Captions → what is encoded for them.
        load_encoder: Called once there is something to encode.
        shuffled: Share of the distinct sentences that get each other's vectors.
        seed: Which ones do.
        unshuffled: Where the same graph is without that; if it is there, nothing is encoded.
    """

    def __init__(
        self,
        folder: Path,
        data: Captioned,
        facts: dict[str, Any],
        sentences: Callable[[Sequence[str]], list[str]],
        load_encoder: Callable[[], Encode],
        shuffled: float = 0.0,
        seed: int = 0,
        unshuffled: Path | None = None,
    ) -> None:
        self._folder, self._data, self._facts = folder, data, facts
        self._sentences, self._load_encoder = sentences, load_encoder
        self._shuffled, self._seed, self._unshuffled = shuffled, seed, unshuffled
        self._work = folder.with_name(f"{folder.name}.partial")
        self._draft = self._work / "graph"

    def run(self, rank: int = 0, world: int = 1) -> Built:
        """Compute what is missing of this process's share; who finds everything there puts the graph in its place.

        Args:
            rank: Number of this process.
            world: Number of processes that build this graph.

        Raises:
            UserError: The data cannot be used, or the encoder gives no usable vector.
        """
        encoded, seconds = 0, 0.0
        try:
            if not self._folder.is_dir():
                todo = plan(self._data, self._sentences)
                encoded, seconds = self._encode(todo, todo.units[rank::world])
                if all(has_unit(self._draft, unit.name) for unit in todo.units):
                    self._finish(todo)
        except FileNotFoundError:
            if not self._folder.is_dir():  # another process has finished the graph and moved the draft to its place
                raise
        if not self._folder.is_dir():
            return Built(None, encoded, seconds)
        shutil.rmtree(self._work, ignore_errors=True)
        return Built(self._folder, encoded, seconds)

    def _encode(self, todo: Plan, units: Iterable[Unit]) -> tuple[int, float]:
        missing = [unit for unit in units if not has_unit(self._draft, unit.name)]
        if not missing:
            return 0, 0.0
        known = self._unshuffled if self._unshuffled and self._unshuffled.is_dir() else None
        total = 0 if known else sum(unit.vectors.stop - unit.vectors.start for unit in missing)
        encode = self._load_encoder() if total else None
        start = time.perf_counter()
        keys, vector = self._data.keys(), todo.vector
        if self._shuffled:
            vector = exchanged(len(todo.first), self._shuffled, self._seed)[vector]
        with progress_bar(total, "encoding captions", "caption", smoothing=0.05) as bar:
            for unit in missing:
                captions = self._data.captions(unit.rows)
                first = todo.first[unit.vectors] - unit.rows.start
                texts = self._sentences([captions[row] for row in first])
                # A unit whose sentences all came before adds no vector, of the width that the others have.
                vectors = encode(texts, bar.update) if texts and encode else np.empty((0, 0), dtype=np.float32)
                if known and texts:
                    vectors = open_vectors(known, unit.name)[:].astype(np.float32)
                self._check(vectors, texts)
                write_unit(self._draft, unit.name, keys[unit.rows], vector[unit.rows], vectors, texts)
        return total, time.perf_counter() - start

    def _check(self, vectors: np.ndarray, texts: list[str]) -> None:
        with np.errstate(over="ignore"):
            stored = vectors.astype(np.float16)
        if problem := vector_problem(stored, self._facts["normalisation"] == UNIT_LENGTH):
            raise UserError(f"the encoder cannot be used: {problem[1]}, for the caption {texts[problem[0]][:80]!r}")

    def _finish(self, todo: Plan) -> None:
        owner = next(unit for unit in todo.units if unit.vectors.stop > unit.vectors.start)
        manifest = {
            **FORM,
            **self._facts,
            "dtype": "float16",
            "count": len(todo.vector),
            "distinct": len(todo.first),
            "dimension": unit_dimension(self._draft, owner.name),
            "units": [unit.name for unit in todo.units],
        }
        write_manifest(self._draft, manifest)
        try:
            self._draft.rename(self._folder)
        except OSError:
            if not self._folder.is_dir():  # of two processes that finish at once, the first wins
                raise
