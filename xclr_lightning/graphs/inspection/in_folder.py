"""A stored graph as a subject of inspection, from its folder alone."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.class_name import imagenet_name
from xclr_lightning.graphs.class_table import ClassTableGraph, load_table
from xclr_lightning.graphs.embedding import EmbeddingGraph, GaussianGraph
from xclr_lightning.graphs.inspection.subject import Subject
from xclr_lightning.graphs.manifest import check_files, read_manifest
from xclr_lightning.graphs.neighbour_list import NeighbourGraph
from xclr_lightning.graphs.neighbour_store import load_lists
from xclr_lightning.graphs.store import StoredEmbeddings


def subject_in_folder(folder: Path, hashes: bool = True) -> Subject:
    """Open a stored graph.

    Args:
        folder: Of the graph.
        hashes: Read all of its files, to see that they are as they were written.

    Raises:
        UserError: There is no graph, it is damaged, or its values are in the data and not in the folder.
    """
    facts = read_manifest(folder)
    if facts.get("form") not in _OPENERS:
        raise UserError(
            f"the graph in {folder} has form {facts.get('form')!r}, of which not all is in its folder, as it is of "
            f"{' and '.join(_OPENERS)}: have it opened with its data by graph inspect --config NAME"
        )
    check_files(folder, facts, hashes=hashes)
    return _OPENERS[facts["form"]](folder, facts)


def _embeddings(folder: Path, facts: dict[str, Any]) -> Subject:
    stored = StoredEmbeddings(folder)
    bandwidth = facts.get("bandwidth")
    parts = stored.vectors.parts
    graph = GaussianGraph(parts, bandwidth=bandwidth) if bandwidth else EmbeddingGraph(parts)
    return Subject(graph, "caption", len(graph), len(stored.vector), stored.vector[:], stored.captions_of, facts)


def _class_table(folder: Path, facts: dict[str, Any]) -> Subject:
    classes = facts.get("classes")
    if not isinstance(classes, list) or not classes:
        raise UserError(f"no graph in {folder}: graph.json does not list its classes; delete the folder")
    table = torch.from_numpy(load_table(folder, classes, {}, folder))
    graph = ClassTableGraph(table, torch.arange(len(table)))
    return Subject(
        graph,
        "class",
        len(table),
        None,
        None,
        lambda things: [_readable(classes[int(thing)]) for thing in things],
        facts,
    )


def _neighbour_lists(folder: Path, facts: dict[str, Any]) -> Subject:
    stored = load_lists(folder, {}, folder, None)
    things = NeighbourGraph(np.arange(len(stored.ids)), stored.ids, stored.similarities, stored.floor, stored.related)
    # The captions are with the embeddings that the lists were made from.
    origin = folder.resolve().parent / str(facts.get("graph"))
    with suppress(UserError):
        embeddings = subject_in_folder(origin, hashes=False)
        if embeddings.count == len(stored.ids):
            return replace(embeddings, graph=things, facts=facts)

    def names(numbers: Iterable[int]) -> list[str]:
        return [f"embedding {number}" for number in numbers]

    return Subject(things, "caption", len(stored.ids), len(stored), stored.vector, names, facts)


_OPENERS: dict[str, Callable[[Path, dict[str, Any]], Subject]] = {
    "embedding": _embeddings,
    "class_table": _class_table,
    "neighbour_list": _neighbour_lists,
}


def _readable(name: str) -> str:
    """A class of ImageNet's folders by its name, any other as it is."""
    try:
        return imagenet_name(name)
    except UserError:
        return name
