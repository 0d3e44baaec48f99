"""Which runs a comparison consists of: every objective with every value of what is varied, over every seed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from pathlib import Path

from xclr_lightning.config_files import find_config, shipped_configs
from xclr_lightning.errors import UserError
from xclr_lightning.run_config import short_names

# Options of ``fit`` for the objective as the config has it, and what a table calls that.
AS_CONFIGURED = "as configured"
CONTROL = "captions permuted"

# Characters of a row's folder before it is cut; file systems take 255.
LONGEST = 100


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
        short = short_names(key for key, _ in self.varied)
        varied = [value if key == "config" else f"{short[key]} {value}" for key, value in self._told]
        return ", ".join([self.objective, *varied, *([CONTROL] if self.control else [])])

    @property
    def _told(self) -> list[tuple[str, str]]:
        return [(key, _stem(value) if key == "config" else value) for key, value in self.varied]

    def folder(self, root: Path, seed: int) -> Path:
        """Where its run of a seed is: no two names have one place.

        Example:
            >>> Row("xclr", (("data.train_share", "0.1"),), (), control=True).folder(Path("runs"), 3).as_posix()
            'runs/xclr-train_share-0.1-captions-permuted/seed-3'
            >>> Row("xclr", (("knn.k", "[1,3]"),), ()).folder(Path("runs"), 3).as_posix()
            'runs/xclr-k-1-3-3e7ea6/seed-3'
        """
        place = re.sub(r"[^\w.=+-]+", "-", self.name)
        given = "".join([self.objective.replace(AS_CONFIGURED, ""), *(value for _, value in self._told)])
        if re.search(r"[^\w.=+-]", given) or len(place) > LONGEST:
            place = f"{place[:LONGEST].strip('-')}-{sha256(self.name.encode()).hexdigest()[:6]}"
        return root / place / f"seed-{seed}"

    def fit(self, common: Sequence[str]) -> list[str]:
        """Options of ``fit`` for it: configs before all else, as what the command line says wins over them.

        Args:
            common: Options that all rows share, each ``--config`` with its file in the next argument.
        """
        configs, others = split_configs(common)
        own = [argument for argument in self.arguments if argument.startswith("--config=")]
        return [
            *(f"--config={file}" for file in configs),
            *own,
            *others,
            *(argument for argument in self.arguments if argument not in own),
        ]


def split_configs(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Files of ``--config FILE``, and everything else.

    Example:
        >>> split_configs(["--model.lr", "0.1", "--config", "demo.yaml"])
        (['demo.yaml'], ['--model.lr', '0.1'])
    """
    values = [number for number, argument in enumerate(arguments) if number and arguments[number - 1] == "--config"]
    others = [one for number, one in enumerate(arguments) if number not in values and one != "--config"]
    return [arguments[number] for number in values], others


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
            found.append(Row(_stem(objective), chosen, tuple(arguments)))
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


def _stem(name: str) -> str:
    """A config without folder and ``.yaml``; a class as it is."""
    return re.sub(r"\.ya?ml$", "", Path(name).name)
