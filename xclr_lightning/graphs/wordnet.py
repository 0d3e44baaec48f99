"""A graph from WordNet: how near two classes' meanings stand in its hierarchy of nouns."""

import csv
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.class_graph import ClassGraph
from xclr_lightning.graphs.manifest import file_sha256
from xclr_lightning.graphs.taxonomy import Taxonomy
from xclr_lightning.graphs.taxonomy_graph import MEASURES

# A synset's name in the way of NLTK, such as dog.n.01, and its hypernyms, by wnid.
Synsets = dict[str, tuple[str, list[str]]]


class WordNetGraph(ClassGraph):
    """Similarity of classes that are WordNet 3.0 nouns, named by their wnids as in ImageNet's folders: ``n02084071``.

    The 1,000 classes of ImageNet and all their hypernyms come with this package; other nouns need WordNet itself.

    Args:
        database: WordNet's folder with the files ``data.noun`` and ``index.noun``, for classes that are not ImageNet's.
        measure: ``wu_palmer``, as NLTK's ``wup_similarity`` computes it, or ``path``, as its ``path_similarity``.
        kwargs: Arguments of :class:`ClassGraph`.
    """

    def __init__(
        self,
        database: str | None = None,
        measure: Literal["wu_palmer", "path"] = "wu_palmer",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.database, self.measure = database, measure

    def table(self, classes: list[str]) -> np.ndarray:
        synsets = imagenet_synsets() if self.database is None else read_synsets(self.database, classes)
        # Measures settle ties by number, as NLTK does by name.
        wnids = sorted(synsets, key=lambda wnid: synsets[wnid][0])
        number = {wnid: i for i, wnid in enumerate(wnids)}
        parents = [[number[parent] for parent in synsets[wnid][1]] for wnid in wnids]
        origin = self.database or "the hierarchy of ImageNet's classes (data.graph.database opens all of WordNet)"
        return Taxonomy(origin, wnids, parents).table(classes, MEASURES[self.measure])

    def settings(self) -> dict[str, Any]:
        digest = None
        if self.database is not None:
            data = Path(self.database).expanduser() / "data.noun"
            try:
                digest = file_sha256(data)
            except OSError as error:
                raise UserError(f"data.graph.database: {data} cannot be read: {error.strerror}") from error
        return {"data_noun_sha256": digest, "measure": self.measure}


def imagenet_synsets() -> Synsets:
    """The synsets of ImageNet's 1,000 classes and of all their hypernyms.

    Example:
        >>> imagenet_synsets()["n02123045"]
        ('tabby.n.01', ['n02121808'])
    """
    table = files("xclr_lightning.graphs") / "data" / "imagenet_hypernyms.csv"
    _, *lines = table.read_text(encoding="utf-8").splitlines()  # the first names the origin
    rows = csv.DictReader(lines)
    return {row["wnid"]: (row["name"], row["hypernyms"].split()) for row in rows}


def read_synsets(database: str | Path, wnids: Sequence[str]) -> Synsets:
    """Read nouns and all their hypernyms from WordNet's own files.

    Args:
        database: The folder with ``data.noun`` and ``index.noun``.
        wnids: The nouns: ``n`` and eight digits, their place in ``data.noun``.

    Raises:
        UserError: A file is missing or is not WordNet's, or holds no such noun.

    Reference:
        WordNet's manual pages wndb(5WN) and wninput(5WN).
    """
    folder = Path(database).expanduser()
    try:
        with (folder / "data.noun").open("rb") as data, (folder / "index.noun").open(encoding="utf-8") as index:
            lemmas = (line.split() for line in index if not line.startswith(" "))
            senses = {words[0]: words[-int(words[2]) :] for words in lemmas}
            synsets: Synsets = {}
            todo = list(wnids)
            while todo:
                wnid = todo.pop()
                if wnid not in synsets:
                    lemma, hypernyms = _read_noun(data, wnid)
                    sense = senses[lemma].index(wnid[1:]) + 1
                    synsets[wnid] = f"{lemma}.n.{sense:02d}", hypernyms
                    todo += hypernyms
    except OSError as error:
        raise UserError(
            f"{error.filename} cannot be read: {error.strerror}; data.graph.database is its folder"
        ) from error
    except (ValueError, IndexError, KeyError) as error:
        raise UserError(f"{folder} holds no noun {wnid} of WordNet 3.0 ({error})") from error
    return synsets


def _read_noun(data: BinaryIO, wnid: str) -> tuple[str, list[str]]:
    """First lemma of a noun, in lower case, and the wnids of its hypernyms."""
    if not re.fullmatch(r"n\d{8}", wnid):
        raise ValueError("expected n and eight digits")
    data.seek(int(wnid[1:]))
    line = data.readline().decode()
    if not line.startswith(wnid[1:]):
        raise ValueError("data.noun has none at that place")
    # offset, lexicographer file, type, number of words (hexadecimal), then word and id of each, then the pointers
    words = line.split(" | ")[0].split()
    pointers = words[4 + 2 * int(words[3], 16) :]
    kinds, targets = pointers[1::4], pointers[2::4]
    return words[4].lower(), ["n" + to for kind, to in zip(kinds, targets, strict=False) if kind in ("@", "@i")]
