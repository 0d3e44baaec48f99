"""Going on with a run: from the last checkpoint in its folder."""

from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

# In a run folder.
LAST = Path("checkpoints/last.ckpt")


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
    """Let ``fit`` in the folder of an earlier run start from its last checkpoint, unless one is given.

    Args:
        arguments: A command line, with each ``--config`` a file; ``--ckpt_path null`` begins anew.

    Returns:
        The same, with ``--ckpt_path`` if there is something to go on from.
    """
    if arguments[0] != "fit" or setting(arguments, "ckpt_path"):
        return arguments
    folder = setting(arguments, "run_dir")
    last = last_checkpoint(Path(folder).expanduser()) if folder else None
    return [*arguments, "--ckpt_path", str(last)] if last else arguments


def setting(arguments: list[str], name: str) -> str | None:
    """A setting as the command line gives it, else as the last config does that has it."""
    value = option(arguments, name)
    for argument, following in pairwise(reversed(arguments)):
        if value is None and following == "--config":
            with suppress(YAMLError, OmegaConfBaseException):  # which the parser will say better
                found = OmegaConf.select(OmegaConf.load(argument), name)
                value = found if isinstance(found, str) else None
    return value


def last_checkpoint(folder: Path) -> Path | None:
    """A run's last checkpoint, if there is one."""
    return folder / LAST if (folder / LAST).is_file() else None
