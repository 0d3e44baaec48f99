"""The one DataModule: pictures, their views, and the similarity graph that rides along."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, DistributedSampler, Subset

from xclr_lightning.data.dataset import PictureDataset, ViewsDataset, collate, collate_pictures
from xclr_lightning.data.locate import open_source
from xclr_lightning.data.neighbour_batches import neighbour_sampler
from xclr_lightning.data.photometric import Photometric
from xclr_lightning.data.source import Source, labels
from xclr_lightning.data.views import EvalView, RandomCropView, View
from xclr_lightning.errors import UserError
from xclr_lightning.graphs import GraphSource, NeighbourGraph, NeighbourListGraph, SimilarityGraph


class GraphDataModule(LightningDataModule):
    """Images with precomputed similarity, for every objective.

    A batch is a dictionary: ``views`` ``(V, n, 3, H, W)`` uint8, ``index`` ``(n,)`` int64, ``labels`` ``(n,)`` int64
    where ``label`` is set, ``nodes`` ``(n, …)`` where there is a graph, ``captions``, a list of n strings, where the
    objective needs them, and ``bad``, the names of unreadable pictures that others stand in for.

    Args:
        train: Training pictures: a folder of pictures, a folder of tar shards, or ``demo:train``.
        val: Held-out pictures for the objective's loss (``val/loss``).
        predict: Pictures whose features ``predict`` writes.
        captions: CSV file with the columns file_name and caption, for a folder of pictures without a ``metadata.csv``.
        label: Field with a sample's class, for objectives that need one.
        graph: The similarity graph; computed before training where it is missing.
        neighbour_share: Share of a training batch that is there as a neighbour of another sample, 0 … 1.
        neighbours: Nearest captions, or whatever ``graph`` embeds, among which these are drawn.
        batch_size: Samples a step, over all processes together.
        num_workers: Worker processes a device that read pictures.
        num_views: Views a sample.
        view: How a training view is drawn from a picture, in the workers.
        augment: What is then done to a whole batch of views, on the device; null for nothing.
        eval_view: How a picture is cropped for evaluation.
    """

    def __init__(
        self,
        train: str,
        val: str | None = None,
        predict: str | None = None,
        captions: str | None = None,
        label: str | None = None,
        graph: GraphSource | None = None,
        neighbour_share: float = 0.0,
        neighbours: int = 4,
        batch_size: int = 256,
        num_workers: int = 4,
        num_views: int = 2,
        view: View | None = None,
        augment: Photometric | None = None,
        eval_view: View | None = None,
    ) -> None:
        super().__init__()
        self.train, self.val, self.predict = train, val, predict
        self.captions, self.label, self.graph_source = captions, label, graph
        if not 0 <= neighbour_share <= 1 or neighbours < 1:
            raise UserError(
                f"data.neighbour_share {neighbour_share}, data.neighbours {neighbours}: expected a share from 0 to 1, "
                "of at least 1 neighbour"
            )
        self.neighbour_share, self.neighbours = neighbour_share, neighbours
        self.neighbour_source = self._neighbour_source() if neighbour_share else None
        self.batch_size, self.num_workers, self.num_views = batch_size, num_workers, num_views
        self.view, self.augment = view or RandomCropView(), augment
        self.eval_view = eval_view or EvalView()
        self.graph_folder: Path | None = None
        self._neighbour_lists: NeighbourGraph | None = None
        self._datasets: dict[str, ViewsDataset] = {}

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Augment views on the device."""
        if self.augment is not None and "views" in batch:
            views = batch["views"]
            batch["views"] = self.augment(views.flatten(0, 1)).unflatten(0, views.shape[:2])
        return batch

    def prepare_data(self) -> None:
        """Compose the demo and compute graphs where they are missing, in one process a machine."""
        predicting = self.trainer is not None and self.trainer.predicting
        if self.graph_source and not predicting:
            for source in self.graph_sources().values():
                self.graph_source.prepare(source)
            if self.neighbour_source:
                self.neighbour_source.prepare(self._source(self.train))

    def graph_sources(self) -> dict[str, Source]:
        """The samples that the graph is computed for, by the setting that names them: ``train``, and ``val`` if set."""
        return {split: self._source(path) for split, path in (("train", self.train), ("val", self.val)) if path}

    def setup(self, stage: str) -> None:
        """Open pictures, labels and graph, in every process."""
        names: list[str] | None = None
        texts = self.trainer is not None and "captions" in getattr(self.trainer.lightning_module, "needs", ())
        for split, path in (("train", self.train), ("val", self.val)):
            if path is None or split in self._datasets or stage == "predict":
                continue
            source = self._source(path)
            numbers = None
            if self.label:
                numbers, names = labels(source, self.label, names)
            graph = self.graph_source.open(source) if self.graph_source else None
            self._datasets[split] = ViewsDataset(
                source, self.view, self.num_views, numbers, graph, source.captions() if texts else None
            )
            if split == "train":
                self.graph_folder = self.graph_source.prepare(source) if self.graph_source else None
                if self.neighbour_source:
                    self._neighbour_lists = self.neighbour_source.open(source)
                elif isinstance(graph, NeighbourGraph):
                    graph.warn_if_rare(self.batch_size)

    @property
    def graph(self) -> SimilarityGraph | None:
        """The graph of the pictures in use: of held-out ones while these are scored, else of those trained on.

        Each has its own, for nodes such as numbers of classes mean nothing in another's.
        """
        trainer = self.trainer
        held_out = trainer is not None and (trainer.validating or trainer.sanity_checking or trainer.testing)
        dataset = self.dataset(*(("val", "train") if held_out else ("train", "val")))
        return dataset.graph if dataset else None

    def dataset(self, *splits: str) -> ViewsDataset | None:
        """The samples of the first of these splits, ``train`` or ``val``, that there is."""
        return next((self._datasets[split] for split in splits if split in self._datasets), None)

    def train_dataloader(self) -> DataLoader:
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader | list[DataLoader]:
        if self.val is None and self.trainer is not None and self.trainer.state.fn != "fit":
            raise UserError(f"data.val is not set: {self.trainer.state.fn} needs held-out pictures")
        return self._loader("val") if self.val else []

    def test_dataloader(self) -> DataLoader | list[DataLoader]:
        return self.val_dataloader()

    def predict_dataloader(self) -> DataLoader:
        if self.predict is None:
            raise UserError("data.predict is not set: give the folder whose pictures' features are wanted")
        return self.picture_loader(self._source(self.predict))

    def picture_loader(
        self, source: Source, view: View | None = None, numbers: Sequence[int] | None = None
    ) -> DataLoader:
        """Batches of pictures as they are evaluated: ``image`` ``(n, 3, H, W)`` uint8, ``index`` ``(n,)``, ``bad``.

        Args:
            source: The pictures.
            view: How they are cropped, ``eval_view`` by default.
            numbers: Which of them, all by default.
        """
        dataset = PictureDataset(source, view or self.eval_view)
        return DataLoader(
            dataset if numbers is None else Subset(dataset, numbers),
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            collate_fn=collate_pictures,
        )

    def _neighbour_source(self) -> NeighbourListGraph:
        if self.graph_source is None:
            raise UserError("data.neighbour_share needs a data.graph of embeddings, such as CaptionGraph")
        if isinstance(self.graph_source, NeighbourListGraph):
            return self.graph_source
        return NeighbourListGraph(self.graph_source, k=self.neighbours)

    def _loader(self, split: str, shuffle: bool = False) -> DataLoader:
        processes = self.trainer.world_size if self.trainer else 1
        if self.batch_size < 2:
            raise UserError(f"data.batch_size {self.batch_size}: at least 2 samples are compared with each other")
        if self.batch_size % processes:
            raise UserError(
                f"data.batch_size {self.batch_size} is shared by all processes: {processes} do not divide it"
            )
        dataset = self._datasets[split]
        if len(dataset) < self.batch_size:
            raise UserError(
                f"data.{split} has {len(dataset)} pictures, fewer than data.batch_size {self.batch_size}: "
                "no batch is full; lower the batch size"
            )
        sampler: DistributedSampler | None = None
        if shuffle and self._neighbour_lists is not None:
            sampler = neighbour_sampler(
                self._neighbour_lists, self.neighbours, self.neighbour_share, self.batch_size, self.trainer
            )
        elif processes > 1:
            # Lightning's own would repeat samples to fill the last batch.
            seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
            rank = self.trainer.global_rank  # type: ignore[union-attr]
            sampler = DistributedSampler(dataset, processes, rank, shuffle, seed, drop_last=True)
        return DataLoader(
            dataset,
            batch_size=self.batch_size // processes,
            shuffle=shuffle and sampler is None,
            sampler=sampler,
            # Losses compare the samples of a batch: a smaller last one would be another task.
            drop_last=True,
            num_workers=self.num_workers,
            collate_fn=collate,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def _source(self, path: str) -> Source:
        return open_source(path, self.captions if path == self.train else None)
