"""How related the graph says that pictures are to each other, for rankings of them."""

from collections.abc import Callable
from copy import copy
from typing import Any

import torch
from lightning import Trainer
from torch import Tensor

from xclr_lightning.callbacks.labelled import same_pictures
from xclr_lightning.callbacks.plain import as_plain
from xclr_lightning.data import GraphDataModule, Source
from xclr_lightning.graphs import GraphSource, SimilarityGraph

# Rows of a graph's similarities that are computed at once.
BLOCK = 64


def graph_of(trainer: Trainer, source: Source) -> SimilarityGraph | None:
    """The graph of ``data.val`` or ``data.train`` if that is the source and has one, with nothing in it shuffled.

    A control that learns from shuffled captions is to be judged by what they truly say.
    """
    data: GraphDataModule = trainer.datamodule  # type: ignore[attr-defined]
    splits = [dataset for split in ("val", "train") if (dataset := data.dataset(split))]
    dataset = next((one for one in splits if same_pictures(one.source, source)), None)
    if dataset is None or data.graph_source is None:
        return None
    true = unshuffled(data.graph_source)
    if as_plain(true) == as_plain(data.graph_source):
        return dataset.graph
    if trainer.local_rank == 0:
        true.prepare(dataset.source)
    trainer.strategy.barrier()
    return true.open(dataset.source)


def unshuffled(source: GraphSource) -> GraphSource:
    """A graph, and those that it is made of, with every setting ``shuffled`` at 0."""
    true = copy(source)
    for name, value in vars(source).items():
        if isinstance(value, GraphSource):
            setattr(true, name, unshuffled(value))
        elif isinstance(value, list):
            setattr(true, name, [unshuffled(part) if isinstance(part, GraphSource) else part for part in value])
    if getattr(source, "shuffled", 0):
        vars(true)["shuffled"] = 0.0
    return true


def described(source: GraphSource) -> Any:
    """A graph's class and settings, those of the graphs it is made of, and nothing of how they are shuffled."""
    return _without_shuffling(as_plain(source))


def _without_shuffling(settings: Any) -> Any:
    if isinstance(settings, list):
        return [_without_shuffling(part) for part in settings]
    if not isinstance(settings, dict):
        return settings
    hidden = ("shuffled", "seed") if "shuffled" in settings else ()
    return {name: _without_shuffling(value) for name, value in settings.items() if name not in hidden}


def graph_gain(
    graph: SimilarityGraph, queries: Tensor, gallery: Tensor, device: torch.device
) -> Callable[[slice], Tensor]:
    """The graph's similarities of a slice of queries and a gallery that has them all.

    Args:
        graph: The graph.
        queries: Numbers of pictures, ascending. Shape: ``(Q,)``, int64.
        gallery: Likewise. Shape: ``(N,)``.
        device: Where the similarities are wanted.
    """
    nodes = torch.stack([graph.nodes(number) for number in gallery.tolist()])
    place = torch.searchsorted(gallery, queries)

    def gain(rows: slice) -> Tensor:
        # In blocks of the gallery's, as the last bit of a product may depend on the shape of its block.
        wanted = place[rows]
        first = int(wanted[0]) // BLOCK * BLOCK if len(wanted) else 0
        starts = range(first, int(wanted[-1]) + 1 if len(wanted) else 1, BLOCK)
        blocks = [graph.similarity(nodes[start : start + BLOCK], nodes) for start in starts]
        return torch.cat(blocks)[wanted - first].to(device)

    return gain
