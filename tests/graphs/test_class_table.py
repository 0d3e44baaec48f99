"""The class-table form: looked up by class, and refused unless it is a table of these classes' similarities."""

import json

import numpy as np
import pytest
import torch
from classed import Classed

from xclr_lightning.data.source import labels
from xclr_lightning.errors import UserError
from xclr_lightning.graphs import ClassTableGraph
from xclr_lightning.graphs.class_graph import classes_of
from xclr_lightning.graphs.class_table import load_table, save_table
from xclr_lightning.graphs.manifest import write_manifest

NAMES = ["cat", "dog", "truck"]
FACTS = {"source": "test", "settings": {"a": [1, 2]}}
TABLE = np.array([[1, 0.5, -0.1], [0.5, 1, 0], [-0.1, 0, 1]])


@pytest.fixture
def folder(tmp_path):
    """A stored table."""
    save_table(tmp_path / "graph", TABLE, NAMES, FACTS)
    return tmp_path / "graph"


def refused(folder, words: str, names=NAMES, facts=FACTS) -> None:
    """Loading raises one line that names the folder."""
    with pytest.raises(UserError, match=words) as caught:
        load_table(folder, names, facts, "some/data")
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def rewrite(folder, table: np.ndarray, **options) -> None:
    """Put another table in, and have graph.json vouch for it."""
    (folder / "table.npy").unlink()
    np.save(folder / "table.npy", table, **options)
    rows = json.loads((folder / "graph.json").read_text())
    facts = {name: value for name, value in rows.items() if name not in ("files", "package_version")}
    write_manifest(folder, facts)


def test_similarity_is_the_tables_entry():
    table = torch.rand(6, 6)
    classes = torch.randint(6, (50,))
    graph = ClassTableGraph(table, classes)
    assert len(graph) == 50
    nodes = torch.stack([graph.nodes(i) for i in range(50)])
    assert nodes.dtype == torch.int64
    assert nodes.shape == (50,)
    with torch.autocast("cpu", torch.bfloat16):
        found = graph.similarity(nodes[:20], nodes[20:])
    assert found.dtype == torch.float32
    expected = torch.tensor([[table[classes[i], classes[j]] for j in range(20, 50)] for i in range(20)])
    assert torch.equal(found, expected)


def test_nodes_are_copies():
    classes = torch.tensor([1, 2])
    ClassTableGraph(torch.eye(3), classes).nodes(0).zero_()
    assert classes[0] == 1


def test_lookups_on_another_device_use_a_table_there():
    graph = ClassTableGraph(torch.eye(3), torch.tensor([0, 1, 2]))
    nodes = torch.empty(4, dtype=torch.int64, device="meta")
    assert graph.similarity(nodes, nodes).device.type == "meta"
    assert graph.similarity(torch.arange(3), torch.arange(3)).equal(torch.eye(3))


def test_round_trip(folder):
    table = load_table(folder, NAMES, FACTS, "some/data")
    np.testing.assert_array_equal(table, TABLE.astype(np.float32))
    manifest = json.loads((folder / "graph.json").read_text())
    facts = {"form": "class_table", "count": 3, "classes": NAMES, "dtype": "float32", **FACTS}
    assert manifest.items() >= facts.items()


def test_classes_are_numbered_as_labels_are():
    data = Classed(["b", "a", "B", "é", "a", "10", "9"])
    names, numbers = classes_of(data, "class")
    expected, expected_names = labels(data, "class")
    assert names == expected_names
    np.testing.assert_array_equal(numbers, expected)
    assert numbers.dtype == np.int64


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["cat", "dog"], "its count is 3, expected 2; delete"),
        (["cat", "dog", "trunk"], "its class 2 is 'truck', expected 'trunk'; delete"),
        (["dog", "cat", "truck"], "its class 0 is 'cat', expected 'dog'; delete"),
    ],
)
def test_other_classes(folder, names, words):
    refused(folder, f"does not belong to the data in some/data: {words}", names)


def test_other_settings(folder):
    refused(folder, "its settings is .* expected {'a': 3}", facts={"source": "test", "settings": {"a": 3}})


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_truncated(folder, size):
    file = folder / "table.npy"
    file.write_bytes(file.read_bytes()[:size])
    refused(folder, r"table\.npy is damaged")


def test_one_changed_byte(folder):
    content = bytearray((folder / "table.npy").read_bytes())
    content[-2] ^= 1
    (folder / "table.npy").write_bytes(bytes(content))
    refused(folder, r"table\.npy is damaged: its SHA-256")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({(0, 1): np.nan}, "the similarity of cat and dog is nan"),
        ({(2, 1): np.inf}, "the similarity of truck and dog is inf"),
        ({(0, 1): 0.6}, "not symmetric: 0.6 for cat and dog, 0.5 for dog and cat"),
        ({(1, 1): 0.99}, "the similarity of dog to itself is 0.99, expected 1"),
        ({(0, 1): 1.5, (1, 0): 1.5}, "the similarity of cat and dog is 1.5, expected -1 to 1"),
    ],
)
def test_no_similarities(folder, change, words):
    table = TABLE.copy()
    for place, value in change.items():
        table[place] = value
    rewrite(folder, table)
    refused(folder, words)


@pytest.mark.parametrize("table", [np.ones((2, 2)), np.ones(9), np.ones((3, 3), dtype="S1"), np.ones((3, 4))])
def test_another_shape_or_type(folder, table):
    rewrite(folder, table)
    refused(folder, r"expected numbers of shape \(3, 3\), one row a class, found")


def test_pickles_are_not_opened(folder):
    rewrite(folder, np.array([[{}] * 3] * 3, dtype=object), allow_pickle=True)
    refused(folder, r"table\.npy is missing or damaged \(Object arrays cannot be loaded")


def test_missing_file(folder):
    (folder / "table.npy").unlink()
    refused(folder, r"table\.npy is missing")
