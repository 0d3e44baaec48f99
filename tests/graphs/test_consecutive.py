"""Arrays one after the other read as one: the same as their concatenation."""

import numpy as np
import pytest

from xclr_lightning.graphs.consecutive import Consecutive
from xclr_lightning.graphs.mapped import MappedColumn, MappedRows

SIZES = [[5], [2, 3], [1, 0, 3, 1], [0, 5], [5, 0]]


@pytest.fixture(params=SIZES, ids=str)
def rows(request, tmp_path) -> tuple[Consecutive, np.ndarray]:
    """Some parts, and what they are together."""
    parts = np.split(np.arange(15).reshape(5, 3), np.cumsum(request.param)[:-1])
    for number, part in enumerate(parts):
        np.save(tmp_path / f"{number}.npy", part if len(part) else np.empty((0, 0)))
    return Consecutive([MappedRows(tmp_path / f"{number}.npy") for number in range(len(parts))]), np.concatenate(parts)


def test_every_way_to_read(rows):
    consecutive, together = rows
    assert len(consecutive) == 5
    for number in range(5):
        np.testing.assert_array_equal(consecutive[number], together[number])
        for stop in range(number, 7):
            np.testing.assert_array_equal(consecutive[number:stop], together[number:stop])
    for numbers in ([3, 0, 3], [], [4], [4, 3, 2, 1, 0]):
        which = np.array(numbers, dtype=np.int64)
        np.testing.assert_array_equal(consecutive[which], together[which])


def test_each_part_is_visited_once(rows):
    consecutive, together = rows
    numbers = np.array([4, 0, 4, 2, 1])
    visits = list(consecutive.visits(numbers))
    assert len({part for part, _, _ in visits}) == len(visits)
    for part, places, own in visits:
        np.testing.assert_array_equal(consecutive.parts[part][own], together[numbers[places]])
    assert sorted(place for _, places, _ in visits for place in places) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("number", [5, -1])
def test_rows_that_are_not_there(rows, number):
    with pytest.raises(IndexError):
        rows[0][number]
    with pytest.raises(IndexError, match="of 5"):
        rows[0][np.array([0, number])]


def test_nothing_at_all():
    assert len(Consecutive([])) == 0
    assert len(Consecutive([])[:]) == 0


def test_a_column_of_a_table(tmp_path):
    table = np.array([(b"a", 7), (b"b", 5)], dtype=[("key", "S3"), ("vector", np.int64)])
    np.save(tmp_path / "table.npy", table)
    column = MappedColumn(tmp_path / "table.npy", ("key", "vector"), "vector")
    assert column[:].tolist() == [7, 5]
    assert int(Consecutive([column, column])[3]) == 5
    assert Consecutive([column, column])[np.array([2, 1])].tolist() == [7, 5]
    for columns, path in ((("vector", "key"), "table.npy"), (("key",), "table.npy")):
        with pytest.raises(ValueError, match=r"expected rows of"):
            MappedColumn(tmp_path / path, columns, "key")
