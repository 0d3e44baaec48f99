"""Rows of a file: the same as NumPy's, without its open files and its copies in worker processes."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from xclr_lightning.graphs.mapped import MappedRows


@pytest.fixture
def file(tmp_path) -> Path:
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(50, 6)).astype(np.float16))
    return tmp_path / "rows.npy"


def test_rows_are_those_of_the_file(file):
    rows, expected = MappedRows(file), np.load(file)
    assert (len(rows), rows.shape, rows.dtype) == (50, (50, 6), np.float16)
    for which in (0, 49, -1, slice(3, 9), np.array([4, 1, 4])):
        np.testing.assert_array_equal(rows[which], expected[which])
    with pytest.raises(IndexError):
        rows[50]


def test_no_file_stays_open(file):
    before = len(os.listdir("/proc/self/fd"))
    opened = [MappedRows(file) for _ in range(20)]
    assert all(rows[0].shape == (6,) for rows in opened)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_pickle_holds_the_path_and_no_data(tmp_path):
    np.save(tmp_path / "big.npy", np.ones((10_000, 6), dtype=np.float16))
    rows = MappedRows(tmp_path / "big.npy")
    assert rows[9_999].all()
    packed = pickle.dumps(rows)
    assert len(packed) < 1000
    np.testing.assert_array_equal(pickle.loads(packed)[9_999], rows[9_999])


@pytest.mark.parametrize(
    "array", [np.zeros(3), np.zeros((2, 2, 2)), np.asfortranarray(np.zeros((2, 3))), np.zeros((2, 2), "S3")]
)
def test_other_arrays_are_refused(array, tmp_path):
    np.save(tmp_path / "other.npy", array)
    with pytest.raises(ValueError, match="expected rows of numbers"):
        MappedRows(tmp_path / "other.npy")


@pytest.mark.parametrize("size", [0, 5, 70, -1, -200])
def test_part_of_a_file_is_refused(size, file):
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises((ValueError, EOFError)):
        MappedRows(file)
