"""Runs that differ in nothing but their seed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from xclr_lightning.errors import UserError, did_you_mean
from xclr_lightning.reporting.run import Run
from xclr_lightning.reporting.statistics import Paired, Spread, paired, spread

# What runs of one setting may differ in.
_OWN = ("seed_everything", "run_dir", "ckpt_path", "data.init_args.graph.init_args.seed")


@dataclass(frozen=True)
class Group:
    """Runs of one setting.

    Attributes:
        name: What a table calls it.
        runs: By seed.
        settings: Its config, flat: ``model.init_args.lr`` → 0.1.
    """

    name: str
    runs: list[Run]
    settings: dict[str, Any]

    def spread(self, metric: str) -> Spread:
        """Mean and deviation of a metric over its runs that have it."""
        return spread([run.metrics[metric] for run in self.runs if metric in run.metrics])

    def against(self, other: "Group", metric: str) -> Paired:
        """Difference to another group over the seeds that both have."""
        ours, theirs = ({run.seed: run.metrics[metric] for run in group.runs if metric in run.metrics}
                        for group in (self, other))  # fmt: skip
        seeds = sorted(ours.keys() & theirs.keys())
        return paired([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds])


def group_runs(runs: Sequence[Run]) -> list[Group]:
    """Put runs together that differ in their seed alone, in the order in which they come.

    A group is called what its comparison calls it, else by the settings in which groups differ.
    """
    members: dict[str, list[Run]] = {}
    settings: dict[str, dict[str, Any]] = {}
    for run in runs:
        flat = {key: value for key, value in _flat(run.config) if key not in _OWN}
        key = run.name or json.dumps(flat, sort_keys=True, default=str)
        members.setdefault(key, []).append(run)
        settings[key] = flat
    told = varying(list(settings.values()))
    return [
        Group(group[0].name or _described(settings[key], told), sorted(group, key=lambda run: run.seed), settings[key])
        for key, group in members.items()
    ]


def named(groups: Sequence[Group], name: str) -> Group:
    """The group of a name.

    Raises:
        UserError: There is none.
    """
    for group in groups:
        if group.name == name:
            return group
    known = [group.name for group in groups]
    raise UserError(f"no row {name!r} to compare with: there is {'; '.join(known)}{did_you_mean(name, known)}")


def varying(settings: Sequence[dict[str, Any]]) -> list[str]:
    """Settings in which groups differ, in the order in which a config has them."""
    keys = dict.fromkeys(key for each in settings for key in each)
    return [key for key in keys if len({json.dumps(each.get(key), default=str) for each in settings}) > 1]


def _described(settings: dict[str, Any], told: Sequence[str]) -> str:
    """``XCLR, lr 0.1``."""
    objective = str(settings.get("model.class_path", "run")).rpartition(".")[2]
    rest = [key for key in told if key in settings and key != "model.class_path"]
    return ", ".join([objective, *(f"{_short(key)} {settings[key]}" for key in rest)])


def _short(key: str) -> str:
    """``model.init_args.lr`` → ``lr``."""
    return key.rpartition(".")[2]


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _flat(item, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, value
