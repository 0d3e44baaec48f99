"""Which samples training takes, as the settings have it."""

import numpy as np
import pytest

from xclr_lightning.data.epoch_sampler import START
from xclr_lightning.data.sampling import Sampling
from xclr_lightning.errors import UserError
from xclr_lightning.graphs import NeighbourGraph

SAMPLES = 120


class Dataset:
    """As much of a dataset as sampling asks for: three classes, in six shards."""

    seed = 1
    labels = np.repeat([0, 1, 2], [60, 40, 20])

    class source:
        @staticmethod
        def parts() -> dict[str, slice]:
            return {str(start): slice(start, start + 20) for start in range(0, SAMPLES, 20)}

    def __len__(self) -> int:
        return SAMPLES


class Unlabelled(Dataset):
    labels = None


def samples(lists: NeighbourGraph | None = None, dataset: Dataset | None = None, **settings) -> np.ndarray:
    """Those of the first epoch, by batch."""
    batch = settings.setdefault("batch_size", 10)
    defaults = {"train_share": 1.0, "epoch_samples": None, "shards_at_once": None}
    sampling = Sampling(**{**defaults, "neighbour_share": 0.0, "neighbours": 2, **settings})
    drawn = sampling.sampler(dataset or Dataset(), lists, 0, 1, START)
    return np.array([sample for sample, _ in drawn]).reshape(-1, batch)


def test_all_samples_mixed():
    found = samples()
    assert sorted(found.ravel()) == list(range(SAMPLES))
    assert len(set(found[0] // 20)) > 2


def test_a_share_of_each_class_in_every_epoch():
    found = samples(train_share=0.5)
    assert np.bincount(Dataset.labels[found.ravel()]).tolist() == [30, 20, 10]
    assert len(samples(train_share=0.5, dataset=Unlabelled()).ravel()) == 60


def test_a_few_shards_at_a_time():
    for window in samples(shards_at_once=2).reshape(3, 40):
        assert len(set(window // 20)) == 2


def test_an_epoch_of_a_wanted_length():
    assert samples(epoch_samples=30).shape == (3, 10)


def test_neighbours_among_a_share_of_the_samples():
    lists = (np.arange(SAMPLES)[:, None] + [1, 2]).astype(np.int32) % SAMPLES
    graph = NeighbourGraph(np.arange(SAMPLES), lists, np.full((SAMPLES, 2), 0.9, np.float32), floor=0.0)
    near = [np.mean(np.diff(np.sort(batch)) <= 2) for batch in samples(graph, neighbour_share=0.5)]
    alone = [np.mean(np.diff(np.sort(batch)) <= 2) for batch in samples()]
    assert np.mean(near) > np.mean(alone) + 0.2
    found = samples(graph, neighbour_share=0.5, train_share=0.5).ravel()
    assert len(set(found.tolist())) == len(found) == 60


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 1}, "at least 2 samples"),
        ({"train_share": 0.0}, "above 0"),
        ({"train_share": 1.5}, "up to 1"),
        ({"train_share": 0.05}, r"train_share 0.05 of data.train has 6 pictures, fewer than data.batch_size 10"),
        ({"neighbour_share": 1.5}, "from 0 to 1"),
        ({"neighbours": 0}, "at least 1 neighbour"),
        ({"shards_at_once": 0}, "at least 1"),
        ({"shards_at_once": 2, "neighbour_share": 0.5}, "no data.neighbour_share"),
        ({"batch_size": 121}, "120 pictures, fewer than"),
    ],
)
def test_settings_out_of_range(settings, words):
    with pytest.raises(UserError, match=words):
        samples(**settings)
