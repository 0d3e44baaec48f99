"""Samples and batches: shapes, what rides along, and how unreadable pictures are made good."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from xclr_lightning.data.dataset import PictureDataset, ViewsDataset, collate, collate_pictures
from xclr_lightning.data.decode import BadImage
from xclr_lightning.data.views import EvalView, RandomCropView, View
from xclr_lightning.errors import UserError
from xclr_lightning.graphs import EmbeddingGraph


class Pictures:
    """As much of a source as a dataset asks for: every pixel is the picture's number."""

    def __init__(self, count: int, bad: set[int] = frozenset()) -> None:
        self.count, self.bad = count, bad

    def __len__(self) -> int:
        return self.count

    def open(self, index: int):
        if index in self.bad:
            raise BadImage("broken")
        return Image.new("RGB", (10, 12), (index, index, index))

    def name(self, index: int) -> str:
        return f"picture {index}"

    def image(self, index: int):
        try:
            return self.open(index)
        except BadImage as error:
            raise BadImage(f"{self.name(index)}: {error}") from error

    def captions(self, rows: slice) -> list[str]:
        return [f"picture {index}" for index in range(self.count)[rows]]


class Counting(View):
    """A view whose green channel counts the calls."""

    calls = 0

    def __call__(self, image) -> torch.Tensor:
        self.calls += 1
        pixels = EvalView(4, resize=None)(image)
        pixels[1] = self.calls
        return pixels


def test_a_batch_is_view_major():
    dataset = ViewsDataset(Pictures(6), Counting(), count=3)
    views = collate([dataset[i] for i in (4, 1)])["views"]
    assert (views.shape, views.dtype) == ((3, 2, 3, 4, 4), torch.uint8)
    assert views.is_contiguous()
    assert views[:, :, 0, 0, 0].tolist() == [[4, 1]] * 3  # the picture
    assert views[:, :, 1, 0, 0].tolist() == [[1, 4], [2, 5], [3, 6]]  # the draw


def test_labels_and_nodes_ride_along():
    graph = EmbeddingGraph([np.array([[0, 1], [1, 0], [0, -1], [1, 0], [1, 0], [1, 0]], dtype=np.float16)])
    dataset = ViewsDataset(Pictures(6), RandomCropView(4), 2, np.arange(6) * 10, graph)
    batch = next(iter(DataLoader(dataset, batch_size=3, collate_fn=collate)))
    assert (batch["index"].tolist(), batch["labels"].tolist()) == ([0, 1, 2], [0, 10, 20])
    assert batch["labels"].dtype == batch["index"].dtype == torch.int64
    assert (batch["nodes"].tolist(), batch["nodes"].dtype) == ([[0, 1], [1, 0], [0, -1]], torch.float32)
    assert batch["bad"] == []
    texts = ViewsDataset(Pictures(3), RandomCropView(4), 2, captions=True)
    assert collate([texts[2], texts[0]])["captions"] == ["picture 2", "picture 0"]
    assert set(collate([ViewsDataset(Pictures(1), RandomCropView(4), 2)[0]])) == {"views", "index", "seed", "bad"}


class Dice(View):
    """A view that is all chance."""

    def __call__(self, image) -> torch.Tensor:
        return torch.randint(256, (3, 2, 2), dtype=torch.uint8)


def test_seed_sweep_and_number_decide_how_a_sample_is_drawn():
    def drawn(seed: int, asked: int | tuple[int, int]) -> list:
        return ViewsDataset(Pictures(6), Dice(), 2, seed=seed)[asked]["views"].tolist()

    first = drawn(0, (3, 0))
    torch.manual_seed(5)
    assert drawn(0, (3, 0)) == drawn(0, 3) == first
    assert first[0] != first[1]  # two views of one sample
    others = [drawn(0, (3, 1)), drawn(0, (4, 0)), drawn(1, (3, 0))]
    assert all(other != first for other in others)
    assert others[0] != others[1] != others[2]


def test_drawing_a_sample_leaves_other_chance_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    dataset, found = ViewsDataset(Pictures(6), Dice(), 2), []
    for number in range(3):
        found.append(torch.rand(()))
        dataset[number]
    assert torch.equal(torch.stack(found), expected)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_do_not_matter(workers):
    dataset = ViewsDataset(Pictures(12), Dice(), 2)
    loader = DataLoader(dataset, 4, num_workers=workers, collate_fn=collate)
    alone = [collate([dataset[i] for i in range(start, start + 4)]) for start in (0, 4, 8)]
    for batch, expected in zip(loader, alone, strict=True):
        assert torch.equal(batch["views"], expected["views"])
        assert batch["seed"] == expected["seed"]


def test_an_unreadable_picture_is_replaced_by_the_next():
    graph = EmbeddingGraph([np.eye(5, dtype=np.float32)])
    dataset = ViewsDataset(Pictures(5, bad={1, 2, 4}), EvalView(4, None), 2, np.arange(5), graph)
    batch = collate([dataset[i] for i in range(5)])
    # All of a sample is that of the picture that stands in; behind the last one comes the first.
    expected = [0, 3, 3, 3, 0]
    assert batch["index"].tolist() == batch["labels"].tolist() == batch["nodes"].argmax(1).tolist() == expected
    assert batch["views"][0, :, 0, 0, 0].tolist() == expected
    assert batch["bad"] == [f"picture {i}: broken" for i in (1, 2, 2, 4)]


def test_one_of_those_that_are_trained_on_stands_in():
    dataset = ViewsDataset(Pictures(9, bad={2, 7}), EvalView(4, None), 1)
    dataset.chosen = np.array([1, 2, 5, 7])
    assert [dataset[i]["index"] for i in dataset.chosen] == [1, 5, 5, 1]


def test_as_many_bad_pictures_in_a_row_as_there_may_be():
    dataset = ViewsDataset(Pictures(40, bad=set(range(31))), EvalView(4, None), 1)
    assert dataset[0]["index"] == 31
    dataset.source.bad.add(31)
    with pytest.raises(UserError, match="32 pictures in a row cannot be read, first picture 0: broken"):
        dataset[0]


@pytest.mark.parametrize(("bad", "index"), [(set(), [0, 1, 2]), ({1}, [0, 2]), ({0, 1, 2}, [])])
def test_evaluation_leaves_unreadable_pictures_out(bad, index):
    loader = DataLoader(PictureDataset(Pictures(3, bad), EvalView(4, None)), 3, collate_fn=collate_pictures)
    batch = next(iter(loader))
    assert list(batch["index"]) == index
    assert [int(image[0, 0, 0]) for image in batch["image"]] == index
    assert batch["bad"] == [f"picture {i}: broken" for i in sorted(bad)]
