"""A graph from metadata: numbers and categories that samples have, such as place, date and instrument."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xclr_lightning.errors import UserError, did_you_mean
from xclr_lightning.graphs.base import Captioned
from xclr_lightning.graphs.columns import read_columns
from xclr_lightning.graphs.formula import FormulaGraph
from xclr_lightning.graphs.gower import MISSING, encode_categories, encode_numbers, gower_similarity


class MetadataGraph(FormulaGraph):
    """Gower's similarity of the samples' metadata: the mean over columns, those left out that a sample lacks.

    Args:
        numeric: Columns of numbers, compared by their difference as a share of the column's range.
        categorical: Columns of categories, the same or not.
        table: CSV file with the columns; by default they are fields of the data. Ranges are those of the whole file, or
            else of the samples.
        key: The file's column with a sample's file name or key; where keys recur, a column ``shard`` tells them apart.

    Raises:
        UserError: There is no column.
    """

    def __init__(
        self,
        numeric: list[str] | None = None,
        categorical: list[str] | None = None,
        table: str | None = None,
        key: str = "file_name",
    ) -> None:
        self.numeric, self.categorical = numeric or [], categorical or []
        if not self.numeric and not self.categorical:
            raise UserError("data.graph MetadataGraph has no column: name some in numeric or categorical")
        self.table, self.key = table, key

    def numbers(self, data: Captioned) -> Tensor:
        rows: Any = slice(None)
        columns: Mapping[str, Sequence[str]]
        if self.table is None:
            columns = {name: data.fields(name) for name in [*self.numeric, *self.categorical]}
        else:
            columns = read_columns(self.table)
            origin = f"data.graph.table {self.table}"
            for name in [self.key, *self.numeric, *self.categorical]:
                if name not in columns:
                    close = did_you_mean(name, columns)
                    raise UserError(f"{origin} has no column {name!r}: it has {', '.join(columns)}{close}")
            rows = join(data, columns[self.key], columns.get("shard"), origin)
        encoded = [encode_numbers(_floats(name, columns[name])) for name in self.numeric]
        encoded += [encode_categories(columns[name]) for name in self.categorical]
        records = np.stack(encoded, axis=1)[rows]
        empty = np.flatnonzero((records == MISSING).all(axis=1))
        if len(empty):
            name = os.fsdecode(data.keys()[empty[0]])
            raise UserError(f"{len(empty)} of {len(data)} samples in {data.path} have no metadata at all, first {name}")
        return torch.from_numpy(records)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return gower_similarity(a, b, len(self.numeric))

    def settings(self) -> dict[str, Any]:
        return {"numeric": self.numeric, "categorical": self.categorical}


def join(data: Captioned, keys: Sequence[str], shards: Sequence[str] | None, origin: str) -> np.ndarray:
    """The row of a table that belongs to each sample.

    Args:
        data: The samples.
        keys: Each row's key: a file name relative to the folder, or the key in a shard.
        shards: Each row's shard, such as ``00000``.
        origin: The table, named in messages.

    Returns:
        Shape: ``(len(data),)``, int64.

    Raises:
        UserError: A sample has no row, or several; or its key is another's too.
    """
    part = [name if shards is not None else "" for name, rows in data.parts().items() for _ in data.keys()[rows]]
    wanted = [(name, os.fsdecode(key)) for name, key in zip(part, data.keys(), strict=True)]
    if len(set(wanted)) < len(wanted):
        raise UserError(f"keys in {data.path} recur from shard to shard: {origin} needs a column shard beside the key")
    found: dict[tuple[str, str], int] = {}
    for number, (shard, key) in enumerate(zip(shards or [""] * len(keys), keys, strict=True)):
        if found.setdefault((shard, os.path.normpath(key)), number) != number:
            raise UserError(f"{origin} has several rows for {key}")
    missing = [key for key in wanted if key not in found]
    if missing:
        raise UserError(
            f"{origin} has {len(keys)} rows for {len(data)} samples: none for {'/'.join(filter(None, missing[0]))}"
            + (f" and {len(missing) - 1} more" if missing[1:] else "")
        )
    return np.array([found[key] for key in wanted])


def _floats(name: str, values: Sequence[str]) -> np.ndarray:
    try:
        numbers = np.array([float(value) if value.strip() else math.nan for value in values])
    except ValueError as error:
        raise UserError(f"column {name!r} of data.graph.numeric: {error}; leave a missing value empty") from error
    if np.isinf(numbers).any():
        raise UserError(f"column {name!r} of data.graph.numeric has a number without end")
    return numbers
