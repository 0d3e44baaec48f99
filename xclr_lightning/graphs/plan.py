"""What there is to encode: every distinct sentence once, in the unit of work where it first occurs."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Captioned
from xclr_lightning.progress import progress_bar

# Samples of a part that are encoded and stored as one; an interrupted build loses at most so many.
UNIT = 50_000


@dataclass(frozen=True)
class Unit:
    """A run of samples of one part, stored together.

    Attributes:
        name: Of its files: the part's, followed by ``/`` and the first sample's place in it where a part is divided.
        rows: Its samples.
        vectors: Numbers of the distinct sentences that first occur in it.
    """

    name: str
    rows: slice
    vectors: slice


@dataclass(frozen=True)
class Plan:
    """Which vector every sample has, and where every vector is computed: a function of the data alone.

    Attributes:
        units: In the order of their samples.
        vector: Number of each sample's distinct sentence, counted by first occurrence. Shape: ``(N,)``, int64.
        first: The first sample of each distinct sentence. Shape: ``(D,)``, int64, ascending.
    """

    units: list[Unit]
    vector: np.ndarray
    first: np.ndarray


def plan(data: Captioned, sentences: Callable[[Sequence[str]], list[str]]) -> Plan:
    """Find distinct sentences, a part at a time; 8 bytes of each sentence are held.

    Sentences count as the same where 64 bits of their hashes agree, which for 12 million distinct ones happens to two
    different ones with a chance of four in a million.

    Args:
        data: The samples.
        sentences: Captions → what is encoded for them.

    Raises:
        UserError: A key occurs twice in a part.
    """
    keys, runs = data.keys(), []
    hashes = np.empty(len(data), dtype=np.uint64)
    with progress_bar(len(data), "reading captions", "caption", delay=5) as bar:
        for name, rows in data.parts().items():
            _refuse_duplicates(data, name, keys[rows])
            for start in range(rows.start, rows.stop, UNIT):
                block = slice(start, min(start + UNIT, rows.stop))
                hashes[block] = _hashes(sentences(data.captions(block)))
                runs.append((name if start == rows.start else f"{name}/{start - rows.start:09d}", block))
                bar.update(block.stop - block.start)
    vector, first = distinct(hashes)
    ends = np.searchsorted(first, [block.stop for _, block in runs]).tolist()
    units = [
        Unit(name, block, slice(start, end))
        for (name, block), start, end in zip(runs, [0, *ends[:-1]], ends, strict=True)
    ]
    return Plan(units, vector, first)


def distinct(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number distinct values by their first occurrence.

    Args:
        hashes: Shape: ``(N,)``.

    Returns:
        Each value's number, ``(N,)``, and the place of each number's first occurrence, ``(D,)``, both int64.

    Example:
        >>> distinct(np.array([7, 3, 7, 5, 3]))
        (array([0, 1, 0, 2, 1]), array([0, 1, 3]))
    """
    _, places, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(places)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[inverse], places[order]


def _hashes(sentences: list[str]) -> np.ndarray:
    digests = [hashlib.blake2b(sentence.encode(), digest_size=8).digest() for sentence in sentences]
    return np.frombuffer(b"".join(digests), dtype="<u8")


def _refuse_duplicates(data: Captioned, part: str, keys: np.ndarray) -> None:
    ordered = np.sort(keys)
    if len(twice := ordered[1:][ordered[1:] == ordered[:-1]]):
        raise UserError(
            f"the key {twice[0].decode(errors='replace')!r} occurs twice in {part} of {data.path}: vectors are joined "
            "to samples by key, which must be unique in a part"
        )
