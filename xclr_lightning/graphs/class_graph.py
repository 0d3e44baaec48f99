"""Graphs over classes: whatever says how related any two classes are, looked up by the classes of the samples."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xclr_lightning.columns import number_texts
from xclr_lightning.errors import UserError
from xclr_lightning.exchange import exchanged
from xclr_lightning.graphs.base import Captioned, GraphSource
from xclr_lightning.graphs.class_table import ClassTableGraph, check_table, load_table, save_table
from xclr_lightning.graphs.folder import graph_folder


def classes_of(data: Captioned, field: str) -> tuple[list[str], np.ndarray]:
    """Number the classes of the data, sorted by name.

    Args:
        data: The samples.
        field: The metadata field with a sample's class.

    Returns:
        Names of the C classes; the class of each sample, shape ``(N,)``, int64.

    Raises:
        UserError: The data have no such field, or a sample has no class.
    """
    numbers, names = number_texts(data.fields(field))
    if "" in names:
        raise UserError(
            f"a sample in {data.path} has no {field!r}: put pictures in one subfolder a class, or give "
            "data.graph.field a field that all have"
        )
    return names, numbers


class ClassGraph(GraphSource):
    """Similarity by class, from a table that is computed once.

    Subclass it and write :meth:`table` to bring similarities of classes of your own.

    Args:
        field: Metadata field with a sample's class; ``class`` is the name of a picture's subfolder.
        shuffled: Share of the classes that take each other's similarities, for studies of what these mean; 0 … 1.
        seed: Which classes do.

    Raises:
        UserError: ``shuffled`` is no share.
    """

    def __init__(self, field: str = "class", shuffled: float = 0.0, seed: int = 0) -> None:
        if not 0 <= shuffled <= 1:
            raise UserError(f"data.graph.shuffled {shuffled} is not a share from 0 to 1")
        self.field, self.shuffled, self.seed = field, shuffled, seed

    @abstractmethod
    def table(self, classes: list[str]) -> np.ndarray:
        """Similarities of classes, in [−1, 1], symmetric, 1 on the diagonal. Shape: ``(C, C)``."""

    def settings(self) -> dict[str, Any]:
        """What the table depends on besides the classes, as JSON can hold it."""
        return {}

    def prepare(self, data: Captioned) -> Path:
        classes, _ = classes_of(data, self.field)
        facts = self._facts()
        folder = graph_folder({**facts, "classes": classes})
        if not folder.exists():
            table = self.table(classes)
            check_table(table, classes, f"data.graph {type(self).__name__}")
            save_table(folder, table, classes, facts)
        return folder

    def open(self, data: Captioned) -> ClassTableGraph:
        classes, numbers = classes_of(data, self.field)
        facts = self._facts()
        table = load_table(graph_folder({**facts, "classes": classes}), classes, facts, data.path)
        row = exchanged(len(classes), self.shuffled, self.seed)
        return ClassTableGraph(torch.from_numpy(table), torch.from_numpy(row[numbers]))

    def _facts(self) -> dict[str, Any]:
        return {"source": type(self).__name__, "settings": self.settings()}
