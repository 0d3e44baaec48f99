"""The one error that is the user's to mend: what is wrong, where, what was expected, what to try."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Wrong input, said in one line. The command line prints it without a traceback and exits with status 2."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Point to the known name that is closest, if one is close.

    Example:
        >>> did_you_mean("temprature", ["temperature", "lr"])
        '; did you mean temperature?'
        >>> did_you_mean("x", ["temperature", "lr"])
        ''
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
