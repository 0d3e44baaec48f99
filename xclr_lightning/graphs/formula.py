"""Graphs that need no stored values: similarity is a formula of whole numbers that every sample has."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from xclr_lightning.cache import atomic_folder
from xclr_lightning.graphs.base import Captioned, GraphSource
from xclr_lightning.graphs.folder import graph_folder
from xclr_lightning.graphs.manifest import check_belongs, read_manifest, write_manifest


class FormulaGraph(GraphSource):
    """A formula of the samples' numbers. On disk it is a ``graph.json`` alone."""

    @abstractmethod
    def numbers(self, data: Captioned) -> Tensor:
        """What the formula reads of each sample, N of them. Shape: ``(N, …)``, integers."""

    @abstractmethod
    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Similarities in [−1, 1]. Shapes: ``(n, …)``, ``(m, …)`` integers → ``(n, m)`` float32."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What numbers and formula depend on besides the data, as JSON can hold it."""

    def prepare(self, data: Captioned) -> Path:
        facts = self._facts(self.numbers(data))
        folder = graph_folder(facts)
        if not folder.exists():
            with atomic_folder(folder) as draft:
                write_manifest(draft, facts)
        return folder

    def open(self, data: Captioned) -> "OpenFormula":
        numbers = self.numbers(data)
        facts = self._facts(numbers)
        folder = graph_folder(facts)
        check_belongs(folder, read_manifest(folder), facts, data.path)
        return OpenFormula(numbers, self.similarity)

    def _facts(self, numbers: Tensor) -> dict[str, Any]:
        return {
            "form": "formula",
            "source": type(self).__name__,
            "settings": self.settings(),
            "count": len(numbers),
            "numbers_sha256": hashlib.sha256(numbers.numpy().tobytes()).hexdigest(),
        }


class OpenFormula:
    """A formula with the numbers of some samples.

    Args:
        numbers: Shape: ``(N, …)``, integers.
        formula: Shapes: ``(n, …)``, ``(m, …)`` integers → ``(n, m)`` float32.
    """

    def __init__(self, numbers: Tensor, formula: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._numbers, self._formula = numbers, formula

    def __len__(self) -> int:
        return len(self._numbers)

    def nodes(self, index: int) -> Tensor:
        """A sample's numbers. Shape: ``(…)``, integers."""
        return self._numbers[index].clone()

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Shapes: ``(n, …)``, ``(m, …)`` integers → ``(n, m)`` float32."""
        return self._formula(a, b)
