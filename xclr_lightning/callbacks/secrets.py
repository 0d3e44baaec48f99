"""Credentials that settings name as such are not kept with a run; those within a URL of data are, as it needs them."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

# Whole words at a name's end: a class_token, which is a number or a truth value, and a tokenizer are none.
_WORDS = r"token|password|passwd|secret|credential|api_?key|access_?key"
SECRET = re.compile(rf"(?:^|[_.-])(?:{_WORDS})$", re.IGNORECASE)

# Within a value: "api_key: x" or "?token=x", "https://name:x@host", "Bearer x".
_INSIDE = (
    (
        re.compile(
            rf"((?<![a-z0-9])(?:[\w-]*[_-])?(?:{_WORDS}|sig|signature)[\"']?\s*[:=]\s*)(?!true|false|null)[^\s,}}&]+",
            re.I,
        ),
        r"\1HIDDEN",
    ),
    (re.compile(r"(://)[^/@\s]+@"), r"\1HIDDEN@"),
    (re.compile(r"((?:bearer|basic) )[^\s\"']+", re.IGNORECASE), r"\1HIDDEN"),
)


def without_secrets(value: Any) -> Any:
    """A config less every setting whose name says that it is a token, a password, a secret or an API key.

    Example:
        >>> without_secrets({"model": {"lr": 0.1, "hub_token": "x", "class_token": False}})
        {'model': {'lr': 0.1, 'class_token': False}}
    """
    if isinstance(value, dict):
        return {
            name: without_secrets(item)
            for name, item in value.items()
            if not (isinstance(item, str) and SECRET.search(str(name)))
        }
    return [without_secrets(item) for item in value] if isinstance(value, list) else value


def command_line(arguments: Sequence[str]) -> str:
    """A command as a shell reads it, with ``HIDDEN`` for the values of such settings, and for those within others.

    Args:
        arguments: Without the program.

    Example:
        >>> command_line(["fit", "--model.hub_token", "x", "--data.train=https://me:x@host/a.tar"])
        'python -m xclr_lightning fit --model.hub_token HIDDEN --data.train=https://HIDDEN@host/a.tar'
    """
    return f"python -m xclr_lightning {shlex.join(_masked(arguments))}"


def _masked(arguments: Sequence[str]) -> Iterator[str]:
    secret = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        names_one = name.startswith("--") and SECRET.search(name) is not None
        if secret:
            yield "HIDDEN"
        elif names_one and equals:
            yield f"{name}=HIDDEN"
        else:
            for pattern, shown in _INSIDE:
                argument = pattern.sub(shown, argument)
            yield argument
        secret = names_one and not equals and not secret
