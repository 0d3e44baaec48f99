"""The graph of a training run as a subject of inspection, with the samples that are trained on."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Captioned, SimilarityGraph
from xclr_lightning.graphs.inspection.in_folder import subject_in_folder
from xclr_lightning.graphs.inspection.subject import Subject
from xclr_lightning.graphs.manifest import read_manifest
from xclr_lightning.graphs.neighbour_list import NeighbourGraph

# Samples that are asked for their nodes where nothing else tells which of them are the same.
POOL = 20_000


def subject_in_use(graph: SimilarityGraph, source: Captioned, folder: Path) -> Subject:
    """A graph that is open for some samples.

    Args:
        graph: Open.
        source: The samples.
        folder: Where the graph is stored.

    Raises:
        UserError: The graph is damaged.
    """
    facts = read_manifest(folder)
    if facts.get("form") == "embedding":
        return subject_in_folder(folder, hashes=False)
    if isinstance(graph, NeighbourGraph):  # whose floor may be another than the stored one
        things = NeighbourGraph(np.arange(len(graph.ids)), graph.ids, graph.similarities, graph.floor, graph.related)
        return replace(subject_in_folder(folder, hashes=False), graph=things)
    pool = np.random.default_rng(0).choice(len(source), min(len(source), POOL), replace=False)
    nodes = [graph.nodes(int(sample)) for sample in pool]
    if facts.get("form") == "class_table":
        classes = subject_in_folder(folder, hashes=False)
        return replace(classes, samples=len(source), thing_of=torch.stack(nodes).numpy())
    _, first, thing_of = np.unique([node.numpy().tobytes() for node in nodes], return_index=True, return_inverse=True)

    def names(things: Iterable[int]) -> list[str]:
        return [_name(source, int(pool[first[thing]])) for thing in things]

    return Subject(_Renumbered(graph, pool[first]), "sample", len(first), len(source), thing_of, names, facts)


class _Renumbered:
    """A graph's nodes under other numbers."""

    def __init__(self, graph: SimilarityGraph, number: np.ndarray) -> None:
        self._graph, self._number = graph, number
        self.similarity = graph.similarity

    def nodes(self, index: int) -> Tensor:
        return self._graph.nodes(int(self._number[index]))


def _name(source: Captioned, sample: int) -> str:
    """A sample's caption, or its key where it has none."""
    try:
        return source.captions(slice(sample, sample + 1))[0]
    except UserError:
        return os.fsdecode(source.keys()[sample])
