"""One sample of training: views of a picture, its number, its label, its nodes of the graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from xclr_lightning.data.source import BadImage, Source
from xclr_lightning.data.views import View, stack_views
from xclr_lightning.errors import UserError
from xclr_lightning.graphs import SimilarityGraph

# A neighbour is tried for each bad picture. So many bad ones in a row mean that the data, not a picture, is broken.
MOST_BAD_IN_A_ROW = 32


class ViewsDataset(Dataset):
    """Samples as dictionaries of ``views``, ``index`` and, where there are any, ``labels``, ``nodes`` and ``captions``.

    A picture that cannot be read is replaced by the next one that can, so batches keep their size on every process;
    ``bad`` then names it.

    Args:
        source: The pictures.
        view: Turns a picture into a view.
        count: Views a sample.
        labels: A class a sample. Shape: ``(len(source),)``, int64.
        graph: The similarity graph.
        captions: A caption a sample.
    """

    def __init__(
        self,
        source: Source,
        view: View,
        count: int,
        labels: np.ndarray | None = None,
        graph: SimilarityGraph | None = None,
        captions: Sequence[str] | None = None,
    ) -> None:
        self.source, self.view, self.count = source, view, count
        self.labels, self.graph, self.captions = labels, graph, captions

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> dict[str, Any]:
        bad: list[str] = []
        for candidate in range(index, index + MOST_BAD_IN_A_ROW):
            number = candidate % len(self)
            try:
                image = self.source.image(number)
            except BadImage as error:
                bad.append(str(error))
                continue
            sample: dict[str, Any] = {"views": stack_views(image, self.view, self.count), "index": number, "bad": bad}
            if self.labels is not None:
                sample["labels"] = self.labels[number]
            if self.graph is not None:
                sample["nodes"] = self.graph.nodes(number)
            if self.captions is not None:
                sample["captions"] = self.captions[number]
            return sample
        raise UserError(f"{MOST_BAD_IN_A_ROW} pictures in a row cannot be read, first {bad[0]}")


def collate(samples: list[dict[str, Any]]) -> dict[str, Tensor | list[str]]:
    """Stack samples; ``views`` comes out view-major, ``(V, n, 3, H, W)``, and ``bad`` as one list."""
    bad = [message for sample in samples for message in sample.pop("bad")]
    batch = default_collate(samples)
    batch["views"] = torch.transpose(batch["views"], 0, 1).contiguous()
    return {**batch, "bad": bad}


class PictureDataset(Dataset):
    """Samples as dictionaries of ``image`` and ``index``, for evaluation: one crop, nothing random.

    A picture that cannot be read is left out of its batch and named in ``bad``.

    Args:
        source: The pictures.
        view: Crops a picture.
    """

    def __init__(self, source: Source, view: View) -> None:
        self.source, self.view = source, view

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> dict[str, Any]:
        try:
            return {"image": self.view(self.source.image(index)), "index": index}
        except BadImage as error:
            return {"bad": str(error)}


def collate_pictures(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack the samples that could be read; ``image`` and ``index`` are empty lists where none could."""
    bad = [sample["bad"] for sample in samples if "bad" in sample]
    good = [sample for sample in samples if "bad" not in sample]
    return {**(default_collate(good) if good else {"image": [], "index": []}), "bad": bad}
