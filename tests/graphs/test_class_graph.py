"""Graphs over classes: computed once for the same classes, and the same whatever the order of samples."""

import numpy as np
import pytest
import torch
from classed import Classed, similarities

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import ClassGraph

LEGS = {"cat": 0.9, "dog": 0.7, "truck": -0.2}


class Legs(ClassGraph):
    """The product of two numbers, and 1 on the diagonal; notes what it was asked."""

    def __init__(self, field: str = "class", scale: float = 1) -> None:
        super().__init__(field)
        self.scale = scale
        self.asked: list[list[str]] = []

    def table(self, classes: list[str]) -> np.ndarray:
        self.asked.append(classes)
        values = np.array([LEGS[name] * self.scale for name in classes])
        table = np.outer(values, values)
        np.fill_diagonal(table, 1)
        return table

    def settings(self) -> dict[str, object]:
        return {"scale": self.scale}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))


def test_every_pair_of_samples_has_its_classes_value():
    data = Classed()
    values = similarities(Legs(), data)
    for i, one in enumerate(data.classes):
        for j, other in enumerate(data.classes):
            assert values[i, j].item() == pytest.approx(1 if one == other else LEGS[one] * LEGS[other])


def test_a_table_is_computed_once_for_the_same_classes():
    graph = Legs()
    folder = graph.prepare(Classed())
    assert graph.prepare(Classed(["truck", "dog", "cat", "cat"])) == folder
    assert Legs().prepare(Classed()) == folder
    assert graph.asked == [["cat", "dog", "truck"]]


def test_other_classes_or_settings_are_another_graph():
    folders = {Legs().prepare(Classed()), Legs(scale=0.5).prepare(Classed()), Legs().prepare(Classed(["cat", "dog"]))}
    assert len(folders) == 3


def test_shuffled_classes_keep_who_is_alike_and_take_anothers_similarities():
    class Three(Legs):
        def __init__(self, **kwargs: object) -> None:
            ClassGraph.__init__(self, **kwargs)
            self.scale, self.asked = 1, []

    data = Classed()
    plain, permuted = similarities(Three(), data), similarities(Three(shuffled=1.0), data)
    assert not torch.equal(plain, permuted)
    assert torch.equal(plain == 1, permuted == 1)
    assert torch.equal(plain.unique(), permuted.unique())
    with pytest.raises(UserError, match=r"data\.graph\.shuffled 2 is not a share"):
        Three(shuffled=2)


def test_the_order_of_samples_does_not_matter():
    order = torch.randperm(5)
    shuffled = Classed([Classed().classes[i] for i in order])
    assert torch.equal(similarities(Legs(), shuffled), similarities(Legs(), Classed())[order][:, order])


def test_another_field():
    data = Classed(["x"] * 3, {"kind": ["cat", "truck", "cat"]})
    assert similarities(Legs("kind"), data)[0].tolist() == pytest.approx([1, -0.18, 1])


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        (Classed(), "knid", r"some/data has no field 'knid'"),
        (
            Classed(["dog", "", "cat"]),
            "class",
            r"a sample in some/data has no 'class': .*subfolder.*data\.graph\.field",
        ),
    ],
)
def test_samples_without_a_class(data, field, words):
    with pytest.raises(UserError, match=words):
        Legs(field).prepare(data)


def test_unprepared():
    with pytest.raises(UserError, match=r"no graph in .*graph\.json is missing"):
        Legs().open(Classed())


def test_a_table_that_is_none_is_not_stored(tmp_path):
    with pytest.raises(UserError, match=r"data\.graph Legs: the similarity of cat and dog is 63, expected -1 to 1"):
        Legs(scale=10).prepare(Classed())
    assert not list(tmp_path.rglob("graph.json"))
