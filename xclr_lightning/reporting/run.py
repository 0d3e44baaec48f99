"""A finished run, as its folder tells of it."""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from xclr_lightning.comparison.runs import read_record
from xclr_lightning.errors import UserError


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

    @property
    def seed(self) -> int:
        """Of everything that is random."""
        return int(self.config.get("seed_everything") or 0)

    @property
    def name(self) -> str | None:
        """What the comparison calls it that it is part of; None for other runs."""
        name = read_record(self.folder).get("name")
        return None if name is None else str(name)

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """Metrics by epoch, with ``epoch`` and ``step``; an evaluation's number is there where it was measured."""
        file = self.folder / "metrics.csv"
        if not file.is_file():
            return []
        with file.open(newline="") as opened:
            rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(opened)]
        return sorted(rows, key=lambda row: row["step"])

    def measured(self) -> dict[str, bool]:
        """Names of the evaluations' numbers, and whether each is a share to be shown in percent."""
        return {name: bool(p.get("percent")) for p in self.protocols.values() for name in p["logged"]}


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
    newest = max(folder.glob("config*.yaml"), key=lambda file: file.stat().st_mtime_ns)
    try:
        protocol = folder / "protocol.json"
        return Run(
            folder,
            yaml.safe_load(newest.read_text()),
            json.loads((folder / "metrics.json").read_text()),
            json.loads(protocol.read_text()) if protocol.is_file() else {},
        )
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{folder} cannot be read as a run: {str(error).splitlines()[0]}") from error
