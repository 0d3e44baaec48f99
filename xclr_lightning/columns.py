"""Columns of texts that take no memory of their own, however many rows: Arrow files, memory-mapped and shared."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xclr_lightning.cache import atomic_file

# Rows that are handled at once.
BLOCK = 65_536


class Column(Sequence[str]):
    """Texts by number, held as Arrow holds them: nothing that processes share is copied when it is read.

    Args:
        values: The texts; they may be encoded as a dictionary.

    Example:
        >>> column = Column(pa.chunked_array([["a dog", "a cat"], ["a cat"]]))
        >>> column[1], column[1:] == ["a cat", "a cat"]
        ('a cat', True)
    """

    def __init__(self, values: pa.ChunkedArray) -> None:
        self.values = values

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Column":
        """Pack texts, a block at a time; those that recur in a block are kept once."""
        iterator = iter(texts)
        blocks = iter(lambda: list(islice(iterator, BLOCK)), [])
        kind = pa.dictionary(pa.int32(), pa.string())
        return cls(pa.chunked_array([pa.array(block, pa.string()).dictionary_encode() for block in blocks], kind))

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Column": ...
    def __getitem__(self, index: int | slice) -> "str | Column":
        """The text of a row, or a view of a run of rows."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise ValueError(f"rows {index}: a column is read in runs of rows, step 1")
            return Column(self.values.slice(start, max(stop - start, 0)))
        value: str | Column = self.values[index].as_py()
        return value

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            yield from self.values.slice(start, BLOCK).cast(pa.string()).to_pylist()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(ours == theirs for ours, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def __repr__(self) -> str:
        return f"Column({list(self[:3])}{' …' if len(self) > 3 else ''}, {len(self)} rows)"


class Columns(Mapping[str, Column]):
    """Columns in a file that :func:`write_columns` wrote, by name; pickles as the file's path.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self.rows: int = self._table.num_rows

    def __getitem__(self, name: str) -> Column:
        return Column(self._table[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.column_names)

    def __len__(self) -> int:
        count: int = self._table.num_columns
        return count

    def __reduce__(self) -> tuple[type["Columns"], tuple[Path]]:
        return Columns, (self.path,)


def write_columns(path: Path, names: Sequence[str], batches: Iterable[Sequence[pa.Array]]) -> None:
    """Write columns of texts a batch of rows at a time; the file is there whole or not at all.

    Args:
        path: The file.
        names: Of the columns.
        batches: One array of strings a column, of equal length in a batch.

    Raises:
        UserError: The folder cannot be written.
    """
    schema = pa.schema([(name, pa.string()) for name in names])
    with atomic_file(path, path.parent) as draft, pa.ipc.new_file(str(draft), schema) as file:
        for batch in batches:
            file.write_batch(pa.record_batch(list(batch), schema=schema))


def string_array(texts: Sequence[str]) -> pa.StringArray:
    """Texts, of a column or of any other sequence, as one array of Arrow's."""
    if isinstance(texts, Column):
        return texts.values.cast(pa.string()).combine_chunks()
    return pa.array(texts, pa.string())


def number_texts(texts: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Number texts by their place among the distinct ones, which are sorted.

    Args:
        texts: A column, or any other sequence.

    Returns:
        Numbers, shape ``(len(texts),)``, int64; and the distinct texts.

    Example:
        >>> number_texts(["dog", "cat", "dog"])
        (array([1, 0, 1]), ['cat', 'dog'])
    """
    values = texts.values if isinstance(texts, Column) else Column.of(texts).values
    if not len(values):
        return np.empty(0, dtype=np.int64), []
    chunks = values.dictionary_encode().unify_dictionaries().chunks
    found = chunks[0].dictionary.to_pylist()
    used = {i for chunk in chunks for i in pc.unique(chunk.indices).to_pylist()}
    names = sorted(found[i] for i in used)
    place = {name: i for i, name in enumerate(names)}
    rank = np.array([place.get(name, -1) for name in found], dtype=np.int64)
    return np.concatenate([rank[chunk.indices.to_numpy()] for chunk in chunks]), names
