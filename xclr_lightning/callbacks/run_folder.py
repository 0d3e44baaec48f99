"""The run folder: config, environment, metrics as JSON and CSV, how they were measured, a link to the graph."""

import csv
import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from xclr_lightning.callbacks.environment import environment
from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.callbacks.secrets import without_secrets
from xclr_lightning.errors import UserError
from xclr_lightning.strict_json import as_json, read_mapping

METRICS = "metrics.json"
PROTOCOL = "protocol.json"


def new_run_folder(chosen: str | None, name: str) -> Path:
    """The folder that was asked for, else the first unused ``runs/NAME/N``; a run may go on in the folder it began in.

    Only the first of several processes makes it, which is the one that writes.

    Raises:
        UserError: It cannot be written.
    """
    root = Path("runs") / name
    used = [int(folder.name) for folder in root.glob("*") if folder.name.isdigit()]
    folder = Path(chosen).expanduser() if chosen else root / str(max(used, default=-1) + 1)
    # As torchrun, Lightning and SLURM tell a process its number, before there is a group of them.
    if any(int(os.environ.get(name, 0)) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID")):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; choose another place with --run_dir") from error
    return folder


class RunFolder(Callback):
    """Writes ``config.yaml``, ``metrics.json``, ``metrics.csv`` and the link ``graph``, on the first process.

    ``metrics.csv`` has a row for each epoch of training, and one without epoch and step for the last ``validate`` or
    ``test``. ``protocol.json`` says for each evaluation which numbers it logged by which settings, by the name of its
    class, ``KNN-2`` being a second of one class; TensorBoard has the same among its hyperparameters.
    ``environment.json`` says on what software and hardware, by which command and at which commit the run was started;
    what was not committed is in ``uncommitted.patch``.

    A run that goes on in its folder, or is evaluated there, keeps what is there: its config becomes ``config-2.yaml``,
    beside it is ``environment-2.json``, its rows are appended, and of its numbers those that are measured again are
    replaced.

    Args:
        folder: Where to write.
        config: The whole config, as YAML.
        arguments: The command line, without the program.
    """

    def __init__(self, folder: Path, config: str, arguments: Sequence[str] = ()) -> None:
        self.folder, self.config, self.arguments = folder, config, arguments
        self._metrics: dict[str, Any] = {}
        self._protocols: dict[str, Any] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not trainer.is_global_zero:
            return
        # Without the folder of this run, so that the file can be used again.
        config = without_secrets(yaml.safe_load(self.config)) | {"run_dir": None}
        if stage != "fit" or config.get("ckpt_path"):  # else it begins anew
            self._metrics, self._protocols = (read_mapping(self.folder / name) for name in (METRICS, PROTOCOL))
        number = next(n for n in count(1) if not (self.folder / _numbered("config.yaml", n)).exists())
        (self.folder / _numbered("config.yaml", number)).write_text(yaml.safe_dump(config, sort_keys=False))
        facts = environment(self.arguments, trainer.world_size, self.folder, number)
        (self.folder / _numbered("environment.json", number)).write_text(as_json(facts), encoding="utf-8")
        graph = getattr(trainer.datamodule, "graph_folder", None)  # type: ignore[attr-defined]
        link = self.folder / "graph"
        if graph is not None:
            link.unlink(missing_ok=True)
            link.symlink_to(graph.absolute(), target_is_directory=True)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._write(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "validate":
            self._write(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._write(trainer)
        self._log_protocols(trainer)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._log_protocols(trainer)

    def _write(self, trainer: Trainer) -> None:
        # In every process: numbers of all of them are put together when they are first read.
        metrics = {name: value.item() for name, value in sorted(trainer.callback_metrics.items())}
        if not trainer.is_global_zero:
            return
        _replace(self.folder / METRICS, as_json(dict(sorted((self._metrics | metrics).items()))))
        fresh = {name: value for name, value in metrics.items() if not _is_old(name, trainer)}
        # What a checkpoint is evaluated by is no epoch of training.
        epoch, step = (trainer.current_epoch, trainer.global_step) if trainer.state.fn == "fit" else ("", "")
        append_row(self.folder / "metrics.csv", {"epoch": epoch, "step": step, **fresh})
        if protocols := _protocols(trainer):
            earlier = _less(self._protocols, {name for _, protocol in protocols for name in protocol["logged"]})
            _replace(self.folder / PROTOCOL, as_json(_by_class([*earlier, *protocols])))

    def _log_protocols(self, trainer: Trainer) -> None:
        protocols = _by_class(_protocols(trainer))
        settings = {
            f"{name}/{setting}": value if isinstance(value, bool | int | float) else str(value)
            for name, protocol in protocols.items()
            for setting, value in protocol.items()
            if setting != "logged"
        }
        metrics = trainer.callback_metrics
        numbers = {name: metrics[name].item() for protocol in protocols.values() for name in protocol["logged"]}
        for logger in trainer.loggers if numbers and trainer.is_global_zero else ():
            if isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(settings, numbers, trainer.global_step)


def _is_old(name: str, trainer: Trainer) -> bool:
    """Whether Lightning has a number still from an earlier epoch."""
    if name.startswith("val/"):
        return trainer.state.fn == "fit" and (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) != 0
    return any(name in one.logged and one.ran_at != trainer.global_step for one in _evaluations(trainer))


def _evaluations(trainer: Trainer) -> list[Evaluation]:
    return [one for one in trainer.callbacks if isinstance(one, Evaluation)]  # type: ignore[attr-defined]


def _protocols(trainer: Trainer) -> list[tuple[str, dict[str, Any]]]:
    """Of the evaluations that have logged something, by the names of their classes."""
    evaluations = (one for one in _evaluations(trainer) if one.logged)
    return [(type(one).__name__, {"logged": one.logged, **one.protocol()}) for one in evaluations]


def _less(protocols: dict[str, Any], again: set[str]) -> list[tuple[str, dict[str, Any]]]:
    """Protocols of a file, as far as their numbers were not measured again."""
    left = []
    for key, protocol in protocols.items():
        if logged := [name for name in protocol["logged"] if name not in again]:
            left.append((key.partition("-")[0], protocol | {"logged": logged}))
    return left


def _by_class(protocols: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, protocol in reversed(protocols):  # the evaluation that a config has a group for is the last of its class
        found[next(key for n in count(1) if (key := _numbered(name, n)) not in found)] = protocol
    return dict(reversed(found.items()))


def append_row(file: Path, row: dict[str, Any]) -> None:
    """Add a row to a CSV file, with new columns where it has new names; a row of the same step is replaced."""
    rows: list[dict[str, Any]] = []
    if file.exists():
        with file.open(newline="") as opened:
            rows = [known for known in csv.DictReader(opened) if known["step"] != str(row["step"])]
    rows.append(row)
    columns = list(dict.fromkeys(name for known in rows for name in known))
    draft = file.with_suffix(".draft")
    with draft.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, columns)
        writer.writeheader()
        writer.writerows(rows)
    os.replace(draft, file)


def _numbered(name: str, number: int) -> str:
    """``config.yaml``, ``config-2.yaml``, …: the name itself for the first of a kind."""
    stem, dot, suffix = name.partition(".")
    return name if number == 1 else f"{stem}-{number}{dot}{suffix}"


def _replace(file: Path, text: str) -> None:
    draft = file.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, file)
