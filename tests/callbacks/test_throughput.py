"""How fast training is, on a clock of the tests' own: reading pictures and steps take what they are told to."""

import mmap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from coloured import data_settings, quiet_trainer
from lightning import Callback, Trainer
from PIL import Image
from processes import in_processes
from torch import Tensor

from xclr_lightning.callbacks import throughput
from xclr_lightning.callbacks.throughput import WARM_UP, Throughput, memory
from xclr_lightning.data import GraphDataModule, RandomCropView
from xclr_lightning.objectives import SimCLR

EPOCHS, STEPS = 3, 4
TINY = {"backbone": "test_resnet", "projector": (8,)}


class Clock:
    """Stands still unless it is told that something took its time."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class TimedView(RandomCropView):
    """Reading a picture takes so many seconds."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__(24)
        self._clock, self._seconds = clock, seconds

    def several(self, image: Image.Image, count: int) -> Tensor:
        self._clock.now += self._seconds
        return super().several(image, count)


class TimedSimCLR(SimCLR):
    """A step takes so many seconds, and the first ones a thousand more."""

    clock: Clock
    seconds: float
    steps = 0

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Any:
        self.steps += 1
        self.clock.now += self.seconds + (1000 if self.steps <= WARM_UP else 0)
        return super().training_step(batch, batch_idx)


class TimedEvaluation(Callback):
    """What runs at an epoch's end, and within it, takes long."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_epoch_end(self, *arguments: Any) -> None:
        self.clock.now += 1000

    def on_validation_epoch_end(self, *arguments: Any) -> None:
        self.clock.now += 1000


def fitted(settings: dict[str, Any], clock: Clock, picture: float, step: float, **more: Any) -> tuple[Trainer, Any]:
    """Train, with so many seconds for a picture to be read and for the step that follows."""
    callback, module = Throughput(), TimedSimCLR(**TINY)
    module.clock, module.seconds = clock, step
    callbacks = [callback, TimedEvaluation(clock)]
    trainer = quiet_trainer(max_epochs=EPOCHS, callbacks=callbacks, log_every_n_steps=STEPS, **more)
    trainer.fit(module, datamodule=GraphDataModule(**settings, view=TimedView(clock, picture)))
    return trainer, callback


def test_only_steps_count_and_waiting_is_told_from_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(throughput, "time", clock)
    # Six pictures a batch: 3 seconds for the data, 1 for the step; validation in the middle of each epoch.
    trainer, callback = fitted(data_settings(tmp_path), clock, 0.5, 1.0, val_check_interval=2)
    found = trainer.callback_metrics
    assert found["speed/data_wait"].item() == pytest.approx(3 / 4)
    assert found["speed/images_per_second"].item() == pytest.approx(6 / 4)
    assert (callback.epoch.images, callback.epoch.seconds) == (6 * STEPS, pytest.approx(4 * STEPS))
    assert 0.01 < found["speed/memory_gb"].item() < 1000
    assert not {"start", "stop"} & vars(trainer.profiler).keys()


def test_first_steps_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(throughput, "time", clock)
    _, callback = fitted(data_settings(tmp_path), clock, 0.5, 1.0, max_steps=STEPS)
    assert (callback.epoch.images, callback.epoch.seconds) == (6 * (STEPS - WARM_UP), pytest.approx(4.0))
    trainer, callback = fitted(data_settings(tmp_path), clock, 0.5, 1.0, max_steps=WARM_UP)
    assert callback.epoch.images_per_second == callback.epoch.data_wait == 0
    assert "speed/data_wait" not in trainer.callback_metrics


def test_accumulated_batches_are_one_step_of_more_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(throughput, "time", clock)
    trainer, callback = fitted(data_settings(tmp_path), clock, 0.5, 1.0, accumulate_grad_batches=2)
    assert trainer.global_step == EPOCHS * STEPS / 2
    assert trainer.callback_metrics["speed/images_per_second"].item() == pytest.approx(6 / 4)
    assert callback.epoch.images == 6 * STEPS


def test_a_loader_that_sleeps_is_waited_for(tmp_path: Path) -> None:
    class Sleepy(RandomCropView):
        def several(self, image: Image.Image, count: int) -> Tensor:
            time.sleep(0.005)
            return super().several(image, count)

    callback = Throughput()
    trainer = quiet_trainer(max_epochs=2, callbacks=[callback])
    trainer.fit(SimCLR(**TINY), datamodule=GraphDataModule(**data_settings(tmp_path), view=Sleepy(24)))
    # Sleep never ends early, and the loop cannot wait for longer than there is time.
    assert STEPS * 6 * 0.005 <= callback.epoch.waited < callback.epoch.seconds


def run_rank(rank: int, settings: dict[str, Any]) -> dict[str, Any]:
    """One of two processes that train together. The second has a slow disk."""
    clock = Clock()
    throughput.time = SimpleNamespace(perf_counter=clock.perf_counter)  # type: ignore[assignment]
    # Half of a batch each; while the first computes for longer, it really waits for the second.
    trainer, callback = fitted(settings, clock, *((0.5, 4.0), (1.5, 1.0))[rank], devices=2, strategy="ddp")
    metrics = {name: value.item() for name, value in trainer.callback_metrics.items()}
    return {"metrics": metrics, "epoch": vars(callback.epoch)}


def test_over_processes_all_pictures_count_and_the_longest_wait(tmp_path: Path) -> None:
    for found in in_processes(2, tmp_path, run_rank, data_settings(tmp_path)):
        assert found["metrics"]["speed/images_per_second"] == pytest.approx(6 / 5.5)
        assert found["metrics"]["speed/data_wait"] == pytest.approx(4.5 / 5.5)
        assert found["epoch"] == {"seconds": 5.5 * STEPS, "waited": 4.5 * STEPS, "images": 6 * STEPS}


def test_memory_is_what_the_process_holds() -> None:
    before = memory(torch.device("cpu"))
    held = mmap.mmap(-1, 100_000_000)  # what a tensor takes may have been the process's before
    torch.frombuffer(held, dtype=torch.uint8).fill_(1)
    assert 80e6 < memory(torch.device("cpu")) - before < 200e6
