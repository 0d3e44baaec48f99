"""A weighted sum of graphs: captions and taxonomy, say, or metadata and labels."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Captioned, GraphSource, SimilarityGraph
from xclr_lightning.graphs.composed import ComposedGraph


class WeightedSum(ComposedGraph):
    """Similarity as the weighted mean of other graphs'.

    Args:
        graphs: The graphs.
        weights: A weight ≥ 0 for each; they are scaled to sum to 1, so that a sample stays at 1 to itself.

    Raises:
        UserError: There is not one weight a graph, or none above 0.
    """

    def __init__(self, graphs: list[GraphSource], weights: list[float]) -> None:
        # Written so that NaN is refused too.
        if len(weights) != len(graphs) or not all(0 <= weight < float("inf") for weight in weights) or not sum(weights):
            raise UserError(
                f"data.graph.weights {weights} for {len(graphs)} graphs: expected a number ≥ 0 for each, not all 0"
            )
        super().__init__(graphs)
        self.weights = [weight / sum(weights) for weight in weights]

    def open(self, data: Captioned) -> "OpenSum":
        self.checked_folder(data)
        return OpenSum([graph.open(data) for graph in self.parts], self.weights)

    def settings(self) -> dict[str, Any]:
        return {"weights": self.weights}


class OpenSum:
    """Open graphs and their weights.

    A node holds the bytes of every graph's node, one after the other: whatever their types, they travel as one tensor
    that no precision setting rounds.

    Args:
        graphs: The graphs, all of the same samples.
        weights: A weight for each.
    """

    def __init__(self, graphs: Sequence[SimilarityGraph], weights: Sequence[float]) -> None:
        self._graphs, self._weights = list(graphs), list(weights)
        self._layout = [(node.dtype, node.shape) for node in (graph.nodes(0) for graph in graphs)]
        self._widths = [node.numel() * node.element_size() for node in (graph.nodes(0) for graph in graphs)]

    def nodes(self, index: int) -> Tensor:
        """Every graph's node. Shape: ``(bytes,)``, uint8."""
        return torch.cat([graph.nodes(index).reshape(-1).view(torch.uint8) for graph in self._graphs])

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """The weighted sum. Shapes: ``(n, bytes)``, ``(m, bytes)`` uint8 → ``(n, m)`` float32."""
        total = torch.zeros(len(a), len(b), device=a.device)
        for graph, weight, x, y in zip(self._graphs, self._weights, self._parts(a), self._parts(b), strict=True):
            total.add_(graph.similarity(x, y), alpha=weight)
        return total

    def _parts(self, nodes: Tensor) -> list[Tensor]:
        """Each graph's nodes, as it gave them."""
        return [
            # A copy, for a view must begin at a whole number of elements.
            piece.clone(memory_format=torch.contiguous_format).flatten().view(dtype).reshape(len(nodes), *shape)
            for piece, (dtype, shape) in zip(nodes.split(self._widths, dim=1), self._layout, strict=True)
        ]
