"""A row's settings, checked before hours of training, and the control that goes with it."""

from collections.abc import Sequence
from dataclasses import replace
from pkgutil import resolve_name
from typing import Any

from xclr_lightning.comparison.grid import Row
from xclr_lightning.lightning_cli import CLI, run
from xclr_lightning.objectives import XCLR, SoftCLIP


class _Settings(CLI):
    """Reads a command line as ``fit`` does, and makes nothing of it."""

    def instantiate_classes(self) -> None:
        pass

    def _run_subcommand(self, subcommand: str) -> None:
        pass


def settings(arguments: Sequence[str]) -> dict[str, Any]:
    """The whole config of a ``fit``.

    Raises:
        UserError: A setting is wrong.
    """
    cli = run(["fit", *arguments], _Settings)
    return cli.config[cli.config.subcommand].as_dict()


def control_of(row: Row, config: dict[str, Any]) -> Row | None:
    """The row that separates what a graph means from how soft it is: the same graph with its captions permuted.

    Pictures of one caption, or class, stay each other's; which meaning they have is drawn at random, by the seed.

    Args:
        row: Of a comparison.
        config: Its settings.

    Returns:
        None where the objective does not match the graph's values, or the graph has nothing to permute.
    """
    graph = config["data"]["init_args"].get("graph") or {}
    soft = issubclass(resolve_name(config["model"]["class_path"]), XCLR | SoftCLIP)
    if not soft or "shuffled" not in graph.get("init_args", {}) or graph["init_args"]["shuffled"]:
        return None
    return replace(row, arguments=(*row.arguments, "--data.graph.shuffled=1.0"), control=True)
