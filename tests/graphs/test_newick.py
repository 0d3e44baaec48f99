"""Trees in Newick, and what is none."""

import pytest

from xclr_lightning.graphs.newick import parse_newick


def edges(text: str) -> set[tuple[str, str]]:
    """Pairs of child and parent."""
    names, parents = parse_newick(text)
    return {(names[i], names[above]) for i, over in enumerate(parents) for above in over}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(B,C)A;", {("B", "A"), ("C", "A")}),
        ("((D,E)B,C)A;", {("D", "B"), ("E", "B"), ("B", "A"), ("C", "A")}),
        ("((D:0.1,E:2e-3)B:1,C:0)A:5;", {("D", "B"), ("E", "B"), ("B", "A"), ("C", "A")}),
        (
            " ( 'Homo sapiens' , Pan_paniscus [a comment; (x)] ) 'it''s' ;\n",
            {("Homo sapiens", "it's"), ("Pan_paniscus", "it's")},
        ),
        ("(B,C,D)A;", {("B", "A"), ("C", "A"), ("D", "A")}),
        ("(((B)))A;", {("B", ""), ("", ""), ("", "A")}),
    ],
)
def test_edges(text, expected):
    assert edges(text) == expected


@pytest.mark.parametrize(("text", "count"), [("A;", 1), (";", 1), ("(,);", 3), ("((,),(,));", 7), ("(:1,:2):3;", 3)])
def test_nodes_without_names(text, count):
    names, parents = parse_newick(text)
    assert len(names) == len(parents) == count
    assert [len(above) for above in parents] == [0] + [1] * (count - 1)


def test_a_tree_as_deep_as_memory_allows():
    names, parents = parse_newick("(" * 5000 + "leaf" + ")" * 5000 + ";")
    assert len(parents) == 5001
    assert names[-1] == "leaf"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no semicolon"),
        ("(B,C)A", "no semicolon"),
        ("(B,C;", "';' at character 5 is out of place"),
        ("(B,C));", r"'\)' at character 6 is out of place"),
        ("B,C;", "',' at character 2 is out of place"),
        ("(B C)A;", "'C' at character 4 is out of place"),
        ("(B,C)A(D);", r"'\(' at character 7 is out of place"),
        ("(B:,C);", "',' at character 4 is out of place"),
        ("(B:1:2,C);", "':' at character 5 is out of place"),
        ("(B,C)A; (D);", "a second tree begins after character 7"),
        ("('B,C)A;", '"\'" at character 2 is left open'),
        ("([B,C)A;", r"'\[' at character 2 is left open"),
    ],
)
def test_malformed(text, words):
    with pytest.raises(ValueError, match=words):
        parse_newick(text)
