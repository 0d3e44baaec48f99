"""Blocks of features joined into one Parquet or NumPy file, with the keys of their pictures."""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xclr_lightning.data import Source
from xclr_lightning.data.skipped import by_cause, causes
from xclr_lightning.features.unfinished import Unfinished, whole


class _Names:
    """Keys and parts of a source's samples, by their numbers."""

    def __init__(self, source: Source) -> None:
        parts = source.parts()
        self._names, self._starts = [*parts], [rows.start for rows in parts.values()]
        self._keys = source.keys()

    def keys(self, index: np.ndarray) -> np.ndarray:
        keys: np.ndarray = self._keys[index]
        return keys

    def parts(self, index: np.ndarray) -> list[str]:
        return [self._names[bisect_right(self._starts, number) - 1] for number in index.tolist()]


def contents(rows: int, width: int, what: str, bad: Sequence[str]) -> str:
    """How many rows of how many numbers there are, and which pictures were left out.

    Example:
        >>> print(contents(1500, 64, "features: x.parquet", ["a.jpg: OSError: truncated"]))
        1,500 × 64 features: x.parquet
        left out pictures that cannot be read: 1 OSError; such as a.jpg: OSError: truncated
    """
    lines = [f"{rows:,} × {width} {what}"]
    if bad:
        lines.append(f"left out pictures that cannot be read: {by_cause(causes(bad))}; such as {bad[0]}")
    return "\n".join(lines)


def write_parquet(
    output: Path, blocks: Iterable[tuple[np.ndarray, ...]], source: Source, name: str, description: dict[str, Any]
) -> None:
    """Write a row a picture, in the order of the source, a row group a block.

    Columns are ``key`` and ``part``, strings that name the picture (bytes that are not UTF-8 as ``\\xff``) and its
    shard, and the features, a list of fixed size of float16 or float32.

    Args:
        output: The file.
        blocks: Features ``(n, D)`` and numbers ``(n,)`` of the pictures, in ascending order.
        source: The pictures.
        name: Of the column of features.
        description: Kept as JSON in the file's metadata, under ``xclr_lightning``.
    """
    names, writer = _Names(source), None
    with whole(output) as file:
        for features, index in blocks:
            values = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])
            keys = [key.decode(errors="backslashreplace") for key in names.keys(index).tolist()]
            table = pa.table({"key": keys, "part": pa.array(names.parts(index), pa.string()), name: values})
            if writer is None:
                metadata = {"xclr_lightning": json.dumps(description)}
                writer = pq.ParquetWriter(file, table.schema.with_metadata(metadata))
            writer.write_table(table.replace_schema_metadata(None), row_group_size=len(table))
        assert writer is not None
        writer.close()


def write_npy(output: Path, unfinished: Unfinished, source: Source) -> Path:
    """Write features ``(n, D)`` to ``FILE.npy`` and, row by row with it, ``part`` and ``key`` to ``FILE.keys.npy``.

    Both are bytes in the fields of a structured array; ``np.load(file, mmap_mode="r")`` opens either.

    Returns:
        The file of keys.
    """
    names, keys = _Names(source), output.with_name(f"{output.stem}.keys.npy")
    rows = sum(len(index) for (index,) in unfinished.arrays("index"))
    width = max(len(part.encode()) for part in source.parts())
    kind = np.dtype([("part", f"S{width}"), ("key", source.keys().dtype)])

    def named() -> Iterator[np.ndarray]:
        for (index,) in unfinished.arrays("index"):
            block = np.empty(len(index), dtype=kind)
            block["part"], block["key"] = [part.encode() for part in names.parts(index)], names.keys(index)
            yield block

    _stack(keys, rows, named())
    _stack(output, rows, (features for (features,) in unfinished.arrays("features")))
    return keys


def _stack(target: Path, rows: int, parts: Iterator[np.ndarray]) -> None:
    """Write arrays one below another as a .npy file, with one of them in memory at a time."""
    with whole(target) as file:
        for number, part in enumerate(parts):
            if number == 0:
                described = np.lib.format.dtype_to_descr(part.dtype)
                header = {"descr": described, "fortran_order": False, "shape": (rows, *part.shape[1:])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(part.tobytes())
