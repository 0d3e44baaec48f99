"""What a path of a config may be."""

from pathlib import Path

import pytest
from img2dataset import write_shards

from xclr_lightning.data import ImageFolder, Shards
from xclr_lightning.data.locate import locate, open_source
from xclr_lightning.data.table import Table
from xclr_lightning.errors import UserError


@pytest.fixture
def place(tmp_path: Path, png) -> Path:
    """A folder of pictures, one of shards, and a table."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").write_bytes(png(1))
    (tmp_path / "x.CSV").write_text("file_name,caption\npictures/1.png,one\n")
    write_shards(tmp_path / "shards")
    return tmp_path


def test_every_kind_of_path(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.chdir(place)
    for path, kind, count in [
        ("pictures", ImageFolder, 1),
        (place / "pictures", ImageFolder, 1),
        ("~/shards", Shards, 5),
        ("shards/{00000..00001}.tar", Shards, 5),
        (f"file://{place}/shards/00000.tar", Shards, 3),
        ("~/x.CSV", Table, 1),
        (place / "x.CSV", Table, 1),
    ]:
        source = open_source(path)
        assert (type(source), len(source)) == (kind, count)
        assert source.image(0).mode == "RGB"


def test_captions_of_a_folder(place: Path) -> None:
    (place / "y.csv").write_text("file_name,caption\n1.png,uno\n")
    assert open_source(place / "pictures", place / "y.csv").captions() == ["uno"]


@pytest.mark.parametrize("path", ["shards", "x.CSV", "shards/{00000..00001}.tar", "torchvision:CIFAR10/train"])
def test_captions_of_what_has_its_own(path: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(UserError, match=r"data.captions is for folders of pictures: .*, which has its own"):
        open_source(path, "x.CSV")


def test_a_file_of_another_kind_is_told_what_is_possible(place: Path) -> None:
    with pytest.raises(UserError) as error:
        open_source(place / "pictures" / "1.png")
    for kind in (
        "folder of pictures",
        "demo:",
        "synthetic:",
        "torchvision:",
        "tar shards",
        "pipe:",
        ".csv",
        ".parquet",
    ):
        assert kind in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", ["nowhere", "nowhere.csv", "torchvison:CIFAR10/train"])
def test_nothing_there(path: str) -> None:
    with pytest.raises(UserError, match=rf"no such file or folder: {path}"):
        open_source(path)


def test_parts_that_are_composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xclr_lightning.data.demo.demo_path", lambda part: tmp_path / f"demo {part}")
    monkeypatch.setattr("xclr_lightning.data.synthetic.synthetic_path", lambda part: tmp_path / f"synthetic {part}")
    assert locate("demo:train") == tmp_path / "demo train"
    assert locate("synthetic:val") == tmp_path / "synthetic val"
    assert locate(tmp_path) == tmp_path
