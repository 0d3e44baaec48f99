"""Columns of texts on disk: what comes out is what went in, and neither reading nor sharing them takes memory."""

import multiprocessing
import pickle
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from xclr_lightning.columns import Column, Columns, number_texts, write_columns

TEXTS = ["a dog", "", 'été, "犬"\nfährt', "a dog", "x" * 1000, "a cat", "\U0001f40e"]


def batches(sizes=(3, 0, 4)):
    start = 0
    for size in sizes:
        texts = TEXTS[start : start + size]
        yield [pa.array(texts, pa.string()), pa.array([str(len(text)) for text in texts], pa.string())]
        start += size


@pytest.fixture
def stored(tmp_path: Path) -> Columns:
    write_columns(tmp_path / "x.arrow", ["caption", "length"], batches())
    return Columns(tmp_path / "x.arrow")


def test_what_was_written_is_read(stored: Columns) -> None:
    assert list(stored) == ["caption", "length"]
    assert (stored.rows, len(stored)) == (7, 2)
    column = stored["caption"]
    assert len(column) == 7
    assert [column[i] for i in range(-7, 7)] == TEXTS * 2
    assert list(column) == TEXTS
    assert list(stored["length"]) == [str(len(text)) for text in TEXTS]
    with pytest.raises(IndexError):
        column[7]
    with pytest.raises(KeyError):
        stored["x"]


@pytest.mark.parametrize("rows", [slice(None), slice(2, 5), slice(-3, None), slice(5, 2), slice(6, 99), slice(0, 0)])
def test_a_run_of_rows_is_a_view(rows: slice, stored: Columns) -> None:
    part = stored["caption"][rows]
    assert part == TEXTS[rows]
    assert part[1:] == TEXTS[rows][1:]
    assert part != [*TEXTS[rows], "more"]
    assert part != ["other"] * len(part) or not len(part)


def test_steps_are_refused(stored: Columns) -> None:
    with pytest.raises(ValueError, match="step 1"):
        stored["caption"][::2]


def test_it_pickles_as_its_path(stored: Columns) -> None:
    content = pickle.dumps(stored)
    assert len(content) < 300
    assert pickle.loads(content)["caption"] == TEXTS


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken():
        yield from batches((3,))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_columns(tmp_path / "x.arrow", ["caption", "length"], broken())
    assert not list(tmp_path.iterdir())


def test_the_writer_holds_no_more_than_a_batch(tmp_path: Path) -> None:
    held = []

    def many():
        for start in range(0, 600_000, 20_000):
            held.append(pa.total_allocated_bytes())
            yield [pa.array([f"a caption of some length, number {start + i:06d}" for i in range(20_000)])]

    write_columns(tmp_path / "x.arrow", ["caption"], many())
    assert (tmp_path / "x.arrow").stat().st_size > 20e6
    assert max(held) - min(held) < 3e6


def test_nothing_is_a_column_too(tmp_path: Path) -> None:
    write_columns(tmp_path / "x.arrow", ["caption"], [])
    assert list(Columns(tmp_path / "x.arrow")["caption"]) == []


@pytest.mark.parametrize("rows", [0, 5, 65_536, 70_000])
def test_packed_texts(rows: int) -> None:
    texts = [f"class {number}" for number in np.random.default_rng(rows).integers(0, 300, rows)]
    column = Column.of(iter(texts))
    assert column == texts
    assert column[rows // 3 :] == texts[rows // 3 :]


@pytest.mark.parametrize("form", ["list", "packed", "stored", "run"])
def test_texts_are_numbered_as_numpy_does(form: str, tmp_path: Path) -> None:
    texts = [f"{'añ犬z'[i % 4]} {i}" for i in np.random.default_rng(0).integers(0, 500, 70_000)]
    column = texts
    if form == "packed":
        column = Column.of(texts)
    elif form != "list":
        blocks = (texts[start : start + 20_000] for start in range(0, len(texts), 20_000))
        write_columns(tmp_path / "x.arrow", ["text"], ([pa.array(block)] for block in blocks))
        column = Columns(tmp_path / "x.arrow")["text"]
    if form == "run":
        column, texts = column[39_990:40_020], texts[39_990:40_020]
    numbers, names = number_texts(column)
    expected_names, expected = np.unique(np.array(texts, dtype=object), return_inverse=True)
    assert names == expected_names.tolist()
    np.testing.assert_array_equal(numbers, expected)
    assert numbers.dtype == np.int64


def test_no_texts_have_no_numbers() -> None:
    numbers, names = number_texts([])
    assert (numbers.tolist(), names) == ([], [])


def own_memory() -> int:
    """Memory of this process that it shares with no file, in bytes."""
    return int(re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def read_at_random(column: Column, connection) -> None:
    rng = np.random.default_rng(0)
    for number in rng.integers(0, len(column), 2_000):  # what the first reads set up counts for neither side
        assert column[int(number)]
    before = own_memory()
    for number in rng.integers(0, len(column), 60_000):
        assert column[int(number)].startswith("a caption")
    connection.send(own_memory() - before)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells what a process has to itself")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_without_memory_of_their_own(method: str, tmp_path: Path) -> None:
    """A list of these texts would take 30 MB, of which a forked worker copies what it touches."""
    texts = (pa.array([f"a caption of some length, number {start + i}" for i in range(50_000)]) for start in
             range(0, 300_000, 50_000))  # fmt: skip
    before = own_memory()
    write_columns(tmp_path / "x.arrow", ["caption"], ([block] for block in texts))
    column = Columns(tmp_path / "x.arrow")["caption"]
    assert own_memory() - before < 16e6
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    worker = context.Process(target=read_at_random, args=(column, theirs))
    worker.start()
    assert ours.poll(60)
    assert ours.recv() < 2e6
    worker.join()
