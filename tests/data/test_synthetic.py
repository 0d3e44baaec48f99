"""The synthetic set: what is drawn is what its table says, and the graphs over it are the formula."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

from xclr_lightning.data.folder import ImageFolder
from xclr_lightning.data.synthetic import GRADES, PARTS, SHUFFLED, draw, synthetic_path
from xclr_lightning.errors import UserError
from xclr_lightning.graphs import MetadataGraph


@pytest.fixture
def val() -> ImageFolder:
    return ImageFolder(synthetic_path("val"))


def grades(source: ImageFolder, field: str) -> list[int]:
    return [int(value) for value in source.fields(field)]


def painted(image: Image.Image) -> tuple[float, float]:
    """Hue in turns and fullness of what is drawn: the share that it fills of a disc of its greatest radius."""
    hue, saturation, value = np.asarray(image.convert("HSV"), dtype=float).transpose(2, 0, 1) / 255
    y, x = np.nonzero((saturation > 0.5) & (value > 0.5))
    angles = 2j * np.pi * hue[y, x]
    radius = np.quantile(np.hypot(y - y.mean(), x - x.mean()), 0.98)
    return float(np.angle(np.exp(angles).mean()) / (2 * np.pi) % 1), len(y) / (np.pi * radius**2)


def test_every_combination_as_often(val: ImageFolder) -> None:
    counts = Counter(zip(grades(val, "shape"), grades(val, "colour"), strict=True))
    assert len(counts) == GRADES**2
    assert set(counts.values()) == {PARTS["val"]}
    assert len(ImageFolder(synthetic_path("train"))) == PARTS["train"] * GRADES**2


def test_pictures_show_their_grades(val: ImageFolder) -> None:
    """Measured from pixels alone."""
    hue, fullness = np.array([painted(val.image(index)) for index in range(len(val))]).T
    expected = 0.78 * np.array(grades(val, "colour")) / 7
    off = np.abs((hue - expected + 0.5) % 1 - 0.5)
    assert np.quantile(off, 0.95) < 0.5 * 0.78 / 7  # nearer to its own grade than to any other
    assert spearmanr(fullness, grades(val, "shape")).statistic < -0.9
    assert abs(spearmanr(fullness, grades(val, "colour")).statistic) < 0.15


def test_captions_say_both(val: ImageFolder) -> None:
    shape, colour = val.fields("shape")[5], val.fields("colour")[5]
    assert val.captions(slice(5, 6))[0] == f"a flower of shape {shape} and colour {colour}"


@pytest.mark.parametrize("field", ["shape", "colour", "shuffled"])
def test_graphs_are_the_formula(val: ImageFolder, field: str) -> None:
    source = MetadataGraph(numeric=[field])
    source.prepare(val)
    graph = source.open(val)
    nodes = torch.stack([graph.nodes(index) for index in range(len(val))])
    known = torch.tensor(grades(val, field))
    expected = 1 - (known[:, None] - known).abs() / 7
    torch.testing.assert_close(graph.similarity(nodes, nodes), expected, rtol=0, atol=1e-6)


def test_the_shuffled_order_says_nothing_of_the_true_one(val: ImageFolder) -> None:
    assert [SHUFFLED[grade] for grade in grades(val, "colour")] == grades(val, "shuffled")
    i, j = np.triu_indices(GRADES, 1)
    true, shuffled = np.abs(i - j), np.abs(np.array(SHUFFLED)[i] - np.array(SHUFFLED)[j])
    assert abs(np.corrcoef(true, shuffled)[0, 1]) < 1e-12
    assert abs(spearmanr(true, shuffled).statistic) < 0.002


def test_nothing_but_grades_is_shared() -> None:
    """Two pictures of the same grades differ, and the same draw is the same picture."""
    rng = np.random.default_rng(0)
    first, second = draw(rng, 3, 4), draw(rng, 3, 4)
    assert first.tobytes() != second.tobytes()
    assert first.tobytes() == draw(np.random.default_rng(0), 3, 4).tobytes()


def test_drawn_once_and_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = synthetic_path("val")
    stamp = (first / "metadata.csv").stat().st_mtime_ns
    assert synthetic_path("val") == first
    assert (first / "metadata.csv").stat().st_mtime_ns == stamp
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))
    monkeypatch.setitem(PARTS, "train", 1)  # each part has random numbers of its own
    again = synthetic_path("val")
    assert again.name == "val"
    for name in ("metadata.csv", "00000.png", "00511.png"):
        assert (again / name).read_bytes() == (first / name).read_bytes()


def test_no_such_part() -> None:
    with pytest.raises(UserError, match=r"no part 'test'; expected one of train, val"):
        synthetic_path("test")
