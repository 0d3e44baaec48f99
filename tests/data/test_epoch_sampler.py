"""Batches: a function of seed, epoch and position, equal over processes, and on from the middle."""

from contextlib import suppress
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from processes import in_processes
from torch.utils.data import DataLoader, Dataset

from xclr_lightning.data.epoch_sampler import START, EpochSampler
from xclr_lightning.data.position import position
from xclr_lightning.errors import UserError

SAMPLES, BATCH = 605, 20
BATCHES = SAMPLES // BATCH


def shuffled(rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(SAMPLES)


def sampler(rank: int = 0, ranks: int = 1, seed: int = 3, **settings) -> EpochSampler:
    return EpochSampler(shuffled, SAMPLES, BATCH, seed=seed, rank=rank, ranks=ranks, **settings)


def batches_of(found: EpochSampler, epoch: int | None = None) -> list[list[tuple[int, int]]]:
    if epoch is not None:
        found.set_epoch(epoch)
    drawn, size = list(found), BATCH // found.num_replicas
    return [drawn[i : i + size] for i in range(0, len(drawn), size)]


def test_seed_and_epoch_decide_and_nothing_else():
    first, again, other = sampler(), sampler(), sampler(seed=4)
    epochs = [batches_of(first, epoch) for epoch in range(3)]
    assert epochs == [batches_of(again, epoch) for epoch in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != batches_of(other, 0)
    assert batches_of(first, 0) == epochs[0]


def test_an_epoch_is_a_sweep_of_full_batches():
    found = sampler()
    samples = [sample for batch in batches_of(found, 5) for sample, _ in batch]
    assert len(found) == len(samples) == len(set(samples)) == BATCHES * BATCH
    assert {sweep for batch in batches_of(found, 5) for _, sweep in batch} == {5}
    assert all(type(number) is int for pair in found for number in pair)


@pytest.mark.parametrize("samples", [100, 1500])
def test_epochs_of_any_length_are_stretches_of_the_same_stream(samples):
    found = sampler(epoch_samples=samples)
    stream = [batch for epoch in range(6) for batch in batches_of(found, epoch)]
    assert len(found) == samples
    assert len(stream) == 6 * samples // BATCH
    whole = sampler()
    expected = [batch for epoch in range(20) for batch in batches_of(whole, epoch)]
    assert stream == expected[: len(stream)]


@pytest.mark.parametrize("ranks", [2, 4, 5])
def test_processes_share_each_batch_equally(ranks):
    alone = batches_of(sampler(), 1)
    shares = [batches_of(sampler(rank, ranks), 1) for rank in range(ranks)]
    assert [list(chain(*parts)) for parts in zip(*shares, strict=True)] == alone
    assert {len(part) for share in shares for part in share} == {BATCH // ranks}


def test_an_epoch_goes_on_where_it_stopped_and_the_next_one_is_whole():
    expected = batches_of(sampler(), 2)
    before = sampler()
    resumed = sampler(goes_on_at=before.place(2, 7 * BATCH))
    assert batches_of(resumed) == batches_of(resumed, 2) == expected[7:]
    assert len(resumed) == BATCHES * BATCH
    assert batches_of(resumed, 3) == batches_of(sampler(), 3)


@pytest.mark.parametrize("seen", [0, 4, 5])
@pytest.mark.parametrize("longer", [100, 140, 1500])
def test_with_epochs_of_another_length_the_stream_goes_on(seen, longer):
    stream = [batch for epoch in range(9) for batch in batches_of(sampler(), epoch)]
    before = sampler(epoch_samples=140)
    at = before.place(4, seen * BATCH)
    once = sampler(epoch_samples=longer, goes_on_at=at)
    left = [batch for epoch in (4, 5) for batch in batches_of(once, epoch)]
    begun = 4 * 7 + seen
    assert left == stream[begun : begun + len(left)]
    assert len(left) == 2 * longer // BATCH - seen
    again = sampler(epoch_samples=140, goes_on_at=once.place(6, 0))
    assert batches_of(again, 6) == stream[begun + len(left) :][:7]


def test_an_epoch_that_is_now_shorter_than_what_was_seen_of_it_is_over():
    stream = [batch for epoch in range(9) for batch in batches_of(sampler(), epoch)]
    shorter = sampler(epoch_samples=100, goes_on_at=sampler(epoch_samples=140).place(4, 6 * BATCH))
    assert batches_of(shorter, 4) == []
    assert batches_of(shorter, 5) == stream[34:39]


def test_with_batches_of_another_size_a_sweep_goes_on_behind_what_was_seen():
    at = sampler().place(1, 7 * BATCH)
    assert at == {"epoch": 1, "samples": 140, "sweep": 1, "swept": 140}
    larger = EpochSampler(shuffled, SAMPLES, 50, seed=3, goes_on_at=at)
    seen = {pair for batch in batches_of(sampler(), 1)[:7] for pair in batch}
    assert not seen & set(larger)
    assert next(iter(larger))[1] == 1


def test_an_epoch_without_a_batch_is_refused():
    with pytest.raises(UserError, match="19 samples fill no batch of 20"):
        sampler(epoch_samples=19)


class Numbers(Dataset):
    """Samples that are their own numbers."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, asked: tuple[int, int]) -> torch.Tensor:
        return torch.tensor(asked)


class Pairs(LightningDataModule):
    """Batches of numbers, which go on where a checkpoint stood."""

    batch_size = BATCH

    def __init__(self, workers: int) -> None:
        super().__init__()
        self.workers, self.goes_on_at = workers, START

    def state_dict(self):
        return self.sampler.place(*position(self.trainer, BATCH))

    def load_state_dict(self, state_dict):
        self.goes_on_at = state_dict

    def train_dataloader(self) -> DataLoader:
        ranks, rank = self.trainer.world_size, self.trainer.global_rank
        self.sampler = sampler(rank, ranks, goes_on_at=self.goes_on_at)
        many = {"num_workers": self.workers, "persistent_workers": self.workers > 0}
        return DataLoader(Numbers(), BATCH // ranks, sampler=self.sampler, drop_last=True, **many)


class Recorder(LightningModule):
    """Trains nothing, and notes the batches of this process."""

    def __init__(self, stop_at: int | None = None, where: str = "batch end") -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.stop_at, self.where, self.seen = stop_at, where, []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch.tolist()))
        return self.weight * 0

    def on_train_batch_start(self, batch, batch_idx):
        self.stop("batch start")

    def on_before_optimizer_step(self, optimizer):
        self.stop("optimizer step")

    def on_train_batch_end(self, outputs, batch, batch_idx):
        self.stop("batch end")

    def on_train_epoch_end(self):
        self.stop("epoch end")

    def stop(self, where: str):
        if self.global_step == self.stop_at and self.where == where:
            self.trainer.save_checkpoint("middle.ckpt")
            raise KeyboardInterrupt

    def configure_optimizers(self):
        self.trainer.fit_loop.setup_data()  # as a module does that counts steps
        return torch.optim.SGD(self.parameters(), lr=0.0)


def train(module: Recorder, ckpt_path: str | None = None, workers: int = 0, epochs: int = 2, **settings) -> list:
    """Two epochs, and the batches that were seen."""
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(max_epochs=epochs, accelerator="cpu", enable_model_summary=False, **quiet, **settings)
    with suppress(KeyboardInterrupt, SystemExit):  # Lightning turns the one into the other
        trainer.fit(module, Pairs(workers), ckpt_path=ckpt_path)
    return module.seen


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("stop_at", "where"),
    [
        (0, "batch start"),
        (11, "batch start"),
        (11, "batch end"),
        (BATCHES, "batch end"),
        (BATCHES, "epoch end"),
        (BATCHES, "batch start"),
        (BATCHES + 14, "batch end"),
        (2 * BATCHES, "epoch end"),
    ],
)
def test_training_goes_on_with_the_batches_that_are_left(stop_at, where, workers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = train(Recorder(), epochs=3)
    assert len(expected) == 3 * BATCHES
    assert train(Recorder(stop_at, where), workers=workers, epochs=3) == expected[:stop_at]
    assert train(Recorder(), "middle.ckpt", workers, epochs=3) == expected[stop_at:]


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_a_batch_whose_weights_are_not_yet_there_comes_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = train(Recorder())
    assert train(Recorder(11, "optimizer step")) == expected[:12]
    assert train(Recorder(), "middle.ckpt") == expected[11:]


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_a_finished_run_goes_on_to_more_epochs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = train(Recorder(), epochs=3)
    module = Recorder()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet)
    trainer.fit(module, Pairs(0))
    trainer.save_checkpoint("end.ckpt")
    assert module.seen + train(Recorder(), "end.ckpt", epochs=3) == expected


def run_rank(rank: int) -> list[Any]:
    """One of two processes that train together."""
    return train(Recorder(), devices=2, strategy="ddp")


def test_two_processes_see_the_batches_of_one(tmp_path):
    ranks = in_processes(2, tmp_path, run_rank)
    expected = train(Recorder(), devices=1)
    assert [len(batch) for _, batch in ranks[0]] == [len(batch) for _, batch in ranks[1]] == [BATCH // 2] * 2 * BATCHES
    together = [(epoch, left + right) for (epoch, left), (_, right) in zip(*ranks, strict=True)]
    assert together == expected
