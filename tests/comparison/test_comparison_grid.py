"""Rows of a comparison: their names and folders, and which one others are compared with."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xclr_lightning.comparison.checked import Checked, control_of, permuted, reference_of, references_of
from xclr_lightning.comparison.grid import Row, rows
from xclr_lightning.errors import UserError
from xclr_lightning.objectives import XCLR, SimCLR, SupCon


class Sharpened(XCLR):
    """An objective of a user's own."""


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("data.graph.template", ["a {}", "a, {}!", "a-{}"]),
        ("knn.k", ["[1, 3]", "[1,3]", "1-3", "1-3-", "-1-3"]),
        ("data.train", ["/" + "x" * 300, "/" + "x" * 301]),
    ],
)
def test_each_row_has_a_folder(tmp_path: Path, key: str, values: list[str]) -> None:
    folders = {row.folder(tmp_path, 0) for row in rows(["xclr"], [(key, values)])}
    assert len(folders) == len(values)
    for folder in folders:
        folder.mkdir(parents=True)


def test_plain_names_are_plain_folders() -> None:
    names = {
        "xclr-captions-permuted": Row("xclr", (), (), control=True),
        "xclr-train_share-0.1": Row("xclr", (("data.train_share", "0.1"),), ()),
        "as-configured-lr-1e-3-overfit": Row("as configured", (("model.lr", "1e-3"), ("config", "debug/overfit")), ()),
        "mine.Nearest": Row("mine.Nearest", (), ()),
    }
    assert [row.folder(Path(), 3).as_posix() for row in names.values()] == [f"{name}/seed-3" for name in names]


def test_names_tell_rows_apart(tmp_path: Path) -> None:
    assert [row.name for row in rows(["mine.A", "mine.B", "xclr.yaml"], [])] == ["mine.A", "mine.B", "xclr"]
    for name in ("v1.5.yaml", "v1.6.yaml"):
        (tmp_path / name).write_text("model: {lr: 0.1}\n")
    laid = [row.name for row in rows(["xclr"], [("config", [str(tmp_path / "v1.5"), str(tmp_path / "v1.6.yaml")])])]
    assert laid == ["xclr, v1.5", "xclr, v1.6"]
    (row,) = rows(["xclr"], [("model.lr", ["0.1"]), ("linear_probe.lr", ["0.2"])])
    assert row.name == "xclr, model.lr 0.1, linear_probe.lr 0.2"
    with pytest.raises(UserError, match=r"'mine\.A' is there twice"):
        rows(["mine.A", "mine.A"], [])


@pytest.mark.parametrize(
    ("objectives", "reference"),
    [
        ({"base": SimCLR, "own": Sharpened, "paper": XCLR}, "paper"),
        ({"base": SimCLR, "own": Sharpened}, "own"),
        ({"base": SimCLR, "other": SupCon}, "base"),
    ],
)
def test_the_reference_is_x_clr_by_class(objectives: dict[str, type], reference: str) -> None:
    known = [
        Checked(Row(name, (), (), control), {"model": {"class_path": f"{one.__module__}.{one.__name__}"}})
        for name, one in objectives.items()
        for control in (False, True)
    ]
    assert reference_of(known) == reference


def test_rows_are_compared_with_x_clr_of_the_same_settings() -> None:
    varied = [(("data.train_share", share),) for share in ("0.1", "1.0")]
    known = [
        Checked(Row(one.__name__, share, (), control), {"model": {"class_path": f"{one.__module__}.{one.__name__}"}})
        for share in varied
        for one, control in ((SimCLR, False), (XCLR, False), (XCLR, True))
    ]
    assert references_of(known, "XCLR, train_share 0.1") == {
        "SimCLR, train_share 0.1": "XCLR, train_share 0.1",
        "XCLR, train_share 0.1": "XCLR, train_share 0.1",
        "XCLR, train_share 0.1, captions permuted": "XCLR, train_share 0.1",
        "SimCLR, train_share 1.0": "XCLR, train_share 1.0",
        "XCLR, train_share 1.0": "XCLR, train_share 0.1",
        "XCLR, train_share 1.0, captions permuted": "XCLR, train_share 1.0",
    }
    assert set(references_of(known[:1], "SimCLR, train_share 0.1").values()) == {"SimCLR, train_share 0.1"}


def captions(shuffled: float = 0.0) -> dict[str, Any]:
    return {"class_path": "xclr_lightning.graphs.CaptionGraph", "init_args": {"shuffled": shuffled, "seed": 0}}


def over(*graphs: dict[str, Any]) -> dict[str, Any]:
    return {"class_path": "WeightedSum", "init_args": {"graphs": list(graphs), "weights": [1.0] * len(graphs)}}


def lists(graph: dict[str, Any]) -> dict[str, Any]:
    return {"class_path": "NeighbourListGraph", "init_args": {"graph": graph, "k": 3, "seed": 5}}


FIXED = {"class_path": "mine.Fixed", "init_args": {"k": 3}}


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    logger = logging.getLogger("xclr_lightning.comparison")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def row_of(graph: dict[str, Any] | None, objective: type = XCLR) -> Checked:
    model = {"class_path": f"{objective.__module__}.{objective.__name__}"}
    return Checked(Row("xclr", (), ()), {"model": model, "data": {"init_args": {"graph": graph}}})


@pytest.mark.parametrize("form", [lambda graph: graph, lists, over, lambda graph: over(graph, lists(graph))])
def test_the_control_permutes_every_graph_that_a_graph_is_made_of(form: Any, warned: pytest.LogCaptureFixture) -> None:
    row = row_of(form(captions()))
    control = control_of(row)
    assert control is not None
    assert control.row.name == "xclr, captions permuted"
    wanted = captions(1.0)
    assert control.settings["data"]["init_args"]["graph"] == form(wanted)
    wanted["init_args"]["seed"] = 7
    assert permuted(row.settings, 7)["data"]["init_args"]["graph"] == form(wanted)
    assert row.settings == row_of(form(captions())).settings  # are left as they are
    assert control_of(row_of(form(captions(0.5)))) is None
    assert control_of(row_of(form(captions()), SimCLR)) is None
    assert not warned.messages


@pytest.mark.parametrize("graph", [FIXED, {"class_path": "mine.Fixed"}, lists(FIXED), over(captions(), FIXED)])
def test_a_control_that_cannot_be_is_said(graph: dict[str, Any], warned: pytest.LogCaptureFixture) -> None:
    assert control_of(row_of(graph)) is None
    assert set(warned.messages) == {"no control: Fixed of xclr has no setting shuffled, by which to permute it"}


def test_nothing_is_said_of_rows_without_a_graph(warned: pytest.LogCaptureFixture) -> None:
    assert control_of(row_of(None)) is control_of(row_of(FIXED, SimCLR)) is None
    assert not warned.messages
