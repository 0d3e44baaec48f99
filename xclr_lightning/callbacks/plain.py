"""Settings as JSON can hold them."""

from dataclasses import asdict, is_dataclass
from typing import Any

from xclr_lightning.graphs import GraphSource


def as_plain(value: Any) -> Any:
    """A setting as JSON can hold it; a graph as its class and settings.

    Example:
        >>> as_plain({"sets": (1, None), "at": complex(1)})
        {'sets': [1, None], 'at': '(1+0j)'}
    """
    if isinstance(value, dict):
        return {str(name): as_plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return as_plain(asdict(value))
    if isinstance(value, GraphSource):
        settings = {name: item for name, item in vars(value).items() if not name.startswith("_")}
        return {"class": type(value).__name__} | as_plain(settings)
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
