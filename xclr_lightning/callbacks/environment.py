"""What a run ran on: software, hardware, command, and the state of the code."""

import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from xclr_lightning.callbacks.git_state import git_state
from xclr_lightning.callbacks.secrets import command_line

PACKAGES = (
    "xclr-lightning", "torch", "torchvision", "timm", "lightning", "sentence-transformers", "transformers", "numpy",
)  # fmt: skip


def environment(arguments: Sequence[str], world_size: int, folder: Path, number: int) -> dict[str, Any]:
    """Describe the environment of a run, as JSON can hold it; changes that are not committed are kept as patches.

    Args:
        arguments: The command line, without the program.
        world_size: Processes that train together.
        folder: The run folder, for the patches.
        number: Of the start of the run in its folder, from 1.
    """
    return {
        "command": command_line(arguments),
        "began": datetime.now().astimezone().isoformat(timespec="seconds"),
        "folder": os.getcwd(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": platform.node(),
        "cpus": cpus(),
        "gpus": [torch.cuda.get_device_name(device) for device in range(torch.cuda.device_count())],
        "cuda": torch.version.cuda,
        "driver": _driver(),
        "world_size": world_size,
        "packages": {name: _version(name) for name in PACKAGES},
        **git_state(folder, number),
    }


def cpus() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _driver() -> str | None:
    with suppress(OSError):
        return Path("/proc/driver/nvidia/version").read_text().splitlines()[0]
    return None


def _version(package: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(package)
    return None
