"""How fast training is: images a second, the share of the time that it waits for data, memory."""

import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.profilers import Profiler

from xclr_lightning.distributed import gather_lists

# First steps of a run that are not counted: workers start, kernels are chosen or compiled.
WARM_UP = 3

FETCH = "train_dataloader_next"


@dataclass
class Pace:
    """Some steps of training.

    Attributes:
        seconds: What they took, by the clock.
        waited: Seconds of these that the loop waited for its next batch.
        images: Pictures, not views, over all processes.
    """

    seconds: float = 0.0
    waited: float = 0.0
    images: int = 0

    def add(self, seconds: float, waited: float, images: int) -> None:
        """Count one more step."""
        self.seconds, self.waited, self.images = self.seconds + seconds, self.waited + waited, self.images + images

    @property
    def images_per_second(self) -> float:
        """Of steps that took no time, 0."""
        return self.images / self.seconds if self.seconds else 0.0

    @property
    def data_wait(self) -> float:
        """Share of the time, 0 … 1, that the loop waited for its next batch.

        Example:
            >>> Pace(seconds=2.0, waited=0.5, images=256).data_wait
            0.25
        """
        return self.waited / self.seconds if self.seconds else 0.0


class Throughput(Callback):
    """Logs ``speed/images_per_second``, ``speed/data_wait`` and ``speed/memory_gb`` once in ``log_every_n_steps``.

    They are of the steps since they were last logged: over all processes, of the one that waited most, and of the one
    that needs most. What evaluations take is left out. Waiting ends when the loop has the batch: its copy to the device
    and ``data.augment`` belong to the step. GPUs are waited for when numbers are logged, and not between.

    Attributes:
        epoch: The steps of this epoch.
    """

    def __init__(self) -> None:
        self.epoch, self._window = Pace(), Pace()
        self._steps, self._mark, self._waited = 0, 0.0, 0.0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        _leave(trainer.profiler)  # type: ignore[attr-defined]  # a run that failed may not have been torn down
        _watch(trainer.profiler, self._wait)  # type: ignore[attr-defined]

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        _leave(trainer.profiler)  # type: ignore[attr-defined]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._steps = 0
        self._begin()  # an epoch that goes on does not start

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._mark = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._steps += 1
        due = is_due(trainer, batch_idx)
        if pl_module.device.type == "cuda" and (due or trainer.is_last_batch or self._steps == WARM_UP):
            torch.cuda.synchronize(pl_module.device)
        now = time.perf_counter()
        if self._steps > WARM_UP:
            for pace in (self.epoch, self._window):
                pace.add(now - self._mark, self._waited, len(batch["index"]) * trainer.world_size)
        self._mark, self._waited = now, 0.0
        if due and self._window.images:
            numbers = {
                "speed/images_per_second": self._window.images_per_second,
                "speed/data_wait": self._window.data_wait,
                "speed/memory_gb": memory(pl_module.device) / 1e9,
            }
            pl_module.log_dict(numbers, sync_dist=True, reduce_fx="max")
            self._window = Pace()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.epoch.waited = max(gather_lists([self.epoch.waited]))

    def _begin(self) -> None:
        self.epoch, self._mark, self._waited = Pace(), time.perf_counter(), 0.0

    def _wait(self, seconds: float) -> None:
        self._waited += seconds


def is_due(trainer: Trainer, batch_idx: int) -> bool:
    """Whether the step that ends with this batch is one that numbers are logged at."""
    every = trainer.log_every_n_steps  # type: ignore[attr-defined]
    last = (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch
    return bool(every) and last and trainer.global_step % every == 0


def memory(device: torch.device) -> int:
    """Bytes that tensors have taken at most on a CUDA device; elsewhere the memory of this process, without workers."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _watch(profiler: Profiler, waited: Callable[[float], None]) -> None:
    """Tell how many seconds each fetch of a training batch takes, which Lightning says to its profiler alone."""
    start, stop, began = profiler.start, profiler.stop, 0.0

    def started(action_name: str) -> None:
        nonlocal began
        start(action_name)
        if action_name.endswith(FETCH):
            began = time.perf_counter()

    def stopped(action_name: str) -> None:
        if action_name.endswith(FETCH):
            waited(time.perf_counter() - began)
        stop(action_name)

    vars(profiler).update(start=started, stop=stopped)


def _leave(profiler: Profiler) -> None:
    for name in ("start", "stop"):
        vars(profiler).pop(name, None)
