"""Which runs a comparison consists of: every objective with every value of what is varied, over every seed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from xclr_lightning.config_files import find_config, shipped_configs
from xclr_lightning.errors import UserError

# Options of ``fit`` for the objective as the config has it, and what a table calls that.
AS_CONFIGURED = "as configured"
CONTROL = "captions permuted"


@dataclass(frozen=True)
class Row:
    """One way to train, which all seeds share: a row of the table.

    Attributes:
        objective: As it was named on the command line.
        varied: What else sets it apart, setting → value.
        arguments: Options of ``fit`` that make it so.
        control: Whether its graph's captions are permuted.
    """

    objective: str
    varied: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...]
    control: bool = False

    @property
    def name(self) -> str:
        """What a table calls it.

        Example:
            >>> Row("xclr", (("data.train_share", "0.1"),), (), control=True).name
            'xclr, train_share 0.1, captions permuted'
        """
        varied = [
            Path(value).stem if key == "config" else f"{key.rpartition('.')[2]} {value}" for key, value in self.varied
        ]
        return ", ".join([self.objective, *varied, *([CONTROL] if self.control else [])])

    def folder(self, root: Path, seed: int) -> Path:
        """Where its run of a seed is."""
        return root / re.sub(r"[^\w.=+-]+", "-", self.name).strip("-") / f"seed-{seed}"


def rows(objectives: Sequence[str], varied: Sequence[tuple[str, Sequence[str]]]) -> list[Row]:
    """Cross objectives with all values of all settings.

    Args:
        objectives: Shipped overlays of the folder ``objective``, config files, or classes; none for the config's own.
        varied: Settings and their values; of the setting ``config``, these are configs that are laid over.

    Raises:
        UserError: A config that is named does not exist.
    """
    found = []
    for objective in objectives or [AS_CONFIGURED]:
        for values in product(*(values for _, values in varied)):
            chosen = tuple((key, value) for (key, _), value in zip(varied, values, strict=True))
            overlays = [find_config(value) for key, value in chosen if key == "config"]
            options = [f"--{key}={value}" for key, value in chosen if key != "config"]
            arguments = [*objective_arguments(objective), *(f"--config={file}" for file in overlays), *options]
            found.append(Row(Path(objective).stem, chosen, tuple(arguments)))
    names = [row.name for row in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"compare: {twice!r} is there twice; give each objective and each value once")
    return found


def objective_arguments(objective: str) -> list[str]:
    """Options of ``fit`` for an objective.

    Example:
        >>> objective_arguments("mine.NearestOnly")
        ['--model=mine.NearestOnly']
    """
    if objective == AS_CONFIGURED:
        return []
    for name in (f"objective/{objective.removesuffix('.yaml')}", objective):
        if name in shipped_configs() or Path(name).is_file():
            return [f"--config={find_config(name)}"]
    if objective.islower() and "." not in objective:  # no class is called so
        shipped = [name.removeprefix("objective/") for name in shipped_configs() if name.startswith("objective/")]
        raise UserError(f"compare: no objective {objective!r}: expected {', '.join(shipped)}, a config or a class")
    return [f"--model={objective}"]
