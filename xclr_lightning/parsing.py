"""The parser behind the command line: its long reports of a wrong setting become one line with a close name."""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from jsonargparse import ArgumentParser
from lightning.pytorch.cli import LightningArgumentParser

from xclr_lightning.callbacks import KNNSet, ProbeSet, RetrievalSet, ZeroShotSet
from xclr_lightning.data import GraphDataModule, Photometric, View
from xclr_lightning.errors import UserError, did_you_mean
from xclr_lightning.graphs import GraphSource
from xclr_lightning.objectives.base import BackboneModule

# Where the settings of a class, and of those under it, are given.
PLACES: dict[type[Any], str] = {
    BackboneModule: "model",
    GraphDataModule: "data",
    GraphSource: "data.graph",
    View: "data.view",
    Photometric: "data.augment",
} | dict.fromkeys((KNNSet, ProbeSet, RetrievalSet, ZeroShotSet), "a set of an evaluation")


class Parser(LightningArgumentParser):
    """Raises :class:`UserError` where the base prints usage and exits."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UserError(explain(message, _settings(self))) from ex


def explain(message: str, settings: dict[str, str]) -> str:
    """Say what a parser's message means, in one line.

    Args:
        message: What jsonargparse reports, over many lines.
        settings: Names of settings that exist → where they are given.

    Example:
        >>> explain("Option 'batch_sise' is not accepted", {"batch_size": "data", "lr": "model"})
        "no setting 'batch_sise'; did you mean batch_size? (--help_all lists every setting)"
        >>> explain("Option 'batch_size' is not accepted", {"batch_size": "data", "lr": "model"})
        "no setting 'batch_size' there; it is one of data (--help_all lists every setting)"
    """
    if said := re.search(r"no setting '.+ setting\)", message):  # by the parser of a class, within this one's message
        return said[0]
    if unknown := re.search(r"Option '(.+?)' is not accepted|unrecognized arguments: (\S+)", message):
        name = (unknown[1] or unknown[2]).removeprefix("--").partition("=")[0]
        elsewhere = settings.get(name.rpartition(".")[2])
        hint = f" there; it is one of {elsewhere}" if elsewhere else _close(name, settings)
        return f"no setting {name!r}{hint} (--help_all lists every setting)"
    key = re.search(r'Parser key "(.+?)"', message)
    place = f"{key[1]}: " if key else ""
    if missing := re.search(r"Expected a dot import path string: (\S+)", message):
        return f"{place}no class {missing[1]!r}{_close(missing[1], _class_names())}, or give it as module.Class"
    if problem := re.search(r"Problem with given class_path '(.+?)':\s*(.+)", message):
        return f"{place}class {problem[1]!r} cannot be used: {problem[2]}"
    reasons = [line.strip(" -") for line in message.splitlines() if re.search(r"Expected a|No module|Got value", line)]
    wanted = [reason for reason in reasons if "NoneType" not in reason] or [" ".join(message.split())]
    return place + wanted[0]


def _close(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known) or did_you_mean(name.rpartition(".")[2], known)


def _settings(parser: ArgumentParser) -> dict[str, str]:
    found = {action.dest: "" for action in parser._actions}
    for base, place in PLACES.items():
        for cls in _family(base):
            for name in inspect.signature(cls).parameters:
                found.setdefault(name, place)
    return found


def _class_names() -> set[str]:
    return {cls.__name__ for base in PLACES for cls in _family(base)}


def _family(base: type[Any]) -> Iterator[type[Any]]:
    yield base
    for cls in base.__subclasses__():
        yield from _family(cls)
