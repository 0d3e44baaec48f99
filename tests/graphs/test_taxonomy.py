"""Taxonomies from files: the three forms agree, and what is no taxonomy is refused in one line."""

import numpy as np
import pytest
import torch
from classed import Classed, similarities

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import TaxonomyGraph
from xclr_lightning.graphs.taxonomy import read_taxonomy

PARENTS = "child,parent\ndog,canine\nwolf,canine\ncat,feline\ncanine,animal\nfeline,animal\n"
RANKS = "class,family,species\nanimal,canine,dog\nanimal,canine,wolf\nanimal,feline,cat\n"
NEWICK = "((dog:1,wolf:2)canine,(cat)feline)animal;"
CLASSES = ["wolf", "cat", "dog"]


@pytest.fixture
def write(tmp_path):
    """Write a file, and return its path."""

    def to(text: str, name: str = "taxonomy.csv") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return to


def refused(path: str, words: str, classes=CLASSES, **settings) -> None:
    """Preparing a graph raises one line that names the file."""
    with pytest.raises(UserError, match=words) as caught:
        TaxonomyGraph(path, **settings).prepare(Classed(classes))
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("measure", "same_family", "other_family"), [("wu_palmer", 2 / 3, 1 / 3), ("path", 1 / 3, 0.2)]
)
@pytest.mark.parametrize(
    ("text", "name"), [(PARENTS, "a.csv"), (RANKS, "a.csv"), (NEWICK, "a.nwk"), (NEWICK, "a.TREE")]
)
def test_three_forms_of_one_tree(write, text, name, measure, same_family, other_family):
    values = similarities(TaxonomyGraph(write(text, name), measure), Classed(CLASSES))
    expected = torch.tensor(
        [[1, other_family, same_family], [other_family, 1, other_family], [same_family, other_family, 1]]
    )
    torch.testing.assert_close(values, expected)


def test_a_child_of_two_parents_and_a_root_above_itself(write):
    path = write("\ufeffparent,rank,child\nb,x,c\na,x,c\na,x,b\na,x,a\n,x,a\n")
    taxonomy = read_taxonomy(path)
    above = {name: {taxonomy.names[i] for i in taxonomy.parents[n]} for n, name in enumerate(taxonomy.names)}
    assert above == {"a": set(), "b": {"a"}, "c": {"a", "b"}}


def test_chosen_ranks_gaps_and_recurring_names(write):
    text = "id,order,genus,species\n1,X,,fox\n2,X,morus,black mulberry\n3,Y,morus,gannet\n4,Y,gorilla,gorilla\n"
    graph = TaxonomyGraph(write(text), "path", ranks=["order", "genus", "species"])
    values = similarities(graph, Classed(["fox", "black mulberry", "gannet", "gorilla"]))
    expected = torch.zeros(4, 4).fill_diagonal_(1)
    expected[0, 1] = expected[1, 0] = 1 / 4  # fox – X – morus – black mulberry
    expected[2, 3] = expected[3, 2] = 1 / 5
    torch.testing.assert_close(values, expected)


def test_a_changed_file_is_another_graph(write):
    first = TaxonomyGraph(write(PARENTS)).prepare(Classed(CLASSES))
    assert TaxonomyGraph(write(PARENTS)).prepare(Classed(CLASSES)) == first
    assert TaxonomyGraph(write(PARENTS), "path").prepare(Classed(CLASSES)) != first
    assert TaxonomyGraph(write(PARENTS + "fox,canine\n")).prepare(Classed(CLASSES)) != first


def test_the_order_of_rows_does_not_matter(write):
    lines = ["child,parent", "x,a", "x,b", "a,r", "b,r", "y,a", "y,b", "b,q", "q,r", "a,s", "s,r", "z,b"]
    tables = []
    for seed in range(5):
        rows = [lines[1 + i] for i in np.random.default_rng(seed).permutation(len(lines) - 1)]
        tables.append(similarities(TaxonomyGraph(write("\n".join([lines[0], *rows]))), Classed(["x", "y", "z"])))
    assert all(torch.equal(tables[0], table) for table in tables)


@pytest.mark.parametrize(
    ("text", "words", "classes"),
    [
        (PARENTS, r"has no 'dgo' among its 6 names; did you mean dog\?", ["dgo", "cat"]),
        (PARENTS, "has no 'x' and 1 more among its 6 names", ["x", "y", "cat"]),
        (PARENTS + "animal,dog\n", "a class stands above itself: ", CLASSES),
        ("child,parent\ndog,dogs\ndogs,dog\ncat,\nwolf,\n", r"above itself: dogs? < dogs? < dogs?$", CLASSES),
        (RANKS + "plant,canine,dog\n", "has 2 nodes named 'dog': classes need one each", CLASSES),
        ("species\ndog\n", "has the columns species: expected child and parent, or at least two ranks", CLASSES),
        ("", r"has the columns \(none\): expected child and parent", CLASSES),
        ('child,parent\n"dog,canine\n', "cannot be read .*: a CSV file in UTF-8 is expected", CLASSES),
    ],
)
def test_no_taxonomy_of_the_classes(write, text, words, classes):
    refused(write(text), words, classes)


def test_a_comma_that_makes_one_cell_more(write):
    refused(
        write("child,parent\ndog,canine\nwolf, grey,canine\n"), "more cells in row 2, .* than the 2 columns: put texts"
    )


def test_ranks_that_are_no_columns(write):
    refused(write(RANKS), r"has the columns .*\(data\.graph\.ranks: class, sort\)", ranks=["class", "sort"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("((dog,wolf)canine,cat;", r"\(';' at character 22 is out of place\): a tree in Newick is expected"),
        ("((dog,wolf)canine,(dog,cat)feline);", "has 2 nodes named 'dog'"),
    ],
)
def test_no_newick(write, text, words):
    refused(write(text, "tree.nwk"), words)


@pytest.mark.parametrize("name", ["nowhere.csv", "nowhere.nwk"])
def test_missing_file(tmp_path, name):
    refused(str(tmp_path / name), "cannot be read: No such file")
    with pytest.raises(UserError, match="cannot be read"):
        read_taxonomy(tmp_path / name)


def test_a_file_inside_a_package():
    data = Classed(["cat face", "dog", "maple leaf", "dog", "cat face"])
    values = similarities(TaxonomyGraph("package:xclr_lightning.data.demo/wordnet.csv"), data)
    assert 1 > values[0, 1] > values[0, 2] > 0
    refused("package:no_such_package/a.csv", "there is no package 'no_such_package'")
