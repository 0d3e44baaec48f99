"""``graph.json`` says what a graph is, and refuses another, part of one, or one that changed."""

import json

import pytest

from xclr_lightning import __version__
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.manifest import check_belongs, check_files, read_manifest, write_manifest


@pytest.fixture
def graph(tmp_path):
    """A folder with two files and their description."""
    folder = tmp_path / "graph"
    (folder / "below").mkdir(parents=True)
    (folder / "a.npy").write_bytes(b"abc")
    (folder / "below" / "b.npy").write_bytes(b"")
    write_manifest(folder, {"form": "test", "count": 3})
    return folder


def test_it_describes_every_file(graph, tmp_path):
    manifest = read_manifest(graph)
    assert manifest == {
        "form": "test",
        "count": 3,
        "package_version": __version__,
        "files": {
            "a.npy": {"bytes": 3, "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
            "below/b.npy": {"bytes": 0, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        },
    }
    check_files(graph, manifest, hashes=True)
    assert list(tmp_path.iterdir()) == [graph]


def test_writing_again_describes_the_same(graph):
    before = (graph / "graph.json").read_bytes()
    write_manifest(graph, {"form": "test", "count": 3})
    assert (graph / "graph.json").read_bytes() == before


@pytest.mark.parametrize("text", [None, "", "[1, 2]", "3", "\x00", '{"a": '])
def test_no_description(graph, text):
    (graph / "graph.json").unlink()
    if text is not None:
        (graph / "graph.json").write_text(text)
    with pytest.raises(UserError, match=r"no graph in .*graph.json") as caught:
        read_manifest(graph)
    assert "\n" not in str(caught.value)


def test_a_field_that_differs_is_said_with_both_sides(graph):
    manifest = read_manifest(graph)
    check_belongs(graph, manifest, {"form": "test"}, "my/data")
    with pytest.raises(UserError, match=r"does not belong to the data in my/data: its count is 3, expected 4; delete"):
        check_belongs(graph, manifest, {"form": "test", "count": 4}, "my/data")
    with pytest.raises(UserError, match=r"its seed is None, expected 1"):
        check_belongs(graph, manifest, {"seed": 1}, "my/data")


def test_tuples_are_what_json_makes_of_them(graph):
    check_belongs(graph, {"shape": [1, 2]}, {"shape": (1, 2)}, "my/data")


def test_a_changed_byte_is_found_by_its_hash_alone(graph):
    (graph / "a.npy").write_bytes(b"abd")
    manifest = read_manifest(graph)
    check_files(graph, manifest)
    with pytest.raises(UserError, match=r"a.npy is damaged: its SHA-256 is a52d159f262b2c6d…, graph.json says ba7816"):
        check_files(graph, manifest, hashes=True)


def test_sizes_are_always_compared(graph):
    (graph / "a.npy").write_bytes(b"ab")
    with pytest.raises(UserError, match=r"a.npy is damaged: it has 2 bytes, graph.json says 3"):
        check_files(graph, read_manifest(graph))
    (graph / "a.npy").unlink()
    with pytest.raises(UserError, match=r"a.npy is missing"):
        check_files(graph, read_manifest(graph))


@pytest.mark.parametrize("files", [None, [], {"a.npy": 3}, {"a.npy": {"bytes": "many", "sha256": ""}}])
def test_a_list_of_files_that_is_none(graph, files):
    manifest = json.loads((graph / "graph.json").read_text()) | {"files": files}
    with pytest.raises(UserError, match=r"graph.json does not list its files"):
        check_files(graph, manifest)
