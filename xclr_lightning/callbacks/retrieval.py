"""Retrieval: how well features rank a gallery of pictures for each query."""

from dataclasses import dataclass
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.features import Features
from xclr_lightning.callbacks.graph_gain import described, graph_gain, graph_of
from xclr_lightning.callbacks.labelled import same_pictures
from xclr_lightning.data import Source, open_source
from xclr_lightning.data.source import labels
from xclr_lightning.distributed import gather_rows, rank, world_size
from xclr_lightning.errors import UserError
from xclr_lightning.evaluation.retrieval import retrieval_scores
from xclr_lightning.graphs import SimilarityGraph


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
    ``NAME/ndcg@k`` says how well the ranking follows the graph's similarities, those below 0 taken as 0, and those of
    captions or classes that are shuffled as they were before. Other pictures have no nodes in it, and are scored by
    labels alone.

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
        self._graphs: dict[str, SimilarityGraph | None] = {}
        self._labels: dict[str, tuple[Tensor, Tensor]] = {}

    def open(self) -> bool:
        for name, one in self.sets.items():
            gallery = open_source(one.gallery)
            queries = gallery if one.queries is None else open_source(one.queries)
            queries = gallery if same_pictures(gallery, queries) else queries
            numbers, names = labels(gallery, one.label)
            asked, _ = labels(queries, one.label, names)
            if (asked < 0).all():
                raise UserError(
                    f"retrieval.sets.{name}: no {one.label!r} of the queries {one.queries} occurs in the gallery "
                    f"{one.gallery}, which has {', '.join(names[:5])} …; check its label"
                )
            if queries is gallery and len(names) == len(gallery):
                raise UserError(
                    f"retrieval.sets.{name}: all {len(names)} pictures of {one.gallery} differ in {one.label!r}, so "
                    "that none is relevant to another; choose another label, or other queries"
                )
            self._opened[name] = gallery, queries
            self._labels[name] = torch.from_numpy(numbers), torch.from_numpy(asked)
        return bool(self.sets)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        if self._on:
            pairs = self._opened.items()
            self._graphs = {
                name: graph_of(trainer, gallery) if queries is gallery else None for name, (gallery, queries) in pairs
            }
            by_graph = any(graph is not None for graph in self._graphs.values())
            self._graph = described(trainer.datamodule.graph_source) if by_graph else None  # type: ignore[attr-defined]

    def protocol(self) -> dict[str, Any]:
        """What numbers depend on besides the model; ``graph`` is the one by which nDCG was measured."""
        return super().protocol() | {"graph": self._graph}

    def evaluate(self, trainer: Trainer, module: LightningModule) -> dict[str, float]:
        results = {}
        for name, (gallery, queries) in self._opened.items():
            ranked, asked = (self.features(trainer, module, source) for source in (gallery, queries))
            for measure, values in self._scores(name, ranked, asked, module.device).items():
                results[f"{name}/{measure}"] = values.nanmean().item()
        return results

    def _scores(self, name: str, gallery: Features, queries: Features, device: torch.device) -> dict[str, Tensor]:
        """Of every query, each process having scored its share of them."""
        share = torch.arange(len(queries.index)).tensor_split(world_size())[rank()]
        gallery_labels, query_labels = self._labels[name]
        index, graph = queries.index[share], self._graphs[name]
        own = self._opened[name][0] is self._opened[name][1]
        scores = retrieval_scores(
            queries.values[share].to(device),
            gallery.values.to(device),
            query_labels[index].to(device),
            gallery_labels[gallery.index].to(device),
            self.k,
            share.to(device) if own else None,
            graph_gain(graph, index, gallery.index, device) if graph is not None else None,
        )
        table = gather_rows(torch.stack(list(scores.values()), dim=1).cpu(), device)
        return dict(zip(scores, table.T, strict=True))
