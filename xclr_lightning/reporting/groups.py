"""Runs that differ in nothing but their seed."""

import json
import logging
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from xclr_lightning.errors import UserError, did_you_mean
from xclr_lightning.reporting.run import Run
from xclr_lightning.reporting.statistics import Paired, Spread, paired, spread
from xclr_lightning.run_config import flat, graph_parts, short_names

# What runs of one setting may differ in.
_OWN = ("seed_everything", "run_dir", "data.init_args.graph.init_args.seed")

# Letters of a value in a name.
LONGEST = 32

log = logging.getLogger(__name__)


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

    @property
    def graph(self) -> dict[str, Any]:
        """Settings of its graph, but for whether its captions are permuted; none where it has no graph."""
        settings = _settings(self.runs[0], "seed", "shuffled")
        return {key: value for key, value in settings.items() if key.startswith("data.init_args.graph.")}

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

    A group is called what its comparison calls it, else by the settings in which groups differ. Of two runs by one
    setting and seed the newer one counts, which is said.
    """
    members: dict[str, dict[int, Run]] = {}
    settings: dict[str, dict[str, Any]] = {}
    for run in sorted(runs, key=lambda run: run.ended):
        one = _settings(run, "seed")
        key = json.dumps([run.name, one], sort_keys=True, default=str)
        if older := members.setdefault(key, {}).pop(run.seed, None):
            log.warning("%s is left out: %s has the same settings and seed, and is newer", older.folder, run.folder)
        members[key][run.seed] = run
        settings[key] = one
    places = {run.folder: place for place, run in enumerate(runs)}
    keys = sorted(members, key=lambda key: min(places[run.folder] for run in members[key].values()))
    names = _names([next(iter(members[key].values())).name for key in keys], [settings[key] for key in keys])
    return [
        Group(name, [run for _, run in sorted(members[key].items())], settings[key])
        for name, key in zip(names, keys, strict=True)
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


def _settings(run: Run, *less: str) -> dict[str, Any]:
    """Its config, flat, but for what goes with the seed, and other settings of the graphs that its graph is made of."""
    config = deepcopy(run.config)
    for part in graph_parts(config):
        part["init_args"] = {name: value for name, value in (part.get("init_args") or {}).items() if name not in less}
    # Whether weights came from elsewhere is a setting; from where is not.
    origin = "of another run" if run.origin else None
    return {key: value for key, value in flat(config).items() if key not in _OWN} | {"ckpt_path": origin}


def _names(given: Sequence[str | None], settings: Sequence[dict[str, Any]]) -> list[str]:
    """A name a group, in which long values are cut, unless that makes two alike."""
    found = _told_apart(given, settings, LONGEST)
    return found if len(set(found)) == len(found) else _told_apart(given, settings, None)


def _told_apart(given: Sequence[str | None], settings: Sequence[dict[str, Any]], longest: int | None) -> list[str]:
    """A comparison's names, with what tells a group from others of its name, or else what tells it from all."""
    found = []
    for name, own in zip(given, settings, strict=True):
        told = varying([other for known, other in zip(given, settings, strict=True) if name in (None, known)])
        objective = str(own.get("model.class_path", "run")).rpartition(".")[2]
        short = short_names(told)
        rest = [key for key in told if own.get(key) is not None and (name or key != "model.class_path")]
        found.append(", ".join([name or objective, *(f"{short[key]} {_cut(str(own[key]), longest)}" for key in rest)]))
    return found


def _cut(text: str, longest: int | None) -> str:
    """The end of it, which is what tells files of one folder apart."""
    return text if longest is None or len(text) <= longest else f"…{text[-longest:]}"
