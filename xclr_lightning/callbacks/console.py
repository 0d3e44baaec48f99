"""What the user sees: a header, a line an epoch, and one table at the end."""

import shlex
import sys
import time
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console as Terminal
from rich.table import Table

from xclr_lightning.callbacks.environment import cpus
from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.next_steps import next_steps
from xclr_lightning.callbacks.throughput import Pace, Throughput, is_due
from xclr_lightning.progress import progress_bar

# Share of the time, and seconds of an epoch, from which on waiting for data is worth a word.
LONG_WAIT, LONG_EPOCH = 0.3, 10.0


class Console(Callback):
    """Prints progress on the first process, and closes with the results and where to look next.

    Args:
        folder: The run folder; None where nothing is written.
        throughput: Measures how fast training is; called before this one.
    """

    def __init__(self, folder: Path | None, throughput: Throughput) -> None:
        self.folder, self.throughput = folder, throughput
        self._trains = self._advised = False
        self._bar: Any = None
        self._last: dict[str, float] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        weights = sum(p.numel() for p in pl_module.parameters() if p.requires_grad) / 1e6
        data = trainer.datamodule  # type: ignore[attr-defined]
        print(
            f"{type(pl_module).__name__}: {pl_module.hparams.get('backbone', 'backbone')}, {weights:.1f} M weights, "
            f"{len(data.dataset('train')):,} pictures, batches of {data.batch_size}, on {trainer.world_size} "
            f"{type(trainer.accelerator).__name__.removesuffix('Accelerator').lower()}"
            + (f" → {self.folder}" if self.folder else ""),
            flush=True,
        )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._trains = True
        # An epoch that goes on does not start, and may have no batch left.
        self._started, self._first_step = time.monotonic(), trainer.global_step

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero and sys.stderr.isatty():
            self._bar = progress_bar(int(trainer.num_training_batches), _epoch(trainer), "step", leave=False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._bar is None:
            return
        if is_due(trainer, batch_idx):  # to read the loss is to wait for the device
            loss = f"loss {float(outputs['loss']):.3f}"
            self._bar.set_postfix_str("  ".join([loss, *_speed(self.throughput.epoch)]), refresh=False)
        self._bar.update()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # In every process: numbers of all of them are put together when they are first read.
        values = {
            name: v
            for name, v in _values(trainer).items()
            if name.startswith(("train/loss", "val/", "knn/", "zero_shot/"))
        }
        if not trainer.is_global_zero:
            return
        self._close_bar()
        elapsed, done = time.monotonic() - self._started, trainer.global_step - self._first_step
        left = elapsed / max(1, done) * (float(trainer.estimated_stepping_batches) - trainer.global_step)
        shown = {name: v for name, v in values.items() if self._last.get(name) != v and not name.endswith("_step")}
        self._last, shares = values, _shares(trainer)
        parts = [_epoch(trainer)]
        parts += [f"{name} {_shown(value, name in shares)}" for name, value in shown.items()]
        parts += [*_speed(self.throughput.epoch), f"{_clock(elapsed)} gone, {_clock(left)} left"]
        print("  ".join(parts), flush=True)
        if not self._advised and (advice := _advice(trainer, self.throughput.epoch)):
            print(advice, file=sys.stderr, flush=True)
            self._advised = True

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close_bar()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._trains:
            self._close(trainer)
            if trainer.is_global_zero and self.folder and (steps := next_steps(trainer, pl_module, self.folder)):
                print(steps)
        elif trainer.is_global_zero:
            print(
                f"nothing left to train: the checkpoint is at epoch {trainer.current_epoch} of {trainer.max_epochs}; "
                "raise --trainer.max_epochs to go on, or choose another --run_dir to begin anew"
            )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "validate":
            self._close(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close(trainer)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero and self.folder is None:
            print(f"{_what_ran(trainer)}; nothing was written")

    def _close(self, trainer: Trainer) -> None:
        values = _values(trainer)
        if not trainer.is_global_zero:
            return
        print()
        Terminal(highlight=False).print(results_table(values, _shares(trainer)))
        if self.folder is None:
            print(f"{_what_ran(trainer)}; nothing was written")
            return
        print(f"run folder   {self.folder.absolute()}")
        print(f"TensorBoard  tensorboard --logdir {shlex.quote(str(self.folder.absolute()))}")

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def results_table(metrics: dict[str, float], shares: set[str]) -> Table:
    """A row a group of metrics, such as ``knn`` or ``imagenet9``; those that are shares in percent."""
    groups: dict[str, list[str]] = {}
    for name, value in metrics.items():
        group, _, rest = name.rpartition("/")
        if group == "speed" or name in ("train/loss_step", "train/lr") or (name == "data/bad_pictures" and not value):
            continue
        groups.setdefault(group, []).append(f"{rest.replace('_', ' ')} [bold]{_shown(value, name in shares)}[/bold]")
    table = Table(title="results (accuracies in %)", title_justify="left", show_header=False, show_lines=True)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for group, shown in groups.items():
        table.add_row(group, "   ".join(shown))
    return table


def _values(trainer: Trainer) -> dict[str, float]:
    return {name: value.item() for name, value in trainer.callback_metrics.items()}


def _shares(trainer: Trainer) -> set[str]:
    """Names of the numbers that evaluations give as shares."""
    evaluations = (one for one in trainer.callbacks if isinstance(one, Evaluation) and one.percent)  # type: ignore[attr-defined]
    return {name for one in evaluations for name in one.logged}


def _epoch(trainer: Trainer) -> str:
    """Which epoch it is, and of how many where that is known."""
    whole = f"/{trainer.max_epochs}" if (trainer.max_epochs or -1) > 0 else ""
    return f"epoch {trainer.current_epoch + 1:>3}{whole}"


def _speed(pace: Pace) -> list[str]:
    return [f"{pace.images_per_second:,.0f} images/s", f"data wait {100 * pace.data_wait:.0f} %"] if pace.images else []


def _advice(trainer: Trainer, pace: Pace) -> str | None:
    """What to do where much of the time of a long epoch goes by in waiting for pictures."""
    if pace.data_wait < LONG_WAIT or pace.seconds < LONG_EPOCH:
        return None
    workers, cores = trainer.datamodule.num_workers, cpus()  # type: ignore[attr-defined]
    said = f"training waits for pictures {100 * pace.data_wait:.0f} % of the time: "
    if workers * trainer.num_devices < cores:
        return f"{said}raise --data.num_workers, {workers} a process now, of {cores} cores"
    return f"{said}all {cores} cores read them; smaller pictures on disk, or fewer steps in data.view, would help"


def _what_ran(trainer: Trainer) -> str:
    """Of a run that is only to show that everything runs."""
    counts = {
        "training": trainer.num_training_batches if trainer.state.fn == "fit" else 0,
        "validation": sum(trainer.num_val_batches) if trainer.state.fn in ("fit", "validate") else 0,
        "test": sum(trainer.num_test_batches) if trainer.state.fn == "test" else 0,
        "prediction": sum(trainer.num_predict_batches) if trainer.state.fn == "predict" else 0,
    }
    size = trainer.datamodule.batch_size  # type: ignore[attr-defined]
    ran = [f"{count} {name} batch{'es' if count > 1 else ''} of {size}" for name, count in counts.items() if count]
    ran += [type(one).__name__ for one in trainer.callbacks if isinstance(one, Evaluation) and one.logged]  # type: ignore[attr-defined]
    return f"ran: {', '.join(ran)}"


def _shown(value: float, percent: bool) -> str:
    return f"{100 * value:.1f}" if percent else f"{value:.3f}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
