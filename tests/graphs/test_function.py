"""A function of one's own: found, called once, and checked."""

import linecache
import sys

import pytest
import torch
from classed import Classed, similarities

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import FunctionGraph

MODULE = """
import numpy as np

calls = []
VALUE = 3

def lengths(names):
    calls.append(names)
    size = np.array([len(name) for name in names])
    return 1 / (1 + abs(size[:, None] - size))

def tensor(names):
    import torch
    return torch.eye(len(names))

def rows(names):
    return [[1, 2], [3, 4]]

def ragged(names):
    return [[1], [1, 2], []]

def words(names):
    return [names] * len(names)

def negative(names):
    return -np.eye(len(names))

def undefined(names):
    return np.eye(len(names)) * np.nan
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of the user's own, by its name, and its file."""
    file = tmp_path / "my_similarities.py"
    file.write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    yield file
    sys.modules.pop("my_similarities", None)


def test_what_it_says_is_looked_up(mine):
    import my_similarities

    values = similarities(FunctionGraph("my_similarities.lengths"), Classed())
    assert my_similarities.calls == [["cat", "dog", "truck"]]
    assert values[3].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1, 1 / 3])


def test_a_tensor_will_do(mine):
    values = similarities(FunctionGraph("my_similarities.tensor"), Classed(["a", "b"]))
    assert torch.equal(values, torch.eye(2))


def test_a_changed_module_is_called_again(mine):
    first = FunctionGraph("my_similarities.tensor").prepare(Classed())
    assert FunctionGraph("my_similarities.tensor").prepare(Classed()) == first
    mine.write_text(MODULE + "# changed\n")
    sys.modules.pop("my_similarities")
    linecache.checkcache()
    assert FunctionGraph("my_similarities.tensor").prepare(Classed()) != first


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rows", r"expected numbers of shape \(3, 3\), one row a class, found int64 of shape \(2, 2\)"),
        ("ragged", r"ragged.* returned no array"),
        ("words", r"expected numbers of shape \(3, 3\), one row a class, found <U5 of shape \(3, 3\)"),
        ("negative", "the similarity of cat to itself is -1, expected 1"),
        ("undefined", "the similarity of cat and cat is nan"),
    ],
)
def test_no_similarities(mine, name, words):
    with pytest.raises(UserError, match=words) as caught:
        FunctionGraph(f"my_similarities.{name}").prepare(Classed())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("my_similarities.nothing", "cannot be imported as module.function: .*no attribute 'nothing'"),
        ("no_such_module.lengths", "cannot be imported as module.function: No module named 'no_such_module'"),
        ("lengths", "cannot be imported as module.function"),
        ("my_similarities.VALUE", "is a int, expected a function"),
    ],
)
def test_no_function(mine, path, words):
    with pytest.raises(UserError, match=f"data.graph.function '{path}' {words}"):
        FunctionGraph(path)


def test_a_function_without_a_python_file():
    graph = FunctionGraph("math.hypot")
    assert graph.settings()["function"] == "math.hypot"
    assert graph.settings() == FunctionGraph("math.hypot").settings()
