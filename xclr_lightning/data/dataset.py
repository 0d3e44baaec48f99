"""One sample of training: views of a picture, its number, its label, its nodes of the graph."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from xclr_lightning.data.chance import drawn_by, seed_of
from xclr_lightning.data.decode import BadImage
from xclr_lightning.data.source import Source
from xclr_lightning.data.views import View
from xclr_lightning.errors import UserError
from xclr_lightning.graphs import SimilarityGraph

# A neighbour is tried for each bad picture. So many bad ones in a row mean that the data, not a picture, is broken.
MOST_BAD_IN_A_ROW = 32


class ViewsDataset(Dataset[dict[str, Any]]):
    """Samples as dictionaries of ``views``, ``index`` and, where there are any, ``labels``, ``nodes`` and ``captions``.

    A sample is asked for by its number, or by its number and that of the sweep over the data, which change how its
    views are drawn: seed, sweep and number decide all of it, in whatever process. ``seed`` is theirs.

    A picture that cannot be read is replaced by the next one of ``chosen`` that can, so batches keep their size on
    every process; ``bad`` then names it. ``chosen`` are the numbers that are trained on, ascending: at first all.

    Args:
        source: The pictures.
        view: Turns a picture into a view.
        count: Views a sample.
        labels: A class a sample. Shape: ``(len(source),)``, int64.
        graph: The similarity graph.
        captions: Whether a sample has its caption.
        seed: Of the views.
    """

    def __init__(
        self,
        source: Source,
        view: View,
        count: int,
        labels: np.ndarray | None = None,
        graph: SimilarityGraph | None = None,
        captions: bool = False,
        seed: int = 0,
    ) -> None:
        self.source, self.view, self.count = source, view, count
        self.labels, self.graph, self.captions, self.seed = labels, graph, captions, seed
        self.chosen: Sequence[int] | np.ndarray = range(len(source))

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, asked: int | tuple[int, int]) -> dict[str, Any]:
        index, sweep = asked if isinstance(asked, tuple) else (int(asked), 0)
        bad: list[str] = []
        for further in range(MOST_BAD_IN_A_ROW):
            number = index if not further else self._behind(index, further)
            seed = seed_of(self.seed, sweep, number)
            try:
                with drawn_by(seed):
                    views = self.view.several(self.source.open(number), self.count)
            except BadImage as error:
                bad.append(f"{self.source.name(number)}: {error}")
                continue
            sample: dict[str, Any] = {"views": views, "index": number, "seed": seed, "bad": bad}
            if self.labels is not None:
                sample["labels"] = self.labels[number]
            if self.graph is not None:
                sample["nodes"] = self.graph.nodes(number)
            if self.captions:
                sample["captions"] = self.source.captions(slice(number, number + 1))[0]
            return sample
        raise UserError(f"{MOST_BAD_IN_A_ROW} pictures in a row cannot be read, first {bad[0]}")

    def _behind(self, index: int, further: int) -> int:
        place = bisect_left(self.chosen, index) + further
        return int(self.chosen[place % len(self.chosen)])


def collate(samples: list[dict[str, Any]]) -> dict[str, Tensor | int | list[str]]:
    """Stack samples; ``views`` comes out view-major, ``(V, n, 3, H, W)``, ``bad`` as one list, ``seed`` the first's."""
    bad = [message for sample in samples for message in sample.pop("bad")]
    by_sample = [sample.pop("views") for sample in samples]
    # Handed over in the order they come out, they are copied once, and in a worker straight into shared memory.
    views = default_collate([view for same_place in zip(*by_sample, strict=True) for view in same_place])
    batch = default_collate(samples)
    batch["views"] = views.unflatten(0, (-1, len(samples)))
    return {**batch, "seed": samples[0]["seed"], "bad": bad}


class PictureDataset(Dataset[dict[str, Any]]):
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
