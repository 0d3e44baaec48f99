"""The seam between graphs and everything else: a graph is two methods."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
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
    """What a graph needs of the data: captions, and keys by which stored values are joined to samples."""

    path: Path

    def __len__(self) -> int: ...

    def parts(self) -> dict[str, slice]: ...

    def keys(self) -> np.ndarray: ...

    def captions(self) -> Sequence[str]: ...


class GraphSource(ABC):
    """Where a graph's values come from: computed once, kept on disk, opened by every process.

    Subclass it to bring a graph of your own, and name the subclass in a config as ``data.graph``.
    """

    @abstractmethod
    def prepare(self, data: Captioned) -> Path:
        """Compute and store the graph unless it is there; called in one process a machine. Returns its folder."""

    @abstractmethod
    def open(self, data: Captioned) -> SimilarityGraph:
        """Open what :meth:`prepare` stored, in every process."""
