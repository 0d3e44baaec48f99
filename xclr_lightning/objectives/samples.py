"""What an objective may know of the samples of a batch."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from xclr_lightning.distributed import gather_with_grad


@dataclass
class Samples:
    """What is known of some samples: their numbers and, where the data has them, classes and graph nodes.

    ``index`` and ``labels`` are ``(n,)`` int64, ``nodes`` is ``(n, …)``; ``labels`` and ``nodes`` may be None.
    """

    index: Tensor
    labels: Any = None
    nodes: Any = None

    def __getitem__(self, rows: Tensor | slice) -> "Samples":
        return self._each(lambda value: value[rows])

    def gathered(self) -> "Samples":
        """These of every process, rank-major."""
        return self._each(gather_with_grad)

    def _each(self, function: Callable[[Tensor], Tensor]) -> "Samples":
        values = [getattr(self, field.name) for field in fields(self)]
        mapped: list[Any] = [None if value is None else function(value) for value in values]
        return Samples(*mapped)
