"""WordNet's hierarchy: the shipped part of it, WordNet's own files, and similarities as NLTK has them."""

import csv
from importlib.resources import files

import numpy as np
import pytest
from classed import Classed, similarities
from test_ancestry import naive_wu_palmer
from timm.data import ImageNetInfo

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import WordNetGraph
from xclr_lightning.graphs.wordnet import imagenet_synsets, read_synsets

ENTITY, DOG, CAT = "n00001740", "n02084071", "n02121620"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def wnids() -> list[str]:
    """ImageNet's 1,000 classes."""
    return ImageNetInfo().label_names()


def test_the_shipped_table_is_closed_and_complete(wnids):
    synsets = imagenet_synsets()
    assert len(synsets) == 1860
    above = set(wnids)
    while more := {parent for wnid in above for parent in synsets[wnid][1]} - above:
        above |= more
    assert above == set(synsets)
    assert [wnid for wnid, (_, parents) in synsets.items() if not parents] == [ENTITY]
    names = [name for name, _ in synsets.values()]
    assert names == sorted(set(names))


def test_imagenet9_groups_follow_from_it(wnids):
    """Dogs are 116 of the 118 below the synset dog, as the Backgrounds Challenge leaves out two."""
    synsets = imagenet_synsets()

    def above(wnid: str) -> set[str]:
        return {wnid}.union(*(above(parent) for parent in synsets[wnid][1]))

    assert sum(DOG in above(wnid) for wnid in wnids) == 118


@pytest.mark.parametrize(
    ("measure", "a", "b", "expected"),
    [
        # WordNet's howto in NLTK's documentation
        ("path", DOG, CAT, 0.2),
        ("wu_palmer", DOG, CAT, 0.8571428571428571),
        ("wu_palmer", DOG, DOG, 1.0),
    ],
)
def test_known_values(measure, a, b, expected):
    assert WordNetGraph(measure=measure).table([a, b])[0, 1] == pytest.approx(expected, rel=1e-12)


def test_wu_palmer_against_its_definition(wnids):
    some = wnids[::40]
    synsets = imagenet_synsets()
    order = sorted(synsets, key=lambda wnid: synsets[wnid][0])
    parents = [[order.index(parent) for parent in synsets[wnid][1]] for wnid in order]
    expected = [[naive_wu_palmer(parents, order.index(a), order.index(b)) for b in some] for a in some]
    np.testing.assert_allclose(WordNetGraph().table(some), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("measure", ["wu_palmer", "path"])
def test_all_of_imagenet(wnids, measure):
    table = WordNetGraph(measure=measure).table(wnids)
    np.testing.assert_array_equal(table, table.T)
    np.testing.assert_array_equal(table.diagonal(), 1)
    assert table[~np.eye(1000, dtype=bool)].max() < 1
    assert table.min() > 0
    order = np.random.default_rng(0).permutation(1000)[:300]
    np.testing.assert_array_equal(
        WordNetGraph(measure=measure).table([wnids[i] for i in order]), table[order][:, order]
    )


def test_samples_are_compared_by_their_wnid():
    values = similarities(WordNetGraph(), Classed([CAT, DOG, CAT]))
    assert values[0].tolist() == pytest.approx([1, 6 / 7, 1])


@pytest.fixture
def database(tmp_path):
    """Three nouns in the format of WordNet's own files, and their wnids."""
    head = "  1 This is a licence\n"
    nouns = {  # first word, further word, kind of pointer and the noun pointed to
        "entity": ("", "", ""),
        "Rome": ("Eternal_City 0 ", "@i", "entity"),
        "pen": ("", "@", "entity"),
    }
    place, start = {}, len(head)
    for word, (more, kind, _) in nouns.items():
        place[word] = f"{start:08d}"
        start += len(line(word, more, kind, "0" * 8, place[word]))
    lines = [line(word, more, kind, place.get(to, ""), place[word]) for word, (more, kind, to) in nouns.items()]
    (tmp_path / "data.noun").write_text(head + "".join(lines))
    index = f"{head}entity n 1 1 ~ 1 0 {place['entity']}  \npen n 2 1 @ 2 1 00000000 {place['pen']}  \n"
    (tmp_path / "index.noun").write_text(index + f"rome n 1 1 @i 1 1 {place['Rome']}  \n")
    return tmp_path, {word: f"n{number}" for word, number in place.items()}


def line(word: str, more: str, kind: str, target: str, place: str) -> str:
    pointers = f"002 {kind} {target} n 0000 #p 00000000 n 0000" if kind else "000"
    return f"{place} 03 n {2 if more else 1:02x} {word} 0 {more}{pointers} | a gloss @ 00000000 | of it  \n"


def test_wordnets_own_files(database):
    folder, wnid = database
    assert read_synsets(folder, [wnid["Rome"], wnid["pen"]]) == {
        wnid["Rome"]: ("rome.n.01", [wnid["entity"]]),
        wnid["pen"]: ("pen.n.02", [wnid["entity"]]),
        wnid["entity"]: ("entity.n.01", []),
    }
    values = similarities(WordNetGraph(str(folder)), Classed([wnid["Rome"], wnid["pen"], wnid["entity"]]))
    assert values[0].tolist() == pytest.approx([1, 0.5, 2 / 3])


def test_another_database_is_another_graph(database):
    folder, wnid = database
    data = Classed([wnid["pen"]])
    first = WordNetGraph(str(folder)).prepare(data)
    with (folder / "data.noun").open("a") as file:
        file.write("\n")
    assert WordNetGraph(str(folder)).prepare(data) != first


@pytest.mark.parametrize(
    ("wnid", "words"),
    [("n99999999", "none at that place"), ("n00000005", "none at that place"), ("dog", "eight digits")],
)
def test_no_noun_of_the_database(database, wnid, words):
    folder, _ = database
    with pytest.raises(UserError, match=f"{folder} holds no noun {wnid} of WordNet 3.0 .*{words}"):
        WordNetGraph(str(folder)).prepare(Classed([wnid]))


@pytest.mark.parametrize("missing", ["data.noun", "index.noun"])
def test_no_database(database, missing):
    folder, wnid = database
    (folder / missing).unlink()
    with pytest.raises(UserError, match=f"{missing} cannot be read: No such file"):
        WordNetGraph(str(folder)).prepare(Classed([wnid["pen"]]))


def test_no_class_of_imagenet():
    with pytest.raises(UserError, match=r"ImageNet's classes .*data\.graph\.database.* has no 'dog' among its 1,860"):
        WordNetGraph().prepare(Classed(["dog", DOG]))


def test_every_line_of_the_table_is_one_row():
    lines = (files("xclr_lightning.graphs") / "data" / "imagenet_hypernyms.csv").read_text().splitlines()
    assert lines[0].startswith("# WordNet 3.0 Copyright 2006 by Princeton University")
    assert next(csv.reader(lines[1:])) == ["wnid", "name", "hypernyms"]
