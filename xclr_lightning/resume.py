"""Going on with a run: from the newest checkpoint in its folder."""

from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError


def option(arguments: list[str], name: str) -> str | None:
    """The last value given for ``--name``.

    Example:
        >>> option(["fit", "--run_dir", "a", "--run_dir=b"], "run_dir")
        'b'
    """
    value = None
    for argument, following in zip(arguments, [*arguments[1:], None], strict=True):
        if argument == f"--{name}":
            value = following
        elif argument.startswith(f"--{name}="):
            value = argument.partition("=")[2]
    return value


def going_on(arguments: list[str]) -> list[str]:
    """Let ``fit`` in the folder of an earlier run start from its newest checkpoint, unless one is given.

    Args:
        arguments: A command line, with each ``--config`` a file.

    Returns:
        The same, with ``--ckpt_path`` if there is something to go on from.
    """
    if arguments[0] != "fit" or option(arguments, "ckpt_path"):
        return arguments
    folder = option(arguments, "run_dir") or _configured(arguments)
    newest = newest_checkpoint(Path(folder).expanduser()) if folder else None
    return [*arguments, "--ckpt_path", str(newest)] if newest else arguments


def newest_checkpoint(folder: Path) -> Path | None:
    """A run's last checkpoint, or the one that Lightning wrote when SLURM took the machine away."""
    found = [*folder.glob("checkpoints/last.ckpt"), *folder.glob("hpc_ckpt_*.ckpt")]
    return max(found, key=lambda file: file.stat().st_mtime_ns, default=None)


def _configured(arguments: list[str]) -> str | None:
    """``run_dir`` as the last config has it that has one."""
    folder = None
    for argument, following in pairwise(arguments):
        if argument == "--config":
            with suppress(YAMLError, OmegaConfBaseException):  # which the parser will say better
                folder = OmegaConf.select(OmegaConf.load(following), "run_dir") or folder
    return folder
