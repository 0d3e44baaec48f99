"""What is inspected: a graph's different captions or classes, which sample has which, and what they are called."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xclr_lightning.graphs.base import SimilarityGraph


@dataclass(frozen=True)
class Subject:
    """A graph, told by its *things*: captions, classes or whatever else samples may have in common.

    Attributes:
        graph: Of things: ``nodes(k)`` is that of thing k.
        thing: What things are: ``caption``, ``class`` or ``sample``.
        count: Different things.
        samples: Samples that the graph is of; None where it is of classes alone.
        thing_of: The thing of each sample, or of as many as were asked; None where things are drawn evenly instead.
            Shape: ``(n,)``, int64.
        names: Things → what they are called.
        facts: What ``graph.json`` says.
    """

    graph: SimilarityGraph
    thing: str
    count: int
    samples: int | None
    thing_of: np.ndarray | None
    names: Callable[[Iterable[int]], list[str]]
    facts: dict[str, Any]

    def nodes(self, things: Iterable[int]) -> Tensor:
        """Their nodes. Shape: ``(n, …)``."""
        return torch.stack([self.graph.nodes(int(thing)) for thing in things])

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """The things of a random batch of samples, fewer than asked for where there are fewer. Shape: ``(n,)``."""
        if self.thing_of is None:
            return rng.integers(self.count, size=count)
        return self.thing_of[rng.choice(len(self.thing_of), min(count, len(self.thing_of)), replace=False)]
