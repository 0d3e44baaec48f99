"""The one DataModule: pictures, their views, and the similarity graph that rides along."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Subset

from xclr_lightning.data.dataset import PictureDataset, ViewsDataset, collate, collate_pictures
from xclr_lightning.data.epoch_sampler import START, EpochSampler
from xclr_lightning.data.locate import open_source
from xclr_lightning.data.noisy import NoisySource
from xclr_lightning.data.photometric import Photometric, refuse_normalised
from xclr_lightning.data.position import position, warn_of_another_order
from xclr_lightning.data.sampling import Sampling
from xclr_lightning.data.skipped import refuse_many_skipped
from xclr_lightning.data.source import Source, labels
from xclr_lightning.data.views import EvalView, RandomCropView, View
from xclr_lightning.distributed import refuse_disagreement
from xclr_lightning.errors import UserError
from xclr_lightning.graphs import GraphSource, NeighbourGraph, NeighbourListGraph, SimilarityGraph


class GraphDataModule(LightningDataModule):
    """Images with precomputed similarity, for every objective.

    A batch is a dictionary: ``views`` ``(V, n, 3, H, W)`` uint8, ``index`` ``(n,)`` int64, ``labels`` ``(n,)`` int64
    where ``label`` is set, ``nodes`` ``(n, …)`` where there is a graph, ``captions``, a list of n strings, where the
    objective needs them, ``bad``, the names of unreadable pictures that others stand in for, and ``seed``, which
    decides what is random in its step.

    Which samples a batch has, how their views are drawn and what is random in a step are functions of the seed and the
    step's number (and of the number of processes, with ``shards_at_once``). Checkpoints say where training stands, so a
    run that was interrupted goes on as if it had not been.

    Args:
        train: Training pictures: a folder of pictures, a folder or URL of tar shards, a table (``.csv``,
            ``.parquet``), ``torchvision:CIFAR10/train``, ``synthetic:train`` or ``demo:train``.
        val: Held-out pictures for the objective's loss (``val/loss``).
        predict: Pictures whose features ``predict`` writes.
        captions: Table with the columns file_name and caption, for a folder of pictures without a ``metadata.csv``.
        label: Field with a sample's class, for objectives that need one.
        graph: The similarity graph; computed before training where it is missing.
        train_share: Share of the training pictures that is used, in (0, 1]; the same share of each ``label``.
        epoch_samples: Samples an epoch, over all processes; by default each once. Evaluations come at an epoch's end.
        shards_at_once: Shards that a process reads at a time, each process its own; null mixes all samples, which
            takes disks with fast random access.
        neighbour_share: Share of a training batch that is there as a neighbour of another sample, 0 … 1.
        neighbours: Nearest captions, or whatever ``graph`` embeds, among which these are drawn.
        caption_noise: Share of the training samples, 0 … 1, that have each other's captions and fields, labels and all:
            for studies of noise.
        max_skipped: Share of pictures, 0 … 1, that may be broken or without caption before the run stops.
        batch_size: Samples a step, over all processes together.
        num_workers: Worker processes a device that read pictures.
        num_views: Views a sample.
        view: How a training view is drawn from a picture, in the workers.
        augment: What is then done to a whole batch of views, on the device; null for nothing.
        eval_view: How a picture is cropped for evaluation.
        half_features: Keep the features of evaluation sets in half precision, for half the memory.
    """

    def __init__(
        self,
        train: str,
        val: str | None = None,
        predict: str | None = None,
        captions: str | None = None,
        label: str | None = None,
        graph: GraphSource | None = None,
        train_share: float = 1.0,
        epoch_samples: int | None = None,
        shards_at_once: int | None = None,
        neighbour_share: float = 0.0,
        neighbours: int = 4,
        caption_noise: float = 0.0,
        max_skipped: float = 0.1,
        batch_size: int = 256,
        num_workers: int = 4,
        num_views: int = 2,
        view: View | None = None,
        augment: Photometric | None = None,
        eval_view: View | None = None,
        half_features: bool = False,
    ) -> None:
        super().__init__()
        self.train, self.val, self.predict = train, val, predict
        self.captions, self.label, self.graph_source = captions, label, graph
        self.batch_size, self.num_workers, self.num_views = batch_size, num_workers, num_views
        self.sampling = Sampling(batch_size, train_share, epoch_samples, shards_at_once, neighbour_share, neighbours)
        if num_workers < 0 or num_views < 1:
            raise UserError(
                f"data.num_workers {num_workers}, data.num_views {num_views}: expected 0 or more, 1 or more"
            )
        if not 0 <= max_skipped <= 1:
            raise UserError(f"data.max_skipped {max_skipped}: expected a share from 0 to 1")
        if not 0 <= caption_noise <= 1:
            raise UserError(f"data.caption_noise {caption_noise}: expected a share from 0 to 1")
        self.max_skipped, self.caption_noise, self.half_features = max_skipped, caption_noise, half_features
        self.neighbour_source = self._neighbour_source() if neighbour_share else None
        self.view, self.augment = view or RandomCropView(), augment
        self.eval_view = eval_view or EvalView()
        self.graph_folder: Path | None = None
        self._neighbour_lists: NeighbourGraph | None = None
        self._datasets: dict[str, ViewsDataset] = {}
        self._sampler: EpochSampler | None = None
        self._goes_on_at: dict[str, Any] = {**START}
        self._looked_at = False

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Seed the step, and augment views on the device."""
        if "seed" in batch:
            torch.manual_seed(batch["seed"])
        if self.augment is not None and "views" in batch:
            views = batch["views"]
            batch["views"] = self.augment(views.flatten(0, 1)).unflatten(0, views.shape[:2])
            if not self._looked_at:
                self._looked_at = True
                refuse_normalised(batch["views"])
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Where training stands in its data, and what their order depends on, for checkpoints."""
        if self.trainer is None or self._sampler is None:
            return self._goes_on_at
        place = self._sampler.place(*position(self.trainer, self.batch_size))
        return place | self.sampling.order(self._datasets["train"], self._processes()[0])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where a checkpoint's training stood."""
        self._goes_on_at = state_dict
        # True of loaders that begin anew, which ours does not.
        warnings.filterwarnings("ignore", "You're resuming from a checkpoint that ended before the epoch ended")

    def prepare_data(self) -> None:
        """Compose the demo, index shards and compute graphs where they are missing, in one process a machine.

        Raises:
            UserError: The data cannot be used, which is better known before hours of computing a graph.
        """
        stage = self.trainer.state.fn if self.trainer else "fit"
        sources = {} if stage == "predict" else self.graph_sources()
        if not self._has_loss():
            sources.pop("train", None)
        for split, source in sources.items():
            refuse_many_skipped(source, self.max_skipped, f"data.{split}")
            if self._has_loss() and (split == "val" or stage == "fit"):
                self.sampling.check_batches(len(source), self._processes()[0], split)
        if self.graph_source:
            for source in sources.values():
                self.graph_source.prepare(source)
            if self.neighbour_source and "train" in sources:
                self.neighbour_source.prepare(sources["train"])

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
            if split == "train" and not self._has_loss():
                continue
            source = self._source(path)
            numbers = None
            if self.label:
                numbers, names = labels(source, self.label, names)
            graph = self.graph_source.open(source) if self.graph_source else None
            self._datasets[split] = ViewsDataset(source, self.view, self.num_views, numbers, graph, texts, _seed())
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

    def train_dataloader(self) -> DataLoader[Any]:
        dataset, (ranks, rank) = self._datasets["train"], self._processes()
        order = self.sampling.order(dataset, ranks)
        refuse_disagreement(**order, place_in_training=self._goes_on_at)
        warn_of_another_order(self._goes_on_at, order)
        self._sampler = self.sampling.sampler(dataset, self._neighbour_lists, rank, ranks, self._goes_on_at)
        return self._loader(dataset, self._sampler)

    def val_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        if not self._has_loss():
            return DataLoader([{}])  # type: ignore[arg-type]  # one batch of nothing, at whose end evaluations run
        if self.val is None:
            command = self.trainer.state.fn if self.trainer is not None else None
            if command not in (None, "fit"):
                raise UserError(f"data.val is not set: {command.value} needs held-out pictures")
            return []
        dataset, (ranks, rank) = self._datasets["val"], self._processes()
        self.sampling.check_batches(len(dataset), ranks, "val")
        # Mixed, or a batch would have pictures of one folder only; the same batches each time, over any processes.
        mixed = Subset(dataset, np.random.default_rng(dataset.seed).permutation(len(dataset)))  # type: ignore[arg-type]
        # Lightning's own would repeat samples to fill the last batch.
        return self._loader(mixed, DistributedSampler(mixed, ranks, rank, shuffle=False, drop_last=True))

    def test_dataloader(self) -> DataLoader[Any] | list[DataLoader[Any]]:
        return self.val_dataloader()

    def predict_dataloader(self) -> DataLoader[Any]:
        if self.predict is None:
            raise UserError("data.predict is not set: give the folder whose pictures' features are wanted")
        return self.picture_loader(self._source(self.predict))

    def picture_loader(
        self, source: Source, view: View | None = None, numbers: Sequence[int] | None = None
    ) -> DataLoader[Any]:
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

    def _loader(self, dataset: Dataset[Any], sampler: DistributedSampler[Any]) -> DataLoader[Any]:
        return DataLoader(
            dataset,
            batch_size=self.batch_size // sampler.num_replicas,
            sampler=sampler,
            # Losses compare the samples of a batch: a smaller last one would be another task.
            drop_last=True,
            num_workers=self.num_workers,
            collate_fn=collate,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def _processes(self) -> tuple[int, int]:
        """How many there are, and the number of this one."""
        return (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)

    def _has_loss(self) -> bool:
        """Whether the model takes batches; one that is only evaluated needs of the data but what evaluations read."""
        return self.trainer is None or getattr(self.trainer.lightning_module, "has_loss", True)

    def _neighbour_source(self) -> NeighbourListGraph:
        if self.graph_source is None:
            raise UserError("data.neighbour_share needs a data.graph of embeddings, such as CaptionGraph")
        if isinstance(self.graph_source, NeighbourListGraph):
            return self.graph_source
        return NeighbourListGraph(self.graph_source, k=self.sampling.neighbours)

    def _source(self, path: str) -> Source:
        source = open_source(path, self.captions if path == self.train else None)
        return NoisySource(source, self.caption_noise, _seed()) if self.caption_noise and path == self.train else source


def _seed() -> int:
    """The seed of the run, as Lightning keeps it: the same in every process."""
    return int(os.environ.get("PL_GLOBAL_SEED", 0))
