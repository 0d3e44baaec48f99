"""What a checkpoint says of its model: the lowest layer of a config."""

import json
from pathlib import Path
from typing import Any

import timm
import torch
import yaml

from xclr_lightning.errors import UserError, did_you_mean


def checkpoint_model(path: str) -> dict[str, Any] | None:
    """Read the model section that a checkpoint was trained with: ``class_path`` and ``init_args``; None if it has none.

    Raises:
        UserError: The file is missing or no checkpoint.
    """
    if path in ("last", "best", "hpc", "registry"):
        return None
    if not Path(path).expanduser().is_file():
        raise UserError(
            f"no checkpoint {path}: give the path of a .ckpt file, as in runs/demo/0/checkpoints/last.ckpt, or the "
            f"name of a timm model{did_you_mean(path.partition('.')[0], timm.list_models())}"
        )
    try:
        stored = torch.load(Path(path).expanduser(), map_location="cpu", weights_only=True, mmap=True)
        settings = dict(stored.get("hyper_parameters", {}))
    except Exception as error:  # torch's own, pickle's, zip's
        raise UserError(f"{path} cannot be read as a checkpoint: {str(error).splitlines()[0]}") from error
    settings.pop("_instantiator", None)
    class_path = settings.pop("_class_path", None)
    return None if class_path is None else {"class_path": class_path, "init_args": settings}


def lay_below(arguments: list[str], model: dict[str, Any], folder: Path) -> list[str]:
    """Put a model section below every config of a command line, through a config file written to ``folder``."""
    file = folder / "checkpoint.yaml"
    file.write_text(yaml.safe_dump({"model": model}))
    return [arguments[0], "--config", str(file), *arguments[1:]]


def differences(model: dict[str, Any], checkpoint: dict[str, Any]) -> list[str]:
    """Settings of a model that differ from its checkpoint's, as ``name value (checkpoint: value)``.

    Example:
        >>> differences({"class_path": "m.A", "init_args": {"t": 1}}, {"class_path": "m.A", "init_args": {"t": 2}})
        ['t 1 (checkpoint: 2)']
    """
    ours, theirs = ({"class": m["class_path"], **(m.get("init_args") or {})} for m in (model, checkpoint))
    return [
        f"{name} {ours[name]} (checkpoint: {theirs[name]})"
        for name in ours
        if name in theirs and json.dumps(ours[name], default=str) != json.dumps(theirs[name], default=str)
    ]
