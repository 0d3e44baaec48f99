"""One pass over all pairs of some nodes: how alike they are, who is near whom, and who is nearly the same."""

from dataclasses import dataclass

import torch
from torch import Tensor

from xclr_lightning.graphs.base import SimilarityGraph

BINS = 200
# Above it two captions nearly always differ in a word or a number; a choice of this package.
NEAR_DUPLICATE = 0.95
NEIGHBOURS = 10
ROWS = 512


@dataclass(frozen=True)
class Survey:
    """All pairs of n different nodes.

    Attributes:
        mean: Mean similarity of a pair.
        histogram: Ordered pairs by similarity, in bins that divide [−1, 1] evenly. Shape: ``(BINS,)``, int64.
        neighbours: Each node's most similar others, nearest first. Shape: ``(n, k)``, int64.
        similarities: Theirs. Shape: ``(n, k)``, float32.
        in_list: Whether a neighbour is nearer than the first that is left out; of equals any could have been listed.
            Shape: ``(n, k)``, bool.
        duplicates: The most similar pairs above ``NEAR_DUPLICATE``, at most ``examples``. Shape: ``(p, 2)``, int64.
        duplicate_pairs: How many such pairs there are.
        duplicated: How many nodes are in one.
    """

    mean: float
    histogram: Tensor
    neighbours: Tensor
    similarities: Tensor
    in_list: Tensor
    duplicates: Tensor
    duplicate_pairs: int
    duplicated: int

    def quantile(self, share: float) -> float:
        """The similarity that a share of the pairs lie below, to a bin's width."""
        reached = self.histogram.cumsum(0) >= share * self.histogram.sum()
        return (2 * int(reached.int().argmax()) + 1) / BINS - 1


def survey(graph: SimilarityGraph, nodes: Tensor, k: int = NEIGHBOURS, examples: int = 5) -> Survey:
    """Compare nodes with each other, a block of rows at a time.

    Args:
        graph: Knows their similarities, which are symmetric.
        nodes: All different. Shape: ``(n, …)``, n ≥ 2.
        k: Neighbours to list, less where k would be more than half of the others.
        examples: Pairs of near-duplicates to keep.

    Example:
        >>> from xclr_lightning.graphs import ClassTableGraph
        >>> table = torch.tensor([[1.0, 0.99, 0.2], [0.99, 1.0, 0.4], [0.2, 0.4, 1.0]])
        >>> found = survey(ClassTableGraph(table, torch.arange(3)), torch.arange(3))
        >>> round(found.mean, 2), found.neighbours.tolist(), found.duplicates.tolist()
        (0.53, [[1], [0], [1]], [[0, 1]])
    """
    n = len(nodes)
    k = max(1, min(k, (n - 1) // 2))
    total, histogram = 0.0, torch.zeros(BINS, dtype=torch.int64)
    near, pairs, values = [], [], []
    duplicate_pairs, duplicated = 0, 0
    for start in range(0, n, ROWS):
        block = graph.similarity(nodes[start : start + ROWS], nodes).float()
        rows = torch.arange(len(block))
        block[rows, rows + start] = -torch.inf  # topk and near-duplicates pass over a node itself
        near.append(block.topk(min(k + 1, n - 1), dim=1))
        high = block > NEAR_DUPLICATE
        duplicated += int(high.any(1).sum())
        high &= torch.arange(n) > (rows + start)[:, None]
        duplicate_pairs += int(high.sum())
        found = high.nonzero()
        best = block[high].topk(min(examples, len(found)))
        pairs.append(found[best.indices] + torch.tensor([start, 0]))
        values.append(best.values)
        others = block[block != -torch.inf]
        total += others.double().sum().item()
        histogram += torch.histc(others.clamp(-1, 1), BINS, -1, 1).long()
    similarities = torch.cat([found.values for found in near])
    # With a single other there is no one to be left out.
    left_out = similarities[:, k:] if n > 2 else torch.full((n, 1), -torch.inf)
    return Survey(
        mean=total / (n * (n - 1)),
        histogram=histogram,
        neighbours=torch.cat([found.indices for found in near])[:, :k],
        similarities=similarities[:, :k],
        in_list=similarities[:, :k] > left_out,
        duplicates=torch.cat(pairs)[torch.cat(values).argsort(descending=True)[:examples]],
        duplicate_pairs=duplicate_pairs,
        duplicated=duplicated,
    )
