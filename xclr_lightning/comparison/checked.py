"""A row's settings, checked before hours of training, and the control that goes with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import Any

import yaml

from xclr_lightning.callbacks.secrets import without_secrets
from xclr_lightning.comparison.grid import Row
from xclr_lightning.lightning_cli import DataCLI, run
from xclr_lightning.objectives import XCLR, SoftCLIP


class _Settings(DataCLI):
    """Reads a command line as ``fit`` does, and makes nothing of it."""

    def instantiate_classes(self) -> None:
        pass


@dataclass(frozen=True)
class Checked:
    """A row whose settings are known to be right.

    Attributes:
        row: Of a comparison.
        settings: The whole config of its runs, as their ``config.yaml`` will have it.
    """

    row: Row
    settings: dict[str, Any]

    @property
    def objective(self) -> type:
        """The class that it trains."""
        model: type = resolve_name(self.settings["model"]["class_path"])
        return model


def checked(rows: Sequence[Row], common: Sequence[str], controls: bool) -> list[Checked]:
    """Read every row's settings.

    Args:
        rows: Of a comparison.
        common: Options of ``fit`` for all of them.
        controls: Whether rows that have a control are followed by it.

    Raises:
        UserError: A setting is wrong.
    """
    found = []
    for row in rows:
        found.append(Checked(row, settings(row.fit(common))))
        if controls and (control := control_of(found[-1])):
            found.append(Checked(control, settings(control.fit(common))))
    return found


def settings(arguments: Sequence[str]) -> dict[str, Any]:
    """The whole config of a ``fit``.

    Raises:
        UserError: A setting is wrong.
    """
    cli = run(["fit", *arguments], _Settings)
    settings: dict[str, Any] = without_secrets(yaml.safe_load(cli.settings_text()))
    return settings


def control_of(known: Checked) -> Row | None:
    """The row that separates what a graph means from how soft it is: the same graph with its captions permuted.

    Pictures of one caption, or class, stay each other's; which meaning they have is drawn at random, by the seed.

    Returns:
        None where the objective does not match the graph's values, or the graph has nothing to permute.
    """
    graph = known.settings["data"]["init_args"].get("graph") or {}
    soft = issubclass(known.objective, XCLR | SoftCLIP)
    if not soft or "shuffled" not in graph.get("init_args", {}) or graph["init_args"]["shuffled"]:
        return None
    return replace(known.row, arguments=(*known.row.arguments, "--data.graph.shuffled=1.0"), control=True)


def references_of(known: Sequence[Checked], default: str) -> dict[str, str]:
    """What each row is compared with: X-CLR's row of the same varied settings if it is another one, else one row.

    Args:
        known: All rows.
        default: Name of that one row.

    Returns:
        Name of a row → name of its reference.
    """
    found = {}
    for one in known:
        alike = [other for other in known if other.row.varied == one.row.varied]
        name = reference_of(alike) if any(issubclass(other.objective, XCLR) for other in alike) else default
        found[one.row.name] = default if name == one.row.name else name
    return found


def reference_of(known: Sequence[Checked]) -> str:
    """The name of X-CLR's row where there is one, else of a descendant of it, else of the first row."""
    related = [one for one in known if issubclass(one.objective, XCLR) and not one.row.control]
    return min(related, key=lambda one: one.objective is not XCLR, default=known[0]).row.name
