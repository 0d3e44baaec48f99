"""Pictures in folders: which files count, where captions come from, what is refused in one line."""

import os
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from xclr_lightning.data.decode import BadImage
from xclr_lightning.data.folder import ImageFolder
from xclr_lightning.data.source import labels
from xclr_lightning.errors import UserError


@pytest.fixture
def pictures(tmp_path, png):
    """Write pictures of given names below a folder; the value of their pixels is their number."""

    def write(*names: str):
        for number, name in enumerate(names):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(png(number))
        return tmp_path

    return write


def names(folder: ImageFolder) -> list[str]:
    return list(map(os.fsdecode, folder.keys()))


def one_line(error) -> bool:
    return "\n" not in str(error.value)


def test_nested_classes_in_order_of_path(pictures):
    folder = ImageFolder(pictures("dog/b.png", "cat/x/a.png", "cat/c.PNG"))
    assert names(folder) == ["cat/c.PNG", "cat/x/a.png", "dog/b.png"]
    assert folder.captions() == folder.fields("class") == ["cat", "cat/x", "dog"]
    assert [folder.image(i).getpixel((0, 0))[0] for i in range(len(folder))] == [2, 1, 0]
    assert folder.parts() == {"00000": slice(0, 3)}


def test_a_folder_of_compressed_shards(pictures):
    root = pictures("00001.tar.gz", "00000.tar.gz", "00000.json", "._00000.tar.gz")
    with pytest.raises(
        UserError, match=r"no picture below .*, but 2 compressed tar files, first 00000.tar.gz: .*gunzip"
    ):
        ImageFolder(root)
    assert names(ImageFolder(pictures("a.png"))) == ["a.png"]


def test_names_with_spaces_and_unicode(pictures):
    folder = ImageFolder(pictures("wheeled vehicle/été 1.png", "犬/一.png"))
    assert folder.captions() == ["wheeled vehicle", "犬"]
    assert folder.image(0).size == (12, 8)


def test_stray_and_hidden_files_do_not_count(pictures):
    root = pictures("a/1.png", "a/._1.png", "a/.ipynb_checkpoints/1.png", ".thumbnails/1.png", "a/notes.txt", "a/png")
    assert names(ImageFolder(root)) == ["a/1.png"]


def test_folders_behind_links_count(pictures, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    pictures("a/1.png").joinpath("a").rename(elsewhere / "a")
    root = tmp_path_factory.mktemp("root")
    (root / "b").symlink_to(elsewhere / "a")
    assert names(ImageFolder(root)) == ["b/1.png"]


@pytest.mark.parametrize("place", ["metadata.csv", "elsewhere/captions.csv"])
def test_captions_and_fields_from_a_csv_file(place, pictures):
    root = pictures("1.png", "sub/2.png")
    (root / place).parent.mkdir(exist_ok=True)
    # Out of order, with a byte order mark, a quoted comma, a row that no picture has, and a short row.
    (root / place).write_text(
        '\ufefffile_name,caption,class\n./sub/2.png,deux,\ngone.png,x,y\n1.png,"one, or un"\n', encoding="utf-8"
    )
    folder = ImageFolder(root, None if place == "metadata.csv" else root / place)
    assert folder.captions() == ["one, or un", "deux"]
    assert folder.fields("class") == ["", ""]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_captions_are_joined_to_many_pictures(suffix, tmp_path, monkeypatch):
    """In any order of the rows, over more than one block of them."""
    rng = np.random.default_rng(0)
    names = [f"{number % 10}/{number:05d}.jpg" for number in rng.permutation(70_000)]
    monkeypatch.setattr("xclr_lightning.data.folder.scan", lambda root: (sorted(map(os.fsencode, names)), set()))
    captions = {name: f"picture {number % 977}" if number % 700 else "" for number, name in enumerate(names)}
    table = pa.table({"file_name": list(captions), "caption": list(captions.values()), "number": range(len(names))})
    path = tmp_path / f"captions{suffix}"
    (csv.write_csv if suffix == ".csv" else pq.write_table)(table, path)
    kept = sorted(name for name, caption in captions.items() if caption)
    for _ in range(2):  # joined, and then from the cache
        folder = ImageFolder(tmp_path, path)
        assert len(pickle.dumps(folder)) < 1000
        assert folder.keys().tolist() == [name.encode() for name in kept]
        assert folder.captions() == [captions[name] for name in kept]
        assert [names[int(number)] for number in folder.fields("number")] == kept
        assert folder.fields("class") == [name[0] for name in kept]
        assert folder.skipped == {"no caption": 100}


def test_a_join_is_made_again_when_pictures_or_rows_change(pictures):
    root = pictures("1.png", "2.png")
    (root / "metadata.csv").write_text("file_name,caption\n1.png,one\n2.png,two\n3.png,three\n")
    assert ImageFolder(root).captions() == ["one", "two"]
    (root / "2.png").rename(root / "3.png")
    assert ImageFolder(root).captions() == ["one", "three"]
    (root / "metadata.csv").write_text("file_name,caption\n1.png,uno\n3.png,tres\n")
    assert ImageFolder(root).captions() == ["uno", "tres"]


def test_texts_beside_pictures_are_captions(pictures):
    root = pictures("a/1.png", "a/2.jpg", "b/3.png", "b/4.png")
    (root / "a" / "1.txt").write_text("\ufeff a dog, été\n", encoding="utf-8")
    (root / "b" / "3.txt").write_text("a cat")
    (root / "b" / "4.txt").write_text("\n")
    (root / "b" / "notes.txt").write_text("no picture's")
    folder = ImageFolder(root)
    assert names(folder) == ["a/1.png", "b/3.png"]
    assert folder.captions() == ["a dog, été", "a cat"]
    assert folder.fields("class") == ["a", "b"]
    assert folder.skipped == {"no caption": 2}
    (root / "metadata.csv").write_text("file_name,caption\na/1.png,1\na/2.jpg,2\nb/3.png,3\nb/4.png,4\n")
    assert ImageFolder(root).captions() == ["1", "2", "3", "4"]


def test_empty_texts_beside_pictures(pictures):
    root = pictures("1.png")
    (root / "1.txt").touch()
    with pytest.raises(UserError, match=r"none of the 1 pictures below .* has a caption"):
        ImageFolder(root)


def test_a_link_that_leads_back_is_not_followed(pictures):
    root = pictures("a/1.png", "b/2.png")
    (root / "a" / "back").symlink_to(root)
    (root / "b" / "a").symlink_to(root / "a")
    assert names(ImageFolder(root)) == ["a/1.png", "b/2.png", "b/a/1.png"]


def test_a_folder_named_as_a_picture(pictures):
    assert names(ImageFolder(pictures("a.png/1.png"))) == ["a.png/1.png"]


def test_a_file_is_no_folder(pictures):
    with pytest.raises(UserError, match=r"1.png cannot be read as a folder: Not a directory"):
        ImageFolder(pictures("1.png") / "1.png")


def test_order_and_classes_as_pathlib_has_them(tmp_path):
    rng = np.random.default_rng(0)
    for number in rng.permutation(300):
        path = tmp_path / ["n01", "n01-x", "n01.y", "n02/deep", "."][number % 5] / f"n_{number}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.JPEG"))
    folder = ImageFolder(tmp_path)
    assert names(folder) == found
    assert folder.fields("class") == [os.path.dirname(name) for name in found]
    assert ImageFolder(tmp_path / "n02").captions() == ["deep"] * 60


def test_fewer_rows_than_pictures(pictures):
    root = pictures("1.png", "2.png", "3.png", "4.png")
    (root / "metadata.csv").write_text("file_name,caption\n3.png,three\n")
    with pytest.raises(UserError, match=r"metadata.csv has 1 rows for 4 pictures: none for 1.png and 2 more") as error:
        ImageFolder(root)
    assert one_line(error)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name,caption\n1.png,one\n", "columns file_name and caption expected, found name, caption"),
        (b"", "columns file_name and caption expected, found none"),
        ("file_name,caption\n1.png,été\n".encode("latin-1"), "cannot be read .*UTF-8 is expected"),
        (b"file_name,caption\n1.png,\n", r"none of the 1 pictures below .* has a caption"),
        (b"file_name,caption\n,x\n,y\n1.png,a\n./1.png,b\n", r"metadata.csv names 1.png in row 3 and again in row 4"),
    ],
)
def test_bad_csv_file(content, words, pictures):
    root = pictures("1.png")
    (root / "metadata.csv").write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        ImageFolder(root).captions()
    assert one_line(error)


def test_missing_csv_file(pictures):
    root = pictures("1.png")
    with pytest.raises(UserError, match=r"no such file or folder: .*typo.csv"):
        ImageFolder(root, root / "typo.csv")


def test_picture_without_class_or_caption(pictures):
    with pytest.raises(UserError, match=r"no caption for .*/1.png: .*data.captions or .*metadata.csv") as error:
        ImageFolder(pictures("1.png", "a/2.png")).captions()
    assert one_line(error)


def test_no_picture(pictures):
    with pytest.raises(UserError, match=r"no picture below .*: expected files ending in .*\.jpg") as error:
        ImageFolder(pictures("notes.txt"))
    assert one_line(error)


def test_missing_folder_names_what_there_is(tmp_path):
    with pytest.raises(UserError, match=rf"no such file or folder: .*a/b \(only {tmp_path} exists\)"):
        ImageFolder(tmp_path / "a" / "b")


def test_unknown_field(pictures):
    with pytest.raises(UserError, match="has no field 'colour': it has class"):
        ImageFolder(pictures("a/1.png")).fields("colour")


@pytest.mark.parametrize("length", [0, 20, 40])
def test_broken_picture_is_named(length, pictures):
    root = pictures("a/1.png")
    file = root / "a" / "1.png"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(BadImage, match=r"a/1.png: \w+"):
        ImageFolder(root).image(0)


def test_labels_number_the_values(pictures):
    folder = ImageFolder(pictures("b/1.png", "a/2.png", "b/3.png", "c/4.png"))
    numbers, classes = labels(folder, "class")
    assert (numbers.tolist(), classes) == ([0, 1, 1, 2], ["a", "b", "c"])
    assert labels(folder, "class", ["c", "b"])[0].tolist() == [-1, 1, 1, 0]


def test_captions_of_a_run_of_pictures(pictures):
    root = pictures("a/0.png", "a/1.png", "b/2.png", "3.png")
    folder = ImageFolder(root)
    assert names(folder) == ["3.png", "a/0.png", "a/1.png", "b/2.png"]
    assert folder.captions(slice(1, 4)) == ["a", "a", "b"]
    with pytest.raises(UserError, match=r"no caption for .*3.png"):
        folder.captions(slice(0, 2))
