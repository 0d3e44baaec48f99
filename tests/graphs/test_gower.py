"""Gower's similarity against its definition, and metadata joined to samples."""

import math

import numpy as np
import pytest
import torch
from classed import Classed, similarities

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import MetadataGraph, gower
from xclr_lightning.graphs.gower import encode_categories, encode_numbers, gower_similarity


def naive_gower(rows: list[list], numeric: int) -> list[list[float]]:
    """Pair by pair and column by column, of None where a value is missing."""
    ranges = []
    for column in range(numeric):
        known = [row[column] for row in rows if row[column] is not None]
        ranges.append(max(known) - min(known))

    def similarity(a: list, b: list) -> float:
        parts = []
        for column, (x, y) in enumerate(zip(a, b, strict=True)):
            if x is None or y is None:
                continue
            parts.append(1 - abs(x - y) / ranges[column] if column < numeric else float(x == y))
        return sum(parts) / len(parts) if parts else 0

    return [[similarity(a, b) for b in rows] for a in rows]


@pytest.mark.parametrize("missing", [0, 0.4])
def test_every_pair_is_as_defined(missing):
    rng = np.random.default_rng(0)
    numbers = rng.normal(50, 1000, (40, 3))
    kinds = rng.integers(0, 4, (40, 2)).astype(object)
    rows = np.concatenate([numbers.astype(object), kinds], axis=1)
    rows[rng.random(rows.shape) < missing] = None
    columns = [encode_numbers(np.array([math.nan if x is None else x for x in column])) for column in rows.T[:3]]
    columns += [encode_categories(["" if x is None else str(x) for x in column]) for column in rows.T[3:]]
    records = torch.from_numpy(np.stack(columns, axis=1))
    found = gower_similarity(records, records, numeric=3)
    torch.testing.assert_close(found, torch.tensor(naive_gower(rows.tolist(), 3)), rtol=0, atol=1e-6)
    assert torch.equal(found, found.T)
    assert ((found >= 0) & (found <= 1)).all()
    order = torch.randperm(40)
    assert torch.equal(gower_similarity(records[order], records[:7], 3), found[order][:, :7])


@pytest.mark.parametrize("values", [[-1.7e308, 1.7e308, 0], [5e-324, 0, 1e-323], [4, 4, 4], [np.nan] * 3])
def test_numbers_of_any_size(values):
    parts = encode_numbers(np.array(values, dtype=np.float64))
    known = ~np.isnan(values)
    assert ((parts == -1) == ~known).all()
    assert (parts[known] >= 0).all()
    assert (parts[known] <= 2**30).all()


def test_more_categories_than_can_be_told_apart(monkeypatch):
    monkeypatch.setattr(gower, "CATEGORIES", 2)
    assert encode_categories(["b", "", "a"]).tolist() == [1, -1, 0]
    with pytest.raises(UserError, match=r"data.graph.categorical: a column has 3 categories, at most 2 can be told"):
        encode_categories(["b", "", "a", "c"])


def test_close_categories_and_distant_ones_differ_alike():
    records = torch.tensor([[0], [1], [(1 << 24) - 2], [(1 << 24) - 1]], dtype=torch.int32)
    assert torch.equal(gower_similarity(records, records, numeric=0), torch.eye(4))


METADATA = "file_name,lat,camera,note\n2.png,10,a,x\n0.png,0,a,y\n./1.png,20,b,\n4.png,,b,\n3.png,20,,\n5.png,40,c,\n"


@pytest.fixture
def table(tmp_path):
    """A CSV file of more rows than the five samples, in another order."""
    (tmp_path / "metadata.csv").write_text(METADATA)
    return tmp_path / "metadata.csv"


def test_a_table_joined_by_file_name(table):
    values = similarities(MetadataGraph(["lat"], ["camera"], str(table)), Classed())
    rows = [[0, "a"], [20, "b"], [10, "a"], [20, None], [None, "b"], [40, "c"]]
    expected = torch.tensor(naive_gower(rows, 1))[:5, :5]
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-6)
    assert values[0].tolist() == pytest.approx([1, 0.25, 0.875, 0.5, 0])


def test_fields_of_the_data():
    data = Classed(other={"lat": ["0", "1e1", " 5 ", "", "nan"], "kind": ["x", "", "x", "y", "y"]})
    rows = [[0, "x"], [10, None], [5, "x"], [None, "y"], [None, "y"]]
    expected = torch.tensor(naive_gower(rows, 1))
    torch.testing.assert_close(similarities(MetadataGraph(["lat"], ["kind"]), data), expected)


def test_nodes_are_whole_numbers_that_no_precision_rounds():
    data = Classed(other={"lat": list("01234")})
    graph = MetadataGraph(["lat"], ["class"])
    graph.prepare(data)
    node = graph.open(data).nodes(1)
    assert node.dtype == torch.int32
    assert node.tolist() == [2**28, 0]


def test_keys_that_recur_from_shard_to_shard(table):
    class Recurring(Classed):
        def keys(self):
            return np.array([b"0", b"1", b"0", b"1", b"2"])

    table.write_text("shard,key,lat\n00000,0,1\n00000,1,2\n00001,2,3\n00001,1,4\n00001,0,5\n")
    values = similarities(MetadataGraph(["lat"], table=str(table), key="key"), Recurring())
    assert values[0].tolist() == pytest.approx([1, 0.75, 0, 0.25, 0.5])
    table.write_text("key,lat\n0,1\n1,2\n2,3\n")
    with pytest.raises(UserError, match=r"keys in some/data recur from shard to shard: .* needs a column shard"):
        MetadataGraph(["lat"], table=str(table), key="key").prepare(Recurring())


def test_other_values_are_another_graph(table):
    graph = MetadataGraph(["lat"], ["camera"], str(table))
    first = graph.prepare(Classed())
    table.write_text(METADATA.replace("note", "remark"))
    assert graph.prepare(Classed()) == first
    table.write_text(METADATA.replace("0.png,0,a", "0.png,0,b"))
    assert graph.prepare(Classed()) != first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            METADATA.replace("lat", "lta"),
            r"has no column 'lat': it has file_name, lta, camera, note; did you mean lta\?",
        ),
        (METADATA.replace("file_name", "file"), "has no column 'file_name'"),
        (METADATA.replace("0,a,y", "north,a,y"), "column 'lat' of data.graph.numeric: .*'north'; leave a missing"),
        (METADATA.replace("0,a,y", "1e999,a,y"), "column 'lat' of data.graph.numeric has a number without end"),
        (METADATA.replace("4.png,,b,", ""), "has 5 rows for 5 samples: none for 4.png"),
        (
            METADATA.replace("4.png,", "44.png,").replace("3.png", "33.png"),
            "6 rows for 5 samples: none for 3.png and 1 more",
        ),
        (METADATA + "1.png,3,a,\n", "has several rows for 1.png"),
        (METADATA.replace("4.png,,b,", "4.png,,,"), "1 of 5 samples in some/data have no metadata at all, first 4.png"),
        ("", "has no column 'file_name': it has $"),
    ],
)
def test_no_metadata_of_the_samples(table, text, words):
    table.write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        MetadataGraph(["lat"], ["camera"], str(table)).prepare(Classed())
    assert "\n" not in str(caught.value)


def test_missing_table_field_or_column(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.csv cannot be read"):
        MetadataGraph(["lat"], table=str(tmp_path / "nowhere.csv")).prepare(Classed())
    with pytest.raises(UserError, match="has no field 'lat'"):
        MetadataGraph(["lat"]).prepare(Classed())
    with pytest.raises(UserError, match="MetadataGraph has no column: name some in numeric or categorical"):
        MetadataGraph()
