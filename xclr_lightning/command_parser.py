"""The parser of commands that are not LightningCLI's."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from xclr_lightning.errors import UserError


class CommandParser(argparse.ArgumentParser):
    """Raises :class:`UserError` where the base prints usage and exits.

    Args:
        command: Its name, such as ``graph inspect``.
        options: Of :class:`argparse.ArgumentParser`.
    """

    def __init__(self, command: str, **options: Any) -> None:
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(f"python -m xclr_lightning {command}", allow_abbrev=False, formatter_class=form, **options)
        self._command = command

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{self._command}: {message} (--help lists the options)")


def at_least(least: int) -> Callable[[str], int]:
    """What reads a whole number that is not below ``least``.

    Example:
        >>> at_least(1)("12")
        12
    """

    def number(text: str) -> int:
        if not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {least}")
        return int(text)

    return number
