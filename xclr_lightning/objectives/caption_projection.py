"""A learned projection of stored caption embeddings, whose width is the data's to say."""

from collections.abc import Iterable

from torch import nn

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import SimilarityGraph


def take_width(layers: Iterable[nn.Module], graph: SimilarityGraph | None, reason: str) -> None:
    """Give lazy linear layers the width of a graph's embeddings, before there is an optimiser.

    Args:
        layers: Those that have a width are left alone.
        graph: Its nodes must be vectors.
        reason: What needs them, named in the message.

    Raises:
        UserError: There is no graph, or its nodes are no vectors.
    """
    node = None if graph is None else graph.nodes(0)
    if node is None or node.ndim != 1 or not node.is_floating_point():
        raise UserError(f"{reason} needs caption embeddings: set data.graph to a CaptionGraph")
    for layer in layers:
        layer(node[None])
