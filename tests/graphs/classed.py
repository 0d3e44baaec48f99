"""A few samples with classes and other fields, in two parts: all that a graph asks of data."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import GraphSource

CLASSES = ["dog", "cat", "dog", "truck", "cat"]


@dataclass
class Classed:
    """Samples by their classes; the keys are ``0.png``, ``1.png``, …"""

    classes: list[str] = field(default_factory=lambda: list(CLASSES))
    other: dict[str, list[str]] = field(default_factory=dict)
    path: Path = Path("some/data")

    def __len__(self) -> int:
        return len(self.classes)

    def parts(self) -> dict[str, slice]:
        return {"00000": slice(0, 2), "00001": slice(2, len(self))}

    def version(self, part: str) -> str | None:
        return None

    def keys(self) -> np.ndarray:
        return np.array([f"{i}.png".encode() for i in range(len(self))])

    def captions(self, rows: slice = slice(None)) -> list[str]:
        return [f"a photo of a {name}" for name in self.classes[rows]]

    def fields(self, name: str) -> list[str]:
        known = {"class": self.classes, **self.other}
        if name not in known:
            raise UserError(f"{self.path} has no field {name!r}: it has {', '.join(known)}")
        return known[name]


def similarities(source: GraphSource, data: Classed) -> torch.Tensor:
    """Prepare and open a graph, and compare every sample with every other. Shape: ``(N, N)``."""
    folder = source.prepare(data)
    assert source.prepare(data) == folder
    graph = source.open(data)
    nodes = torch.stack([graph.nodes(i) for i in range(len(data))])
    values = graph.similarity(nodes, nodes)
    torch.testing.assert_close(graph.similarity(nodes[1:3], nodes), values[1:3])
    assert values.dtype == torch.float32
    return values
