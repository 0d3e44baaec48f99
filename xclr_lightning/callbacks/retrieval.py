"""Retrieval: how well features rank a gallery of pictures for each query."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.features import Features
from xclr_lightning.data import GraphDataModule, Source, open_source
from xclr_lightning.data.source import labels
from xclr_lightning.distributed import gather_rows, rank, world_size
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.retrieval import retrieval_scores

# Rows of a graph's similarities that are computed at once.
BLOCK = 64


@dataclass
class RetrievalSet:
    """What is ranked for what.

    Args:
        gallery: Pictures that are ranked.
        queries: Pictures for which they are; by default each picture of the gallery in turn, for the others.
        label: The field that a picture shares with those relevant to it: ``class`` for one subfolder a class.
    """

    gallery: str
    queries: str | None = None
    label: str = "class"


class Retrieval(Evaluation):
    """Retrieval by the backbone's features, as means over queries to which something is relevant.

    Logged for each set as ``NAME/map`` and ``NAME/map_at_r``, mean average precision of the whole ranking and of its
    first R, R being how many are relevant; and for each k ``NAME/precision@k``, ``NAME/recall@k``, the share of what is
    relevant that is among the first k, and ``NAME/hit@k``, whether anything is, which metric learning calls Recall@k.

    Where the gallery is ``data.val`` or ``data.train``, queries are of the same, and there is ``data.graph``,
    ``NAME/ndcg@k`` says how well the ranking follows the graph's similarities, those below 0 taken as 0. Other pictures
    have no nodes in it, and are scored by labels alone.

    Args:
        sets: NAME → what is ranked for what.
        k: Depths.
        every_n_epochs: How often it runs; 0 turns it off.
        subset: At most so many pictures of each gallery and each set of queries. The work is that of sorting the
            gallery once a query.

    Reference:
        Musgrave et al., A Metric Learning Reality Check, ECCV 2020, for MAP@R.
    """

    def __init__(
        self,
        sets: dict[str, RetrievalSet] | None = None,
        k: list[int] | int = [1, 10],  # noqa: B006 - never changed
        every_n_epochs: int = 1,
        subset: int | None = None,
    ) -> None:
        super().__init__(every_n_epochs, subset)
        self.sets, self.k = sets or {}, [k] if isinstance(k, int) else k
        if not self.k or min(self.k) < 1:
            raise UserError(f"retrieval.k {self.k}: expected depths of at least 1, such as [1, 10]")
        self._opened: dict[str, tuple[Source, Source]] = {}
        self._labels: dict[str, tuple[Tensor, Tensor]] = {}

    def open(self) -> bool:
        for name, one in self.sets.items():
            gallery = open_source(one.gallery)
            queries = gallery if _same(one) else open_source(str(one.queries))
            numbers, names = labels(gallery, one.label)
            asked, _ = labels(queries, one.label, names)
            if (asked < 0).all():
                raise UserError(
                    f"retrieval.sets.{name}: no {one.label!r} of the queries {one.queries} occurs in the gallery "
                    f"{one.gallery}, which has {', '.join(names[:5])} …; check its label"
                )
            if _same(one) and len(names) == len(gallery):
                raise UserError(
                    f"retrieval.sets.{name}: all {len(names)} pictures of {one.gallery} differ in {one.label!r}, so "
                    "that none is relevant to another; choose another label, or other queries"
                )
            self._opened[name] = gallery, queries
            self._labels[name] = torch.from_numpy(numbers), torch.from_numpy(asked)
        return bool(self.sets)

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        results = {}
        for name, (gallery, queries) in self._opened.items():
            ranked, asked = (self.features(trainer, module, source) for source in (gallery, queries))
            for measure, values in self._scores(name, trainer.datamodule, ranked, asked, module.device).items():  # type: ignore[attr-defined]
                results[f"{name}/{measure}"] = values.nanmean().item()
        return results

    def _scores(
        self, name: str, data: GraphDataModule, gallery: Features, queries: Features, device: torch.device
    ) -> dict[str, Tensor]:
        """Of every query, each process having scored its share of them."""
        share = torch.arange(len(queries.index)).tensor_split(world_size())[rank()]
        gallery_labels, query_labels = self._labels[name]
        index = queries.index[share]
        scores = retrieval_scores(
            queries.values[share].to(device),
            gallery.values.to(device),
            query_labels[index].to(device),
            gallery_labels[gallery.index].to(device),
            self.k,
            share.to(device) if _same(self.sets[name]) else None,
            _graph_gain(data, self.sets[name], index, gallery.index, device),
        )
        table = gather_rows(torch.stack(list(scores.values()), dim=1).cpu(), device)
        return dict(zip(scores, table.T, strict=True))


def _same(one: RetrievalSet) -> bool:
    return one.queries in (None, one.gallery)


def _graph_gain(
    data: GraphDataModule, one: RetrievalSet, queries: Tensor, gallery: Tensor, device: torch.device
) -> Callable[[slice], Tensor] | None:
    """The graph's similarities of a slice of queries and the gallery, if it has both."""
    splits = [split for split in ("val", "train") if getattr(data, split) == one.gallery]
    dataset = data.dataset(*splits) if splits and _same(one) else None
    if dataset is None or dataset.graph is None:
        return None
    graph = dataset.graph
    nodes = torch.stack([graph.nodes(number) for number in gallery.tolist()])
    place = torch.searchsorted(gallery, queries)

    def gain(rows: slice) -> Tensor:
        # In blocks of the gallery's, as the last bit of a product may depend on the shape of its block.
        wanted = place[rows]
        first = int(wanted[0]) // BLOCK * BLOCK if len(wanted) else 0
        starts = range(first, int(wanted[-1]) + 1 if len(wanted) else 1, BLOCK)
        blocks = [graph.similarity(nodes[start : start + BLOCK], nodes) for start in starts]
        return torch.cat(blocks)[wanted - first].to(device)

    return gain
