"""How well a gallery is ranked for a query: by labels that it shares, or by how related a graph says things are."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from xclr_lightning.evaluation.fixed_point import cosines

# Similarities that are ranked at once.
RANKED = 2**23


def retrieval_scores(
    queries: Tensor,
    gallery: Tensor,
    query_labels: Tensor,
    gallery_labels: Tensor,
    k: Sequence[int] = (1, 10),
    own: Tensor | None = None,
    gain: Callable[[slice], Tensor] | None = None,
) -> dict[str, Tensor]:
    """Rank the gallery by cosine for each query, and score the ranking; of equal ones the lower number comes first.

    Args:
        queries: Shape: ``(Q, d)``, floating point.
        gallery: Shape: ``(N, d)``, N ≥ 1.
        query_labels: −1 for a label that the gallery lacks. Shape: ``(Q,)``, int64.
        gallery_labels: Shape: ``(N,)``, int64.
        k: Depths, each at least 1.
        own: The number of each query in the gallery, which is then left out of its ranking. Shape: ``(Q,)``, int64.
        gain: The ``(q, N)`` block of how related a slice of queries is to the gallery; below 0 counts as 0.

    Returns:
        A value for each query, NaN where nothing is relevant to it: ``map``, ``map_at_r``, and for each k
        ``precision@k``, ``recall@k``, ``hit@k`` and, with gains, ``ndcg@k``. Shapes: ``(Q,)``, float64.

    Raises:
        ValueError: Shapes do not match, the gallery is empty, or a k is below 1.

    Example:
        >>> gallery, labels = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8]]), torch.tensor([0, 1, 0])
        >>> scores = retrieval_scores(gallery[:1], gallery, labels[:1], labels, k=(1, 2), own=torch.tensor([0]))
        >>> {name: value.item() for name, value in scores.items() if name in ("map", "precision@1", "recall@2")}
        {'map': 0.5, 'precision@1': 0.0, 'recall@2': 1.0}
    """
    if (
        len(gallery) == 0
        or query_labels.shape != queries.shape[:1]
        or gallery_labels.shape != gallery.shape[:1]
        or queries.shape[1:] != gallery.shape[1:]
    ):
        shapes = [tuple(given.shape) for given in (queries, gallery, query_labels, gallery_labels)]
        raise ValueError(f"queries (Q, d), a gallery (N, d), N ≥ 1, and labels (Q,), (N,) expected, got {shapes}")
    if not k or min(k) < 1:
        raise ValueError(f"every k must be at least 1, got {tuple(k)}")
    found: dict[str, list[Tensor]] = {}
    step = max(1, RANKED // len(gallery))
    for start in range(0, max(len(queries), 1), step):
        rows = slice(start, start + step)
        similarity = cosines(queries[rows], gallery)
        relevant = (query_labels[rows, None] == gallery_labels) & (query_labels[rows, None] >= 0)
        related = gain(rows).clamp_min(0).double() if gain else None
        if own is not None:
            for block, least in ((similarity, -torch.inf), (relevant, False), (related, 0.0)):
                if block is not None:
                    block.scatter_(1, own[rows, None], least)
        order = similarity.sort(dim=1, descending=True, stable=True).indices
        for name, value in _label_scores(relevant.gather(1, order), k).items():
            found.setdefault(name, []).append(value)
        if related is not None:
            for depth in k:
                found.setdefault(f"ndcg@{depth}", []).append(ndcg(related, order, depth))
    return {name: torch.cat(values) for name, values in found.items()}


def average_precision(relevant: Tensor) -> Tensor:
    """Mean of the precisions at the places of what is relevant.

    Args:
        relevant: Of the ranking, best first. Shape: ``(q, N)``, bool.

    Returns:
        In [0, 1]; NaN where nothing is relevant. Shape: ``(q,)``, float64.

    Example:
        >>> average_precision(torch.tensor([[True, False, True]])).item()
        0.8333333333333333
    """
    return (_precision(relevant) * relevant).sum(1) / relevant.sum(1)


def average_precision_at_r(relevant: Tensor) -> Tensor:
    """Precisions at the places of what is relevant among the first R, over R, the number of what is relevant.

    It asks for a ranking's head only, and is 1 just where the first R are the relevant ones.

    Args:
        relevant: Of the ranking, best first. Shape: ``(q, N)``, bool.

    Returns:
        In [0, 1]; NaN where nothing is relevant. Shape: ``(q,)``, float64.

    Reference:
        Musgrave et al., A Metric Learning Reality Check, ECCV 2020, section 3.2.

    Example:
        >>> average_precision_at_r(torch.tensor([[True, False, True]])).item()
        0.5
    """
    count = relevant.sum(1)
    head = torch.arange(relevant.shape[1], device=relevant.device) < count[:, None]
    return (_precision(relevant) * (relevant & head)).sum(1) / count


def ndcg(gain: Tensor, order: Tensor, k: int) -> Tensor:
    """Discounted gain of the first k, over that of the best order there is.

    Args:
        gain: How related each of the gallery is, ≥ 0. Shape: ``(q, N)``, floating point.
        order: Numbers of the ranking, best first. Shape: ``(q, N)``, int64.
        k: Depth.

    Returns:
        In [0, 1]; NaN where nothing is related. Shape: ``(q,)``.

    Reference:
        Järvelin and Kekäläinen, Cumulated Gain-Based Evaluation of IR Techniques, TOIS 2002, with gains as they are
        and the discount 1 / log₂(place + 1).

    Example:
        >>> ndcg(torch.tensor([[1.0, 0.0]]), torch.tensor([[1, 0]]), k=2)
        tensor([0.6309])
    """
    depth = min(k, gain.shape[1])
    discount = 1 / torch.arange(2, depth + 2, device=gain.device, dtype=gain.dtype).log2()
    reached, best = gain.gather(1, order[:, :depth]), gain.topk(depth).values
    return (reached * discount).sum(1) / (best * discount).sum(1)


def _label_scores(relevant: Tensor, k: Sequence[int]) -> dict[str, Tensor]:
    scores = {"map": average_precision(relevant), "map_at_r": average_precision_at_r(relevant)}
    count = relevant.sum(1).double()
    some = torch.where(count > 0, 1.0, torch.nan).double()
    for depth in k:
        hits = relevant[:, :depth].sum(1).double()
        scores[f"precision@{depth}"] = hits / depth * some
        scores[f"recall@{depth}"] = hits / count
        scores[f"hit@{depth}"] = (hits > 0) * some
    return scores


def _precision(relevant: Tensor) -> Tensor:
    """At every place."""
    place = torch.arange(1, relevant.shape[1] + 1, device=relevant.device, dtype=torch.float64)
    return relevant.cumsum(1) / place
