"""Batches with neighbours: everything once, enough of them, the same over processes, and on from the middle."""

import os
import socket
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import multiprocessing as mp
from torch.utils.data import DataLoader, Dataset

from xclr_lightning.data.neighbour_batches import NeighbourSampler, neighbour_sampler
from xclr_lightning.data.neighbour_order import neighbour_order
from xclr_lightning.graphs import NeighbourGraph

SAMPLES, VECTORS, NEAR = 600, 400, 6
BATCH = 20


def ring(vectors: int = VECTORS, k: int = NEAR) -> np.ndarray:
    """Lists of the next ones on a ring. Shape: ``(vectors, k)``."""
    return ((np.arange(vectors)[:, None] + np.arange(1, k + 1)) % vectors).astype(np.int32)


def vector_of(samples: int = SAMPLES, vectors: int = VECTORS) -> np.ndarray:
    return np.random.default_rng(0).integers(vectors, size=samples)


def related(vector: np.ndarray, lists: np.ndarray, one: int, other: int) -> bool:
    return vector[one] == vector[other] or vector[other] in lists[vector[one]]


def order(share: float, seed: int = 0, batch: int = BATCH) -> np.ndarray:
    return neighbour_order(vector_of(), ring(), share, batch, np.random.default_rng(seed))


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.75, 0.9, 1])
def test_each_sample_exactly_once(share):
    assert sorted(order(share)) == list(range(SAMPLES))


def test_lists_with_empty_places_and_a_vector_that_no_sample_has():
    lists = np.full((8, 2), -1)
    lists[0, 0] = 7
    found = neighbour_order(np.array([0, 0, 1, 2]), lists, 0.5, 2, np.random.default_rng(0))
    assert sorted(found) == [0, 1, 2, 3]


def brought_along(found: np.ndarray, batch: int) -> np.ndarray:
    """How many of each batch come right behind a run of samples of which one lists them. Shape: ``(batches,)``."""
    vector, lists = vector_of(), ring()
    batches = found[: len(found) // batch * batch].reshape(-1, batch)
    counts = []
    for samples in batches:
        seed, count = samples[0], 0
        for sample in samples[1:]:
            if related(vector, lists, seed, sample):
                count += 1
            else:
                seed = sample
        counts.append(count)
    return np.array(counts)


@pytest.mark.parametrize(("share", "least"), [(0.2, 0.17), (0.5, 0.4), (0.75, 0.6)])
def test_the_share_of_neighbours_is_about_what_was_asked_for_in_all_batches(share, least):
    found = np.array([brought_along(order(share, seed), BATCH) for seed in range(10)]) / BATCH
    by_chance = np.mean([brought_along(order(0, seed), BATCH) for seed in range(10)]) / BATCH
    assert by_chance < 0.05
    assert least <= found.mean() <= share + by_chance + 0.02
    # No stretch of an epoch is poorer than another: a batch says next to nothing of the following one.
    assert np.corrcoef(found[:, :-1].ravel(), found[:, 1:].ravel())[0, 1] < 0.3


def test_no_share_is_a_plain_shuffle():
    """Every sample is in every place, and beside every other, as often as chance has it."""
    orders = np.stack([neighbour_order(np.arange(6), ring(6, 2), 0, 2, np.random.default_rng(i)) for i in range(6000)])
    for place in range(6):
        # χ² with 5 degrees of freedom is beyond 20.5 once in a thousand.
        assert ((np.bincount(orders[:, place], minlength=6) - 1000) ** 2 / 1000).sum() < 20.5
    pairs = orders[:, 0] * 6 + orders[:, 1]
    expected = np.full(36, 200.0).reshape(6, 6)
    np.fill_diagonal(expected, 0)
    counts = np.bincount(pairs, minlength=36).reshape(6, 6)
    assert ((counts - expected)[expected > 0] ** 2 / 200).sum() < 58.3  # 29 degrees of freedom, the same level


def test_which_samples_an_epoch_leaves_out_is_chance():
    """Those with neighbours and those without are dropped alike."""
    lists = np.full((20, 3), -1)
    lists[:10] = ring(10, 3)  # half of the vectors have neighbours, half none
    dropped = [neighbour_order(np.arange(20), lists, 0.75, 17, np.random.default_rng(i))[17:] for i in range(1000)]
    assert (np.concatenate(dropped) < 10).mean() == pytest.approx(0.5, abs=0.035)


def sampler(rank: int = 0, ranks: int = 1, seed: int = 3, **settings) -> NeighbourSampler:
    return NeighbourSampler(vector_of(), ring(), 0.5, BATCH, seed, rank, ranks, **settings)


def batches_of(sampler: NeighbourSampler) -> list[list[int]]:
    size = BATCH // sampler.num_replicas
    numbers = list(sampler)
    return [numbers[i : i + size] for i in range(0, len(numbers), size)]


def test_seed_and_epoch_decide_and_nothing_else():
    first, again, other = sampler(), sampler(), sampler(seed=4)
    epochs = []
    for epoch in range(3):
        for each in (first, again, other):
            each.set_epoch(epoch)
        epochs.append(list(first))
        assert epochs[-1] == list(again) == list(first)
        assert epochs[-1] != list(other)
    assert epochs[0] != epochs[1] != epochs[2]
    first.set_epoch(0)
    assert list(first) == epochs[0]


def test_an_epoch_goes_on_where_it_stopped_and_the_next_one_is_whole():
    whole = sampler()
    whole.set_epoch(2)
    expected = batches_of(whole)
    whole.set_epoch(3)
    resumed = sampler()
    resumed.load_state_dict({"epoch": 2, "position": 7})
    assert batches_of(resumed) == expected[7:]
    resumed.set_epoch(2)
    assert batches_of(resumed) == expected[7:]
    assert len(resumed) == SAMPLES
    resumed.set_epoch(3)
    assert batches_of(resumed) == batches_of(whole)


class Numbers(Dataset):
    """Samples that are their own numbers."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor(index)


class Recorder(LightningModule):
    """Trains nothing, and notes the batches of this process."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.stop_at, self.seen = stop_at, []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch.tolist()))
        return self.weight * 0

    def on_train_batch_end(self, outputs, batch, batch_idx):
        if self.global_step == self.stop_at:
            self.trainer.save_checkpoint("middle.ckpt")
            raise KeyboardInterrupt

    def train_dataloader(self) -> DataLoader:
        graph = NeighbourGraph(vector_of(), ring(), np.full((VECTORS, NEAR), 0.9, np.float32), floor=0.1)
        chosen = neighbour_sampler(graph, 4, 0.5, BATCH, self.trainer)
        return DataLoader(Numbers(), BATCH // self.trainer.world_size, sampler=chosen, drop_last=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def train(module: Recorder, ckpt_path: str | None = None, **settings) -> list:
    """Two epochs, and the batches that were seen."""
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(max_epochs=2, accelerator="cpu", enable_model_summary=False, **quiet, **settings)
    with suppress(KeyboardInterrupt, SystemExit):  # Lightning turns the one into the other
        trainer.fit(module, ckpt_path=ckpt_path)
    return module.seen


@pytest.mark.parametrize("stop_at", [11, 30, 44])  # in the first epoch, at its end, in the second
def test_training_goes_on_with_the_batches_that_are_left(stop_at, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = train(Recorder())
    assert len(expected) == 60
    assert train(Recorder(stop_at)) == expected[:stop_at]
    assert train(Recorder(), "middle.ckpt") == expected[stop_at:]


def run_rank(rank: int, folder: Path, port: int) -> None:
    """One of two processes that train together."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE="2", LOCAL_RANK=str(rank))
    os.environ.update(NODE_RANK="0", RANK=str(rank))
    torch.set_num_threads(1)
    torch.save(train(Recorder(), devices=2, strategy="ddp"), folder / f"{rank}.pt")


def test_two_processes_see_the_batches_of_one(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Importing is nearly all of the cost: a server does it once, and the processes are forks of it.
    mp.get_context("forkserver").set_forkserver_preload(["xclr_lightning.objectives"])
    mp.start_processes(run_rank, args=(tmp_path, port), nprocs=2, start_method="forkserver")
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    expected = train(Recorder(), devices=1)
    assert [len(batch) for _, batch in ranks[0]] == [len(batch) for _, batch in ranks[1]] == [BATCH // 2] * 60
    together = [(epoch, left + right) for (epoch, left), (_, right) in zip(*ranks, strict=True)]
    assert together == expected
    assert expected[0] != expected[30]
