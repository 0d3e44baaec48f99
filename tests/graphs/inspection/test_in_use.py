"""Graphs that are open for samples: what samples have in common is found, and called by its name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from stored_graphs import CLASSES, TABLE, classes

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import ClassTableGraph
from xclr_lightning.graphs.formula import OpenFormula
from xclr_lightning.graphs.inspection import subject_in_use
from xclr_lightning.graphs.manifest import write_manifest


class Samples:
    """As much of the data as names ask for."""

    path = Path("some/data")

    def __init__(self, count: int, captioned: bool = True) -> None:
        self.count, self.captioned = count, captioned

    def __len__(self) -> int:
        return self.count

    def keys(self) -> np.ndarray:
        return np.array([f"{i}.png".encode() for i in range(self.count)])

    def captions(self, rows: slice = slice(None)) -> list[str]:
        if not self.captioned:
            raise UserError("no caption")
        return [f"picture {i}" for i in range(self.count)[rows]]


def test_samples_of_a_class_table_are_known(tmp_path):
    numbers = torch.tensor([0, 0, 0, 2, 3, 0])
    graph = ClassTableGraph(torch.from_numpy(TABLE).float(), numbers)
    subject = subject_in_use(graph, Samples(6), classes(tmp_path / "graph"))
    assert (subject.thing, subject.count, subject.samples) == ("class", 4, 6)
    assert sorted(subject.thing_of) == sorted(numbers.tolist())
    assert subject.names(range(4)) == CLASSES


@pytest.mark.parametrize("captioned", [True, False])
def test_any_other_graph_by_its_nodes(tmp_path, captioned):
    numbers = torch.tensor([[7, 1], [5, 1], [7, 1], [5, 2], [7, 1]])
    graph = OpenFormula(numbers, lambda a, b: (a[:, None] == b).float().mean(2))
    write_manifest(tmp_path, {"form": "formula"})
    subject = subject_in_use(graph, Samples(5, captioned), tmp_path)
    assert (subject.thing, subject.count, subject.samples) == ("sample", 3, 5)
    assert sorted(np.bincount(subject.thing_of)) == [1, 1, 3]
    for thing, name in enumerate(subject.names(range(3))):
        sample = int("".join(filter(str.isdigit, name)))
        assert name == (f"picture {sample}" if captioned else f"{sample}.png")
        assert torch.equal(subject.nodes([thing])[0], numbers[sample])
