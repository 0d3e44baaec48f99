"""The parser behind the command line: its long reports of a wrong setting become one line with a close name."""

import inspect
import re
from collections.abc import Iterator
from typing import NoReturn

from jsonargparse import ArgumentParser
from lightning.pytorch.cli import LightningArgumentParser

from xclr_lightning.callbacks import KNNSet, ProbeSet, RetrievalSet, ZeroShotSet
from xclr_lightning.data import GraphDataModule, Photometric, View
from xclr_lightning.errors import UserError, did_you_mean
from xclr_lightning.graphs import GraphSource
from xclr_lightning.objectives.base import BackboneModule

SETS = (KNNSet, ProbeSet, RetrievalSet, ZeroShotSet)
BASES: tuple[type, ...] = (BackboneModule, GraphDataModule, GraphSource, View, Photometric, *SETS)


class Parser(LightningArgumentParser):
    """Raises :class:`UserError` where the base prints usage and exits."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UserError(explain(message, set(_settings(self)))) from ex


def explain(message: str, settings: set[str]) -> str:
    """Say what a parser's message means, in one line.

    Args:
        message: What jsonargparse reports, over many lines.
        settings: Names of settings that exist.

    Example:
        >>> explain("Option 'batch_sise' is not accepted", {"batch_size", "lr"})
        "no setting 'batch_sise'; did you mean batch_size? (--help_all lists every setting)"
    """
    if said := re.search(r"no setting '.+ setting\)", message):  # by the parser of a class, within this one's message
        return said[0]
    if unknown := re.search(r"Option '(.+?)' is not accepted|unrecognized arguments: (\S+)", message):
        name = (unknown[1] or unknown[2]).removeprefix("--").partition("=")[0]
        return f"no setting {name!r}{_close(name, settings)} (--help_all lists every setting)"
    key = re.search(r'Parser key "(.+?)"', message)
    place = f"{key[1]}: " if key else ""
    if missing := re.search(r"Expected a dot import path string: (\S+)", message):
        return f"{place}no class {missing[1]!r}{_close(missing[1], _class_names())}, or give it as module.Class"
    if problem := re.search(r"Problem with given class_path '(.+?)':\s*(.+)", message):
        return f"{place}class {problem[1]!r} cannot be used: {problem[2]}"
    reasons = [line.strip(" -") for line in message.splitlines() if re.search(r"Expected a|No module|Got value", line)]
    wanted = [reason for reason in reasons if "NoneType" not in reason] or [" ".join(message.split())]
    return place + wanted[0]


def _close(name: str, known: set[str]) -> str:
    return did_you_mean(name, known) or did_you_mean(name.rpartition(".")[2], known)


def _settings(parser: ArgumentParser) -> Iterator[str]:
    yield from (action.dest for action in parser._actions)
    for cls in _classes():
        yield from inspect.signature(cls).parameters


def _class_names() -> set[str]:
    return {cls.__name__ for cls in _classes()}


def _classes(bases: tuple[type, ...] = BASES) -> Iterator[type]:
    for base in bases:
        yield base
        yield from _classes(tuple(base.__subclasses__()))
