"""Labels and random values: formulas of numbers, of which nothing is stored but their hash."""

import hashlib
import json

import numpy as np
import pytest
import torch
from classed import Classed, similarities

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import LabelGraph, RandomGraph
from xclr_lightning.graphs.random_graph import random_similarity

SOURCES = {"labels": LabelGraph(), "random classes": RandomGraph(), "random samples": RandomGraph("sample")}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))


def test_labels_agree_or_not():
    data = Classed()
    expected = [[float(one == other) for other in data.classes] for one in data.classes]
    assert similarities(LabelGraph(), data).tolist() == expected


def test_a_million_classes_need_no_table():
    data = Classed([str(i) for i in range(1_000_000)])
    graph = LabelGraph()
    assert graph.prepare(data).is_dir()
    opened = graph.open(data)
    assert opened.similarity(opened.nodes(7)[None], torch.stack([opened.nodes(7), opened.nodes(8)])).tolist() == [
        [1, 0]
    ]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_range_symmetry_and_diagonal(source):
    values = similarities(source, Classed())
    assert torch.equal(values, values.T)
    assert (values.diagonal() == 1).all()
    assert values.min() >= 0
    assert values.max() == 1


def test_random_by_class():
    data = Classed()
    values = similarities(RandomGraph(), data)
    by_pair = {}
    for i, one in enumerate(data.classes):
        for j, other in enumerate(data.classes):
            assert by_pair.setdefault(frozenset([one, other]), values[i, j].item()) == values[i, j].item()
    assert len(set(by_pair.values())) == 4  # three pairs of three classes, and 1


def test_a_classs_values_do_not_depend_on_which_others_there_are():
    one, other = similarities(RandomGraph(), Classed(["a", "b", "c"])), similarities(RandomGraph(), Classed(["c", "b"]))
    assert one[1, 2] == other[0, 1]


def test_random_by_sample():
    data = Classed(["dog"] * 40)
    values = similarities(RandomGraph("sample"), data)
    assert len(values.unique()) == 40 * 39 / 2 + 1


def test_another_seed_gives_other_values():
    first, second = (similarities(RandomGraph(seed=seed), Classed()) for seed in (0, 1))
    different = (first != 1) & (first != second)
    assert torch.equal(different, first != 1)


def test_random_values_are_even_and_independent_of_numbers():
    values = random_similarity(torch.arange(600), torch.arange(1000, 1600), seed=3).double()
    counts = torch.histc(values, bins=20, min=0, max=1)
    assert counts.sum() == 360_000
    # Chi-squared with 19 degrees of freedom: above 43.8 once in a thousand.
    assert ((counts - 18_000) ** 2 / 18_000).sum() < 43.8
    for here, next_to_it in ((values[1:], values[:-1]), (values[:, 1:], values[:, :-1])):
        assert abs(np.corrcoef(here.flatten(), next_to_it.flatten())[0, 1]) < 0.01


def test_random_values_of_samples_have_no_structure():
    """The eigenvalues of such a matrix fill [−2, 2] standard deviations times √n; common factors would stand out."""
    for numbers in (torch.arange(600), torch.arange(600) << 40):
        values = random_similarity(numbers, numbers, seed=1).double()
        noise = ((values - 0.5) * 12**0.5).fill_diagonal_(0)
        eigenvalues = torch.linalg.eigvalsh(noise) / 600**0.5
        assert 1.9 < eigenvalues.abs().max() < 2.1
        assert (eigenvalues.abs() < 1).double().mean() == pytest.approx(0.609, abs=0.01)  # Wigner's semicircle


def test_random_values_are_those_of_the_formula():
    def mix(x: int) -> int:
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        return x ^ x >> 31

    def signed(x: int) -> int:
        return (x + 2**31) % 2**32 - 2**31

    def value(x: int, y: int) -> float:
        (high_x, low_x), (high_y, low_y) = (divmod(mix(z % 2**64 ^ start), 2**32) for z in (x, y))
        bits = signed(low_x + low_y + high_x * high_y)
        bits = signed((bits ^ bits >> 15) * 0x85EBCA6B)
        return (bits >> 8) / 2**24 + 0.5

    start = int.from_bytes(hashlib.sha256(b"5").digest()[:8], "big")
    a, b = torch.tensor([0, -3, 2**62]), torch.tensor([9, -(2**63)])
    assert random_similarity(a, b, 5).tolist() == [[value(x, y) for y in b.tolist()] for x in a.tolist()]
    # The first of SplitMix64's published sequence from the seed 0.
    assert mix(0) == 0xE220A8397B1DCDAF


def test_what_is_stored():
    folder = RandomGraph("sample", seed=4).prepare(Classed())
    assert [path.name for path in folder.iterdir()] == ["graph.json"]
    manifest = json.loads((folder / "graph.json").read_text())
    settings = {"per": "sample", "field": None, "seed": 4}
    assert manifest.items() >= {"form": "formula", "source": "RandomGraph", "count": 5, "settings": settings}.items()


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_another_graph_in_its_place_is_refused(source):
    here = source.prepare(Classed())
    here.rename(here.with_name("elsewhere"))
    with pytest.raises(UserError, match=r"no graph in .*graph\.json is missing"):
        source.open(Classed())
    source.prepare(Classed(["x"] * 7)).rename(here)
    with pytest.raises(UserError, match=r"does not belong to the data in some/data: its count is 7, expected 5"):
        source.open(Classed())


def test_samples_without_the_field():
    for source in (LabelGraph("kind"), RandomGraph(field="kind")):
        with pytest.raises(UserError, match=r"some/data has no field 'kind': it has class"):
            source.prepare(Classed())
