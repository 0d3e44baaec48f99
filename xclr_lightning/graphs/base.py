"""The seam between graphs and everything else: a graph is two methods."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor


class SimilarityGraph(Protocol):
    """How related any two samples are, without ever holding all pairs."""

    def nodes(self, index: int) -> Tensor:
        """Worker side: what is precomputed for a sample, and rides in the batch. Shape: ``(…)``."""

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Device side: the block between two sets of nodes. Shapes: ``(n, …)``, ``(m, …)`` → ``(n, m)``."""


class Captioned(Protocol):
    """What a graph needs of the data: captions or other fields, and keys by which stored values join samples."""

    path: Path

    def __len__(self) -> int: ...

    def parts(self) -> dict[str, slice]:
        """Consecutive runs of samples stored together, by name."""

    def version(self, part: str) -> str | None:
        """Something that changes whenever a part does; None where that cannot be told."""

    def keys(self) -> np.ndarray:
        """Each sample's key, unique in its part. Shape: ``(len,)``, bytes."""

    def captions(self, rows: slice = ...) -> Sequence[str]:
        """Captions of all samples, or of a run of them."""

    def fields(self, name: str) -> Sequence[str]:
        """Each sample's value of a field."""


@dataclass(frozen=True)
class Built:
    """What one process did for a graph.

    Attributes:
        folder: Where the graph is; None while other processes have shares of it to finish.
        encoded: Values that this process computed; 0 where all were there.
        seconds: What that took, without loading a model.
    """

    folder: Path | None
    encoded: int = 0
    seconds: float = 0.0


class GraphSource(ABC):
    """Where a graph's values come from: computed once, kept on disk, opened by every process.

    Subclass it to bring a graph of your own, and name the subclass in a config as ``data.graph``.
    """

    @abstractmethod
    def prepare(self, data: Captioned) -> Path:
        """Compute and store the graph unless it is there; called in one process a machine. Returns its folder."""

    def build(self, data: Captioned, rank: int, world: int) -> Built:
        """Compute one process's share of the graph; by default the first of them computes all of it."""
        start = time.perf_counter()
        return Built(self.prepare(data), 0, time.perf_counter() - start) if rank == 0 else Built(None)

    @abstractmethod
    def open(self, data: Captioned) -> SimilarityGraph:
        """Open what :meth:`prepare` stored, in every process."""
