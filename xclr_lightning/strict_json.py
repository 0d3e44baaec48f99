"""JSON as every reader takes it: Python's own writes ``NaN``, which is none."""

import json
import math
from pathlib import Path
from typing import Any


def as_json(value: Any) -> str:
    """A mapping or list as lines of JSON; numbers that are not finite become null.

    Example:
        >>> print(as_json({"train/loss": float("nan")}), end="")
        {
          "train/loss": null
        }
    """
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_mapping(file: Path) -> dict[str, Any]:
    """What a file's names stand for; nothing where there is no file, or one of another kind."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
