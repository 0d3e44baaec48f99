"""A finished run, as its folder tells of it."""

import csv
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from xclr_lightning.errors import UserError
from xclr_lightning.run_config import read_record, run_configs

# Accuracies that an objective logs by itself, without an evaluation: LinearProbe's.
_ACCURACY = re.compile(r"(?!train/).+/top[15]")


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes:
        folder: Where it is.
        config: Its settings.
        metrics: Name → last value.
        protocols: Evaluation → the numbers that it logged, and its settings.
    """

    folder: Path
    config: dict[str, Any]
    metrics: dict[str, float]
    protocols: dict[str, dict[str, Any]]

    @cached_property
    def origin(self) -> Path | None:
        """The checkpoint of another run that it started from; None for one that started, or went on, by itself."""
        checkpoint = self.config.get("ckpt_path")
        if not checkpoint:
            return None
        path = Path(checkpoint).expanduser()
        return None if self.folder.resolve() in path.resolve().parents else path

    @cached_property
    def seed(self) -> int:
        """Of everything that is random; of a run that started from another's checkpoint, the other's."""
        config = self.config
        if self.origin and (configs := run_configs(self.origin.absolute().parent.parent)):
            config = _config(configs[-1])
        return int(config.get("seed_everything") or 0)

    @property
    def name(self) -> str | None:
        """What the comparison calls it that it is part of; None for other runs."""
        name = read_record(self.folder).get("name")
        return None if name is None else str(name)

    @property
    def ended(self) -> float:
        """When it last wrote numbers, in seconds since 1970."""
        return (self.folder / "metrics.json").stat().st_mtime

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """Metrics by epoch of training, with ``epoch`` and ``step``; an evaluation's are there where it was made.

        Raises:
            UserError: It cannot be read.
        """
        file = self.folder / "metrics.csv"
        if not file.is_file():
            return []
        try:
            with file.open(newline="") as opened:
                # Rows of validate and test have no step, or 0 in earlier versions.
                trained = (row for row in csv.DictReader(opened) if float(row["step"] or 0))
                rows = [{name: float(value) for name, value in row.items() if value} for row in trained]
            return sorted(rows, key=lambda row: (row["step"], row["epoch"]))
        except (KeyError, OSError, TypeError, ValueError, csv.Error) as error:
            raise UserError(f"{self.folder}: metrics.csv is not as a run writes it: {_line(error)}") from error

    @property
    def unfinished(self) -> str | None:
        """How far it trained, if not to its end, such as ``epoch 24 of 400``."""
        trainer = self.config.get("trainer") or {}
        epochs, steps = trainer.get("max_epochs") or -1, trainer.get("max_steps") or -1
        trained = [row for row in self.history if any(name.startswith("train/") for name in row)]
        if not trained or 0 < steps <= trained[-1]["step"] or trained[-1]["epoch"] + 1 >= epochs:
            return None
        return f"epoch {trained[-1]['epoch'] + 1:g} of {epochs}"

    def measured(self) -> dict[str, bool]:
        """Names of the numbers that it is judged by, and whether each is a share to be shown in percent."""
        found = {name: bool(p.get("percent")) for p in self.protocols.values() for name in p["logged"]}
        return {name: True for name in self.metrics if _ACCURACY.fullmatch(name)} | found


def find_runs(places: Iterable[str | Path]) -> list[Run]:
    """Read runs from their folders, or from folders that hold some at any depth.

    Raises:
        UserError: A place does not exist or holds no finished run, or a file of one cannot be read.
    """
    found: dict[Path, Run] = {}
    for place in places:
        root = Path(place).expanduser()
        if not root.is_dir():
            raise UserError(f"no folder {root}: give run folders, such as runs/demo/0, or a folder that holds some")
        folders = sorted(file.parent for file in root.rglob("metrics.json") if (file.parent / "config.yaml").is_file())
        if not folders:
            raise UserError(f"no run in {root}: a run that finished an epoch has metrics.json and config.yaml")
        found |= {folder.resolve(): _read(folder) for folder in folders}
    return list(found.values())


def _read(folder: Path) -> Run:
    protocol = folder / "protocol.json"
    found = _mapping(folder / "metrics.json", json.loads)
    metrics = {name: math.nan if value is None else value for name, value in found.items()}
    protocols = _mapping(protocol, json.loads) if protocol.is_file() else {}
    if wrong := [name for name, value in metrics.items() if not isinstance(value, int | float)]:
        raise UserError(f"{folder} cannot be read as a run: metrics.json has {wrong[0]}, which is no number")
    for name, one in protocols.items():
        if not (isinstance(one, dict) and isinstance(one.get("logged"), list)):
            raise UserError(f"{folder} cannot be read as a run: protocol.json does not say what {name} logged")
    return Run(folder, _config(run_configs(folder)[-1]), metrics, protocols)


def _config(file: Path) -> dict[str, Any]:
    config = _mapping(file, yaml.safe_load)
    if not isinstance(config.get("seed_everything"), int | None) or not isinstance(config.get("trainer"), dict | None):
        raise UserError(f"{file.parent} cannot be read as a run: {file.name} is no config of one")
    return config


def _mapping(file: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        found = parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{file.parent} cannot be read as a run: {file.name}: {_line(error)}") from error
    if not isinstance(found, dict):
        raise UserError(f"{file.parent} cannot be read as a run: {file.name} has no names with values")
    return found


def _line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]
