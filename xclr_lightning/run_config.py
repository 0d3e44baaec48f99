"""The settings of a run, as its folder has them; short names of settings."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from xclr_lightning.strict_json import read_mapping

# In the folder of a comparison's run, from its start: what it was started with, and its time once it is complete.
RECORD = "comparison.json"

_NAME = re.compile(r"config(?:-(\d+))?\.yaml")


def run_configs(folder: Path) -> list[Path]:
    """``config.yaml``, ``config-2.yaml``, … of a run folder, the last being of its last start; none elsewhere."""
    named = ((file, _NAME.fullmatch(file.name)) for file in folder.glob("config*.yaml"))
    return [file for _, file in sorted((int(match[1] or 1), file) for file, match in named if match)]


def read_record(folder: Path) -> dict[str, Any]:
    """What a run of a comparison was started with, and how long it took if it is complete; nothing for other runs."""
    return read_mapping(folder / RECORD)


def graph_parts(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Settings of the graphs that a config's graph is made of: of it alone, unless it is made of others.

    Example:
        >>> captions = {"class_path": "CaptionGraph", "init_args": {"seed": 0}}
        >>> graph = {"class_path": "WeightedSum", "init_args": {"graphs": [captions], "weights": [1.0]}}
        >>> graph_parts({"data": {"init_args": {"graph": graph}}})
        [{'class_path': 'CaptionGraph', 'init_args': {'seed': 0}}]
    """
    return list(_parts(_at(config, "data", "init_args", "graph")))


def flat(config: Any) -> dict[str, Any]:
    """A config with dotted names.

    Example:
        >>> flat({"model": {"lr": 0.1, "heads": [1, 2], "kwargs": {}}})
        {'model.lr': 0.1, 'model.heads': [1, 2], 'model.kwargs': {}}
    """
    return dict(_flat(config, ""))


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """As much of the end of each dotted name as tells it from the others.

    Example:
        >>> list(short_names(["model.init_args.lr", "linear_probe.lr", "model.init_args.temperature"]).values())
        ['model.lr', 'linear_probe.lr', 'temperature']
    """
    parts = {key: [part for part in key.split(".") if part != "init_args"] for key in dict.fromkeys(keys)}
    return {
        key: next(
            (
                end
                for length in range(1, len(own) + 1)
                if [_end(other, length) for other in parts.values()].count(end := _end(own, length)) == 1
            ),
            key,
        )
        for key, own in parts.items()
    }


def _at(config: Any, *names: str) -> Any:
    for name in names:
        config = config.get(name) if isinstance(config, dict) else None
    return config


def _parts(graph: Any) -> Iterator[dict[str, Any]]:
    inner = [one for one in (_at(graph, "init_args", "graph"), *(_at(graph, "init_args", "graphs") or [])) if one]
    for one in inner:
        yield from _parts(one)
    if not inner and isinstance(graph, dict):
        yield graph


def _end(parts: list[str], length: int) -> str:
    return ".".join(parts[-length:])


def _flat(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _flat(item, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, value
