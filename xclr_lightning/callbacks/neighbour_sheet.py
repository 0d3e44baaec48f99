"""Sheets of nearest neighbours: what the network takes for alike."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.excerpt import Excerpt, excerpt
from xclr_lightning.callbacks.features import features_of, share_of
from xclr_lightning.callbacks.figures import after_epoch, are_shown, show
from xclr_lightning.callbacks.pictures import as_evaluated, said_of
from xclr_lightning.callbacks.sheets import Neighbour, Query, draw_neighbours
from xclr_lightning.callbacks.voting import neighbours_in
from xclr_lightning.data import Source, open_source
from xclr_lightning.errors import UserError

log = logging.getLogger(__name__)


@dataclass
class Pictures:
    """Some pictures, what they are called on the sheet and, where they are known, their classes by number."""

    source: Source
    name: str
    labels: np.ndarray | None


class NeighbourSheet(Evaluation):
    """Pictures and their nearest neighbours in a bank, by cosine of features, as kNN finds them.

    The queries are the same at every epoch, and none finds itself. A tick and a frame mark neighbours of the query's
    ``data.label``, or where classes are not known of both, of its caption. Logged as the figure
    ``features/neighbours``.

    Args:
        queries: Pictures whose neighbours are sought: ``data.val`` by default, else ``data.train``.
        bank: Where they are sought: ``data.train`` by default.
        rows: Queries, drawn at random but alike in every run, of few shards.
        k: Neighbours of each.
        every_n_epochs: How often it runs; 0 turns it off.
        subset: At most so many pictures of the bank, drawn likewise.
    """

    def __init__(
        self,
        queries: str | None = None,
        bank: str | None = None,
        rows: int = 5,
        k: int = 4,
        every_n_epochs: int = 1,
        subset: int = 10_000,
    ) -> None:
        super().__init__(every_n_epochs, subset)
        if min(rows, k) < 1:
            raise UserError(f"neighbour_sheet.rows {rows}, neighbour_sheet.k {k}: expected 1 or more of each")
        self.queries, self.bank, self.rows, self.k, self.most = queries, bank, rows, k, subset

    def open(self) -> bool:
        return True

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if not self._on:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        asked = _pictures(data, self.rows, self.queries, "val", "train")
        known = _pictures(data, self.most, self.bank, "train", "val")
        if asked is None or known is None or not are_shown(trainer):
            self._on = False
            return
        self._asked, self._known = asked, known
        self._same_by = data.label if asked.labels is not None and known.labels is not None else "caption"

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        try:
            asked = features_of(trainer, module, self._asked.source)
            bank = share_of(trainer, module, self._known.source)
        except UserError as error:  # no picture can be read, in any process; a figure is no reason to stop training
            log.warning("no sheet of neighbours: %s", error)
            return {}
        similarity, number = neighbours_in(module, bank, asked, self.k + 1)
        if trainer.is_global_zero:
            rows = zip(asked.index.tolist(), similarity.tolist(), number.tolist(), strict=True)
            self._show(trainer, [self._row(trainer, *row) for row in rows])
        return {}

    def _row(self, trainer: Trainer, asked: int, similarity: list[float], numbers: list[int]) -> Query:
        """A query's neighbours, without itself."""
        source, bank = self._asked.source, self._known.source
        name, caption = source.name(asked), said_of(source, [asked])[0]
        found = [pair for pair in zip(similarity, numbers, strict=True) if bank.name(pair[1]) != name][: self.k]
        captions = said_of(bank, [number for _, number in found])
        neighbours = [
            Neighbour(as_evaluated(trainer, bank, number), other, cosine, self._same(asked, caption, number, other))
            for (cosine, number), other in zip(found, captions, strict=True)
        ]
        return Query(as_evaluated(trainer, source, asked), caption, neighbours)

    def _same(self, asked: int, caption: str, number: int, other: str) -> bool:
        if self._asked.labels is None or self._known.labels is None:
            return caption == other
        return bool(self._asked.labels[asked] == self._known.labels[number])

    def _show(self, trainer: Trainer, queries: list[Query]) -> None:
        marks = [neighbour.same for query in queries for neighbour in query.neighbours]
        found = f"✓ and frame: same {self._same_by}, {sum(marks)} of {len(marks)}"
        heads = (self._asked.name, f"nearest in {self._known.name}, with cosine")
        sheet = draw_neighbours(f"Nearest neighbours{after_epoch(trainer)}\n{found}", heads, queries)
        show(trainer, "features/neighbours", sheet)


def _pictures(data: Any, count: int, path: str | None, *splits: str) -> Pictures | None:
    """So many pictures at a path, else of the DataModule's first of these splits that there is."""
    if path is not None:
        return Pictures(excerpt(open_source(path), count), path, None)
    for split in splits:
        if dataset := data.dataset(split):
            some, labels = excerpt(dataset.source, count), dataset.labels
            own = labels[some.numbers] if isinstance(some, Excerpt) and labels is not None else labels
            return Pictures(some, f"data.{split}", own)
    return None
