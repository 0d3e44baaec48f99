"""Tables as sources: what users write into them comes out as it is, and what cannot be used is said in one line."""

import csv
import hashlib
import math
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xclr_lightning.data.decode import BadImage
from xclr_lightning.data.listing import normal_paths, repeated
from xclr_lightning.data.source import labels
from xclr_lightning.data.table import Table
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.class_graph import classes_of
from xclr_lightning.graphs.fingerprint import fingerprint

ROWS = [
    {"file_name": "b/2.png", "caption": 'a "red", big\napple', "class": "fruit"},
    {"file_name": "1.png", "caption": "été 犬", "class": "animal"},
    {"file_name": "./a//3.png", "caption": "  a train\t", "class": "vehicle"},
]
CAPTIONS = ['a "red", big\napple', "été 犬", "a train"]
SUFFIXES = [".csv", ".tsv", ".parquet"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))


def write(path: Path, rows: list[dict[str, object]], encoding: str = "utf-8") -> Path:
    """Write rows as a table of the kind that the file's name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
        return path
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def folder(tmp_path: Path, png) -> Path:
    """A folder with the pictures of the rows, whose pixels are their numbers."""
    for number, name in enumerate(["b/2.png", "1.png", "a/3.png"]):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(png(number))
    return tmp_path / "set"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_in_their_order(suffix: str, folder: Path) -> None:
    table = Table(write(folder / f"pictures{suffix}", ROWS))
    assert len(table) == 3
    assert table.keys().tolist() == [b"b/2.png", b"1.png", b"a/3.png"]
    assert table.captions() == table.fields("caption") == CAPTIONS
    assert table.captions(slice(1, 2)) == CAPTIONS[1:2]
    assert table.fields("class") == ["fruit", "animal", "vehicle"]
    assert [table.image(i).getpixel((0, 0))[0] for i in range(3)] == [0, 1, 2]
    assert table.parts() == {"00000": slice(0, 3)}
    assert table.skipped == {}


def test_all_kinds_of_tables_are_the_same_data(folder: Path) -> None:
    """The hash of keys and captions does not tell in which file they were."""
    assert len({fingerprint(Table(write(folder / f"pictures{suffix}", ROWS))) for suffix in SUFFIXES}) == 1


def test_a_byte_order_mark_and_blank_lines(folder: Path) -> None:
    path = write(folder / "pictures.csv", ROWS, "utf-8-sig")
    path.write_bytes(path.read_bytes().replace(b"\r\n1.png", b"\r\n\r\n1.png"))
    assert Table(path).captions() == CAPTIONS


def test_rows_that_are_too_short_or_have_empty_cells_too_many(folder: Path) -> None:
    (folder / "x.csv").write_text("file_name,caption,class\n1.png,one\na/3.png,three,x,,\n")
    table = Table(folder / "x.csv")
    assert table.fields("class") == ["", "x"]


def test_absolute_paths(folder: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "elsewhere" / "x.csv", [{"file_name": folder / "1.png"}, {"file_name": "../set/a/3.png"}])
    assert [Table(path).image(i).getpixel((0, 0))[0] for i in range(2)] == [1, 2]


def test_columns_of_parquet_that_are_no_texts(folder: Path) -> None:
    rows = [{"file_name": "1.png", "caption": "one", "count": 3, "share": 0.5, "vector": [1.0], "bytes": b"\xff"},
            {"file_name": "a/3.png", "caption": "two", "count": None, "share": 2.0, "vector": []},
            {"file_name": "b/2.png", "caption": "nan", "count": 5, "share": math.nan}]  # fmt: skip
    rows = pa.Table.from_pylist(rows)
    rows = rows.append_column("kind", rows["caption"].dictionary_encode())
    pq.write_table(rows, folder / "x.parquet")
    table = Table(folder / "x.parquet")
    assert table.fields("count") == ["3", "", "5"]
    assert [share and float(share) for share in table.fields("share")] == [0.5, 2.0, ""]
    assert table.fields("kind") == ["one", "two", "nan"]
    with pytest.raises(UserError, match="no column 'vector': it has file_name, caption, count, share, kind"):
        table.fields("vector")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rows_without_a_caption_or_a_name_are_counted(suffix: str, folder: Path) -> None:
    rows = [{"file_name": name, "caption": text} for name, text in
            [("a", "x"), ("b", ""), ("c", " \n"), ("", "y"), ("d", "z"), ("", "")]]  # fmt: skip
    if suffix == ".parquet":
        rows[1]["caption"] = rows[3]["file_name"] = None
    table = Table(write(folder / f"x{suffix}", rows))
    assert table.keys().tolist() == [b"a", b"d"]
    assert table.captions() == ["x", "z"]
    assert table.skipped == {"no file_name": 2, "no caption": 2}


def test_captions_that_are_no_numbers_are_counted(folder: Path) -> None:
    rows = [{"file_name": "1.png", "caption": 7.5}, {"file_name": "b/2.png", "caption": math.nan}]
    table = Table(write(folder / "x.parquet", rows))
    assert (table.captions(), table.skipped) == (["7.5"], {"no caption": 1})


def test_a_file_name_that_would_widen_all_others(folder: Path) -> None:
    rows = [{"file_name": name, "caption": "x"} for name in ("é" * 512, "é" * 513, "1.png")]
    table = Table(write(folder / "x.csv", rows))
    assert table.keys().tolist() == [("é" * 512).encode(), b"1.png"]
    assert table.skipped == {"file_name of more than 1,024 bytes": 1}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_samples_without_a_label_are_no_class(suffix: str, folder: Path) -> None:
    rows = [{"file_name": f"{number}.png", "class": kind} for number, kind in enumerate(["a", "", "b", None, ""])]
    table = Table(write(folder / f"x{suffix}", rows))
    for names in (None, ["a", "b"]):
        with pytest.raises(UserError, match=r"3 of 5 samples in .* have no 'class', first .*set/1.png: leave them out"):
            labels(table, "class", names)


def test_a_table_without_captions(folder: Path) -> None:
    table = Table(write(folder / "x.csv", [{"file_name": "1.png", "class": ""}, {"file_name": "2.png", "class": "a"}]))
    assert (len(table), table.skipped) == (2, {})
    with pytest.raises(UserError, match=r"x.csv has no column 'caption': it has file_name, class"):
        table.captions()
    with pytest.raises(UserError, match=r"no column 'clas'.*did you mean class"):
        table.fields("clas")


def test_a_missing_picture_is_a_bad_one(folder: Path) -> None:
    table = Table(write(folder / "x.csv", [{"file_name": "gone.png"}, {"file_name": "1.png"}]))
    with pytest.raises(BadImage, match=r"set/gone.png: FileNotFoundError"):
        table.image(0)
    assert table.image(1).size == (12, 8)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", b"path,caption\n1.png,one\n", r"x.csv has no column file_name .*: it has path, caption"),
        ("x.csv", b"", r"x.csv has no column file_name .*: it has none"),
        ("x.csv", b"file_name,caption\n", r"x.csv has no picture: it has no rows"),
        ("x.csv", b"file_name,caption\na,\nb,\n", r"x.csv has no picture: 2 rows have no caption"),
        ("x.csv", b"file_name,class,class\na,b,c\n", r"x.csv has several columns 'class'"),
        ("x.csv", b"file_name\n\xe9t\xe9.png\n", r"x.csv cannot be read \('utf-8' codec .*: a CSV file in UTF-8"),
        ("x.csv", b'file_name,caption\na,"one\nb,two\n', r"x.csv cannot be read \(row 1: unexpected end of data\)"),
        (
            "x.csv",
            b"file_name,caption\na,b\n\nb," + b"c" * 200_000,
            r"x.csv cannot be read \(row 2: field larger .*131072",
        ),
        (
            "x.csv",
            b"file_name,caption\na,x\n\nb,a dog, running, in a park\n",
            r"x.csv has 4 cells in row 2, counted below the line of names, for 2 columns: .* commas in quotes",
        ),
        ("x.tsv", b"file_name\tcaption\na\tx\t\ty\n", r"x.tsv has 4 cells in row 1, .* tabs in quotes"),
        (
            "x.csv",
            b"file_name\na\nb\n\nc\n./b\nd\n",
            r"x.csv names b in row 2 and again in row 4, .* one row a",
        ),
        ("x.csv", b"file_name,caption\na,\na,x\na,y\n", r"x.csv names a in row 1 and again in row 2"),
        ("x.tsv", b"file_name,caption\n1.png,one\n", r"x.tsv has no column file_name .*: it has file_name,caption"),
        ("x.parquet", b"PAR1 and no more", r"x.parquet cannot be read .*a Parquet file is expected"),
        ("x.json", b"{}", r"x.json is no table: expected a file ending in .csv, .tsv, .parquet"),
        ("x.csv/y", b"", r"x.csv cannot be read .*directory"),
    ],
)
def test_what_cannot_be_used(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        Table(tmp_path / Path(name).parts[0])
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "cache").rglob("*.arrow")) or "has no picture" in words


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file or folder: .*x.csv"):
        Table(tmp_path / "x.csv")


def test_parquet_that_breaks_off(folder: Path) -> None:
    rows = [{"file_name": f"{number}.png", "caption": os.urandom(50).hex()} for number in range(2000)]
    path = write(folder / "x.parquet", rows)
    content = bytearray(path.read_bytes())
    content[1000:9000] = bytes(8000)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x.parquet cannot be read") as error:
        Table(path)
    assert "\n" not in str(error.value)


def test_it_is_read_once_until_it_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder / "x.csv", ROWS)
    before, version = fingerprint(Table(path)), Table(path).version("00000")
    with monkeypatch.context() as patch:
        patch.setattr("xclr_lightning.data.table_file.TableFile.blocks", None)
        assert Table(path).captions() == CAPTIONS
    write(path, [*ROWS[:2], {**ROWS[2], "caption": "a plane"}])
    assert Table(path).version("00000") != version
    assert Table(path).captions()[2] == "a plane"
    assert fingerprint(Table(path)) != before


def test_it_pickles_small_and_whole(folder: Path) -> None:
    rows = [{"file_name": f"{number:09d}.png", "caption": f"number {number}"} for number in range(2000)]
    table = Table(write(folder / "x.csv", rows))
    content = pickle.dumps(table)
    assert len(content) < 1000
    again = pickle.loads(content)
    assert again.captions() == table.captions()
    np.testing.assert_array_equal(again.keys(), table.keys())


def test_many_blocks_of_rows(folder: Path) -> None:
    """As Python's own reader has them."""
    rows = [{"file_name": f"{number:06d}.png", "caption": f"number {number % 997}" if number % 1000 else "",
             "class": f"c{number % 7}"} for number in range(70_000)]  # fmt: skip
    table = Table(write(folder / "x.csv", rows))
    kept = [row for row in rows if row["caption"]]
    assert table.skipped == {"no caption": 70}
    assert table.captions() == [row["caption"] for row in kept]
    assert table.keys().tolist() == [row["file_name"].encode() for row in kept]
    numbers, names = labels(table, "class")
    assert names == [f"c{i}" for i in range(7)]
    np.testing.assert_array_equal(numbers, [int(row["class"][1]) for row in kept])
    assert labels(table, "class", ["c5", "c0"])[0][:8].tolist() == [-1, -1, -1, -1, 0, -1, 1, -1]
    np.testing.assert_array_equal(classes_of(table, "class")[1], numbers)


def test_the_hash_is_of_keys_and_captions_one_after_the_other(folder: Path) -> None:
    rows = [{"file_name": f"{number:06d}.png", "caption": "é" * (number % 5 + 1)} for number in range(70_000)]
    part = hashlib.sha256()
    for row in rows:
        part.update(row["file_name"].encode() + b"\0" + row["caption"].encode() + b"\0")
    expected = hashlib.sha256(f"00000\0{part.hexdigest()}\0".encode()).hexdigest()
    assert fingerprint(Table(write(folder / "x.csv", rows))) == expected


@pytest.mark.parametrize("path", ["a", "a/b.c", "./a", "a/./b", "a//b", "a/../b", "../a", "/a/b", "a/..b", "a/.b"])
def test_paths_are_written_in_one_way(path: str) -> None:
    assert normal_paths(pa.array(["x", path])).to_pylist() == ["x", os.path.normpath(path)]


def test_a_key_that_recurs_is_found() -> None:
    keys = np.array([b"%d" % number for number in range(100_000)])
    assert repeated(keys) is None
    keys[70_000] = b"123"
    assert repeated(keys) == b"123"
    assert repeated(keys[:0]) is None
