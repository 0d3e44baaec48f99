"""What a heat map shows of a graph: rows in an order in which related ones lie together."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from xclr_lightning.evaluation.agreement import related_groups
from xclr_lightning.graphs.inspection.survey import NEAR_DUPLICATE

# Names that can be read beside a heat map.
LABELS = 40
GROUPS, GROUP_SIZE = 8, 5
# Rows beyond which the best order of the tree's branches takes more than a second.
ORDERED = 1000


@dataclass(frozen=True)
class Picture:
    """A heat map to be.

    Attributes:
        similarity: Of the rows, in their order. Shape: ``(n, n)``, float32.
        rows: What is in each row, as places among what was given. Shape: ``(n,)``, int64.
        labelled: Rows that have a name. Shape: ``(l,)``, int64.
        edges: Rows at which a new group begins.
        names: Of the labelled rows.
    """

    similarity: Tensor
    rows: Tensor
    labelled: Tensor
    edges: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def named(self, names: list[str]) -> "Picture":
        """The same with names."""
        return replace(self, names=names)


def clustered(similarity: Tensor) -> Picture:
    """All rows, in the order of average-linkage clustering; where they are many, evenly spaced ones have names.

    Args:
        similarity: Symmetric. Shape: ``(n, n)``, n ≥ 2.

    Example:
        >>> G = torch.tensor([[1, 0.1, 0.9, 0.2], [0.1, 1, 0, 0.8], [0.9, 0, 1, 0.1], [0.2, 0.8, 0.1, 1]])
        >>> sorted(sorted(pair) for pair in clustered(G).rows.view(2, 2).tolist())
        [[0, 2], [1, 3]]
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = (similarity.max() - similarity.double()).fill_diagonal_(0)
    tree = linkage(squareform(distance.numpy(), checks=False), "average", optimal_ordering=len(distance) <= ORDERED)
    rows = torch.from_numpy(leaves_list(tree)).long()
    labelled = torch.linspace(0, len(rows) - 1, min(len(rows), LABELS)).round().long()
    return Picture(similarity[rows][:, rows], rows, labelled)


def groups(similarity: Tensor) -> Picture:
    """All rows where few, clustered; else groups of related rows that have little to do with each other.

    Of rows that are nearly the same but one is shown.

    Args:
        similarity: Symmetric. Shape: ``(n, n)``, n ≥ 2.
    """
    different = ~(similarity > NEAR_DUPLICATE).tril(-1).any(dim=1)
    kept = different.nonzero().flatten()
    if len(kept) < 2:
        kept = torch.arange(len(similarity))
    block = similarity[kept][:, kept]
    if len(kept) <= LABELS:
        picture = clustered(block)
        return replace(picture, rows=kept[picture.rows])
    found = related_groups(block, GROUPS, GROUP_SIZE)
    rows = torch.cat(found)
    edges = torch.tensor([len(group) for group in found]).cumsum(0)[:-1].tolist()
    return Picture(block[rows][:, rows], kept[rows], torch.arange(len(rows)), edges)
