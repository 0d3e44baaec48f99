"""What can be done with a finished run, and how one that was stopped goes on: as commands."""

from collections.abc import Iterator
from pathlib import Path

from lightning import LightningModule, Trainer

from xclr_lightning.objectives.module import ContrastiveModule
from xclr_lightning.resume import newest_checkpoint
from xclr_lightning.run_config import run_configs

PROGRAM = "python -m xclr_lightning"


def next_steps(trainer: Trainer, module: LightningModule, folder: Path) -> str:
    """What to try after training: only what the objective and its data allow."""
    steps = list(_steps(trainer, module, folder))
    width = max(len(name) for name, _ in steps)
    return "\n".join(["what to try", *(f"  {name:<{width}}   {PROGRAM} {command}" for name, command in steps)])


def how_to_go_on(folder: Path, has_start: bool) -> str:
    """What to type after training was stopped, or that there is nothing to go on from.

    Args:
        folder: The run folder.
        has_start: Whether its config names a checkpoint to start from, as it would again.
    """
    checkpoint, configs = newest_checkpoint(folder), run_configs(folder)
    if checkpoint is None or not configs:
        return f"stopped before there was a checkpoint in {folder}: the same command begins anew"
    command = f"{PROGRAM} fit --config {configs[-1]} --run_dir {folder}"
    return f"stopped; goes on with: {command}{f' --ckpt_path {checkpoint}' if has_start else ''}"


def _steps(trainer: Trainer, module: LightningModule, folder: Path) -> Iterator[tuple[str, str]]:
    data, config = trainer.datamodule, folder / "config.yaml"  # type: ignore[attr-defined]
    again = f"fit --config {config}"
    if isinstance(module, ContrastiveModule):
        if type(module).__name__ != "SimCLR":
            yield "another objective", f"{again} --config objective/simclr"
        elif data.graph is not None:
            yield "another objective", f"{again} --config objective/xclr"
        if sharpness := module.hparams.get("target_temperature"):
            yield "a sharper target", f"{again} --model.target_temperature {sharpness / 2:g}"
    if (checkpoint := newest_checkpoint(folder)) is None:
        return
    if data.val is not None:
        yield "evaluate again", f"test --config {config} --ckpt_path {checkpoint}"
    yield "its features", f"embed --ckpt {checkpoint} --images {data.val or data.train} --output features.parquet"
