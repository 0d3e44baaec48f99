"""Nearest-neighbour sheets show what a plain loop finds, and no picture beside itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from coloured import write
from layouts import Colours, StandIn, spoil
from torch.nn import functional as F

from xclr_lightning.callbacks import NeighbourSheet, neighbour_sheet
from xclr_lightning.callbacks.run_folder import RunFolder
from xclr_lightning.callbacks.sheets import Query
from xclr_lightning.data import EvalView, GraphDataModule
from xclr_lightning.errors import UserError

NAMES = ["blue", "green", "red"]


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, str]:
    return {"train": write(tmp_path / "train", 25, NAMES), "val": write(tmp_path / "val", 13, NAMES)}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, str], list[Query]]]:
    """What sheets were drawn of."""
    found: list = []
    draw = neighbour_sheet.draw_neighbours
    monkeypatch.setattr(
        neighbour_sheet, "draw_neighbours", lambda *arguments: (found.append(arguments), draw(*arguments))[1]
    )
    return found


def run(tmp_path: Path, data: dict[str, object], **settings: object) -> StandIn:
    trainer, module, sheet = StandIn(), Colours(), NeighbourSheet(**settings)
    trainer.datamodule = GraphDataModule(batch_size=6, num_workers=0, eval_view=EvalView(24, None), **data)
    trainer.datamodule.setup("fit")
    trainer.callbacks = [RunFolder(tmp_path / "run", "")]
    sheet.setup(trainer, module, "fit")
    assert sheet.evaluate(trainer, module) == {}
    return trainer


def unit(source, number: int) -> torch.Tensor:
    view = EvalView(24, None)(source.image(number))
    return F.normalize(Colours()(view[None].float()), dim=1)[0]


def number_of(source, picture: np.ndarray) -> int:
    return next(i for i in range(len(source)) if np.array_equal(np.asarray(source.image(i)), picture))


@pytest.mark.parametrize("label", ["class", None])
@pytest.mark.parametrize("held_out", [True, False])
def test_as_a_plain_loop_finds_them(held_out: bool, label: str | None, folders, drawn, tmp_path: Path) -> None:
    data = folders if held_out else {"train": folders["train"]}
    trainer = run(tmp_path, data | {"label": label}, rows=5, k=3)
    asked, bank = (trainer.datamodule.dataset(*names).source for names in (("val", "train"), ("train",)))
    ((title, heads, queries),) = drawn
    assert len(queries) == 5
    assert heads[0] == ("data.val" if held_out else "data.train")
    same = 0
    for query in queries:
        number = number_of(asked, query.picture)
        cosines = {other: float(unit(asked, number) @ unit(bank, other)) for other in range(len(bank))}
        if not held_out:
            del cosines[number]
        best = sorted(cosines, key=cosines.get, reverse=True)[:3]
        assert [number_of(bank, neighbour.picture) for neighbour in query.neighbours] == best
        assert [neighbour.cosine for neighbour in query.neighbours] == pytest.approx(
            [cosines[i] for i in best], abs=1e-6
        )
        for neighbour, other in zip(query.neighbours, best, strict=True):
            expected = Path(asked.name(number)).parent.name == Path(bank.name(other)).parent.name
            assert neighbour.same == expected
            same += expected
    assert title.endswith(f"same {label or 'caption'}, {same} of 15")
    assert (tmp_path / "run/figures/features/neighbours.png").is_file()


def test_the_same_queries_every_time_and_the_bank_bounded(folders, drawn, tmp_path: Path) -> None:
    for _ in range(2):
        run(tmp_path, folders, subset=7, k=10)
    first, second = ([query.picture for query in queries] for _, _, queries in drawn)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert {len(query.neighbours) for _, _, queries in drawn for query in queries} == {7}


def test_other_sets_and_a_broken_picture(folders, drawn, tmp_path: Path) -> None:
    """Its file is in both sets, under two paths: the bank is a folder above the queries'."""
    spoil(Path(folders["val"]) / "blue" / "0.png")
    run(tmp_path, {"train": folders["train"]}, queries=folders["val"], bank=str(tmp_path), rows=13, k=2)
    ((_, heads, queries),) = drawn
    assert heads == (folders["val"], f"nearest in {tmp_path}, with cosine")
    assert len(queries) == 12
    for query in queries:
        assert not any(np.array_equal(query.picture, neighbour.picture) for neighbour in query.neighbours)


def test_nothing_is_computed_where_nothing_is_kept(folders) -> None:
    trainer, sheet = StandIn(), NeighbourSheet()
    trainer.datamodule = GraphDataModule(batch_size=6, num_workers=0, **folders)
    trainer.datamodule.setup("fit")
    sheet.setup(trainer, Colours(), "fit")
    assert not sheet._on


@pytest.mark.parametrize("settings", [{"rows": 0}, {"k": 0}, {"subset": 0}, {"every_n_epochs": -1}])
def test_settings_that_show_nothing(settings: dict[str, int]) -> None:
    with pytest.raises(UserError, match="expected"):
        NeighbourSheet(**settings)


def test_pictures_that_cannot_be_read_leave_no_sheet_and_stop_nothing(
    folders, drawn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for file in Path(folders["val"]).rglob("*.png"):
        file.write_bytes(b"no picture")
    run(tmp_path, folders)
    assert not drawn
    assert "no sheet of neighbours: none of the 5 pictures can be read" in caplog.text
