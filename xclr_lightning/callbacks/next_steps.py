"""What can be done with a finished run, and how one that was stopped goes on: as commands."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from lightning import LightningModule, Trainer

from xclr_lightning.callbacks.graph_report import GraphReport
from xclr_lightning.objectives.module import ContrastiveModule
from xclr_lightning.resume import last_checkpoint
from xclr_lightning.run_config import run_configs

PROGRAM = "python -m xclr_lightning"


def next_steps(trainer: Trainer, module: LightningModule, folder: Path) -> str:
    """What to try after training: only what the objective and its data allow, which may be nothing."""
    if not (steps := list(_steps(trainer, module, folder))):
        return ""
    width = max(len(name) for name, _ in steps)
    return "\n".join(["what to try", *(f"  {name:<{width}}   {PROGRAM} {shlex.join(step)}" for name, step in steps)])


def how_to_go_on(folder: Path, has_start: bool) -> str:
    """What to type after training was stopped, or that there is nothing to go on from.

    Args:
        folder: The run folder.
        has_start: Whether its config names a checkpoint to start from, as it would again.
    """
    checkpoint, configs = last_checkpoint(folder), run_configs(folder)
    if checkpoint is None or not configs:
        return f"stopped before there was a checkpoint in {folder}: the same command begins anew"
    command = ["fit", "--config", str(configs[-1]), "--run_dir", str(folder)]
    start = ["--ckpt_path", str(checkpoint)] if has_start else []
    return f"stopped; goes on with: {PROGRAM} {shlex.join([*command, *start])}"


def _steps(trainer: Trainer, module: LightningModule, folder: Path) -> Iterator[tuple[str, list[str]]]:
    data, config = trainer.datamodule, str(folder / "config.yaml")  # type: ignore[attr-defined]
    again = ["fit", "--config", config]
    if isinstance(module, ContrastiveModule):
        if type(module).__name__ != "SimCLR":
            yield "another objective", [*again, "--config", "objective/simclr"]
        elif data.graph is not None:
            yield "another objective", [*again, "--config", "objective/xclr"]
        if now := module.hparams.get("target_temperature"):
            tried = _suggested(trainer) or now / 2
            if tried != now:
                target = "a sharper target" if tried < now else "a softer target"
                yield target, [*again, "--model.target_temperature", f"{tried:g}"]
    if (checkpoint := last_checkpoint(folder)) is None:
        return
    if data.val is not None:
        yield "evaluate again", ["test", "--config", config, "--ckpt_path", str(checkpoint)]
    images = ["--images", str(data.val or data.train)]
    yield "its features", ["embed", "--ckpt", str(checkpoint), *images, "--output", "features.parquet"]


def _suggested(trainer: Trainer) -> float | None:
    """The τ_s that the report on the graph would begin with, where it is another one."""
    reports = (one for one in trainer.callbacks if isinstance(one, GraphReport))  # type: ignore[attr-defined]
    return next((one.suggested for one in reports), None)
