"""What the user sees: a header, a line an epoch, and one table at the end."""

import sys
import time
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console as Terminal
from rich.table import Table

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.progress import progress_bar


class Console(Callback):
    """Prints progress on the first process, and closes with the results and where to look next.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._trains = False
        self._bar: Any = None
        self._last: dict[str, float] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        weights = sum(p.numel() for p in pl_module.parameters() if p.requires_grad) / 1e6
        data = trainer.datamodule  # type: ignore[attr-defined]
        print(
            f"{type(pl_module).__name__}: {pl_module.hparams.get('backbone', 'backbone')}, {weights:.1f} M weights, "
            f"{len(data.dataset('train')):,} pictures, batches of {data.batch_size}, on {trainer.num_devices} "
            f"{type(trainer.accelerator).__name__.removesuffix('Accelerator').lower()} → {self.folder}",
            flush=True,
        )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._trains = True
        # An epoch that goes on does not start, and may have no batch left.
        self._started = self._epoch_started = self._batch_ended = time.monotonic()
        self._first_epoch, self._batches = trainer.current_epoch, 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._batches = 0
        if trainer.is_global_zero:
            self._epoch_started = time.monotonic()
            if sys.stderr.isatty():
                name = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
                self._bar = progress_bar(int(trainer.num_training_batches), name, "step", leave=False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._batch_ended = time.monotonic()
        self._batches += 1
        if self._bar is not None:
            self._bar.set_postfix(loss=f"{float(outputs['loss']):.3f}", refresh=False)
            self._bar.update()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        if self._bar is not None:
            self._bar.close()
        now, epoch = time.monotonic(), trainer.current_epoch + 1
        took = max(self._batch_ended - self._epoch_started, 1e-9)
        pictures = self._batches * trainer.datamodule.batch_size  # type: ignore[attr-defined]
        elapsed = now - self._started
        left = elapsed / (epoch - self._first_epoch) * ((trainer.max_epochs or epoch) - epoch)
        values = {
            name: v
            for name, v in _values(trainer).items()
            if name.startswith(("train/loss", "val/", "knn/", "zero_shot/"))
        }
        shown = {name: v for name, v in values.items() if self._last.get(name) != v and not name.endswith("_step")}
        self._last, shares = values, _shares(trainer)
        print(
            f"epoch {epoch:>3}/{trainer.max_epochs}  "
            + "  ".join(f"{name} {_shown(value, name in shares)}" for name, value in shown.items())
            + f"  {pictures / took:,.0f} pictures/s  {_clock(elapsed)} gone, {_clock(left)} left",
            flush=True,
        )

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._trains:
            self._close(trainer, fitted=True)
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
        if trainer.is_global_zero:
            print(f"features: {self.folder / 'features.npz'}")

    def _close(self, trainer: Trainer, fitted: bool = False) -> None:
        if not trainer.is_global_zero:
            return
        print()
        Terminal(highlight=False).print(results_table(_values(trainer), _shares(trainer)))
        print(f"run folder   {self.folder.absolute()}")
        print(f"TensorBoard  tensorboard --logdir {self.folder.absolute()}")
        if fitted:
            print(next_steps(self.folder))


def results_table(metrics: dict[str, float], shares: set[str]) -> Table:
    """A row a group of metrics, such as ``knn`` or ``imagenet9``; those that are shares in percent."""
    groups: dict[str, list[str]] = {}
    for name, value in metrics.items():
        if name in ("train/loss_step", "train/lr") or (name == "data/bad_pictures" and not value):
            continue
        group, _, rest = name.rpartition("/")
        groups.setdefault(group, []).append(f"{rest.replace('_', ' ')} [bold]{_shown(value, name in shares)}[/bold]")
    table = Table(title="results (accuracies in %)", title_justify="left", show_header=False, show_lines=True)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for group, shown in groups.items():
        table.add_row(group, "   ".join(shown))
    return table


def next_steps(folder: Path) -> str:
    """What to do with a finished run."""
    config, checkpoint = folder / "config.yaml", folder / "checkpoints" / "last.ckpt"
    return f"""what to try
  another objective   python -m xclr_lightning fit --config {config} --config objective/simclr
  a sharper target    python -m xclr_lightning fit --config {config} --model.target_temperature 0.05
  evaluate again      python -m xclr_lightning test --config {config} --ckpt_path {checkpoint}"""


def _values(trainer: Trainer) -> dict[str, float]:
    return {name: value.item() for name, value in trainer.callback_metrics.items()}


def _shares(trainer: Trainer) -> set[str]:
    """Names of the numbers that evaluations give as shares."""
    evaluations = (one for one in trainer.callbacks if isinstance(one, Evaluation) and one.percent)  # type: ignore[attr-defined]
    return {name for one in evaluations for name in one.logged}


def _shown(value: float, percent: bool) -> str:
    return f"{100 * value:.1f}" if percent else f"{value:.3f}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
