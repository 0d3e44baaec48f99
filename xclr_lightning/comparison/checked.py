"""A row's settings, checked before hours of training, and the control that goes with it."""

import logging
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import Any

import yaml

from xclr_lightning.callbacks.secrets import without_secrets
from xclr_lightning.comparison.grid import Row
from xclr_lightning.lightning_cli import DataCLI, run
from xclr_lightning.objectives import XCLR, SoftCLIP
from xclr_lightning.run_config import graph_parts

log = logging.getLogger(__name__)


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
            found.append(control)
    return found


def settings(arguments: Sequence[str]) -> dict[str, Any]:
    """The whole config of a ``fit``.

    Raises:
        UserError: A setting is wrong.
    """
    cli = run(["fit", *arguments], _Settings)
    settings: dict[str, Any] = without_secrets(yaml.safe_load(cli.settings_text()))
    return settings


def control_of(known: Checked) -> Checked | None:
    """The row that separates what a graph means from how soft it is: the same graph with its captions permuted.

    Pictures of one caption, or class, stay each other's; which meaning they have is drawn at random, by the seed. Of a
    graph that is made of others, these are permuted.

    Returns:
        None where the objective does not match the graph's values, or they are permuted already, or, which is said,
        the graph has nothing to permute.
    """
    graphs = graph_parts(known.settings) if issubclass(known.objective, XCLR | SoftCLIP) else []
    if not graphs or any(graph.get("init_args", {}).get("shuffled") for graph in graphs):
        return None
    if fixed := next((graph for graph in graphs if "shuffled" not in graph.get("init_args", {})), None):
        name = fixed["class_path"].rpartition(".")[2]
        log.warning("no control: %s of %s has no setting shuffled, by which to permute it", name, known.row.name)
        return None
    return Checked(replace(known.row, control=True), permuted(known.settings, 0))


def permuted(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Settings with all captions, or classes, of the graph permuted."""
    settings = deepcopy(settings)
    for graph in graph_parts(settings):
        graph["init_args"] |= {"shuffled": 1.0, "seed": seed}
    return settings


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
