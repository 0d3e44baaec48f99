"""The settings of a run, as its folder has them, and short names of settings."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_NAME = re.compile(r"config(?:-(\d+))?\.yaml")


def run_configs(folder: Path) -> list[Path]:
    """``config.yaml``, ``config-2.yaml``, … of a run folder, the last being of its last start; none elsewhere."""
    named = ((file, _NAME.fullmatch(file.name)) for file in folder.glob("config*.yaml"))
    return [file for _, file in sorted((int(match[1] or 1), file) for file, match in named if match)]


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


def _end(parts: list[str], length: int) -> str:
    return ".".join(parts[-length:])


def _flat(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _flat(item, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, value
