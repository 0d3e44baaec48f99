"""Whatever has a public name says what it is: in its own words, or in those of what it overrides."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import xclr_lightning


def modules() -> Iterator[ModuleType]:
    yield xclr_lightning
    for found in pkgutil.walk_packages(xclr_lightning.__path__, "xclr_lightning."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def public(of: object, module: str) -> Iterator[tuple[str, object]]:
    """What is defined there under a name without underscore."""
    for name, value in vars(of).items():
        value = inspect.unwrap(getattr(value, "fget", None) or getattr(value, "__func__", value))
        described = inspect.isclass(value) or inspect.isfunction(value)
        if described and not name.startswith("_") and value.__module__ == module:
            yield name, value


def test_every_public_name_is_documented() -> None:
    silent = []
    for module in modules():
        named = [(module.__name__, module)]
        for name, value in public(module, module.__name__):
            named.append((f"{module.__name__}.{name}", value))
            if inspect.isclass(value):
                named += [
                    (f"{module.__name__}.{name}.{method}", getattr(value, method))
                    for method, _ in public(value, module.__name__)
                ]
        silent += [name for name, value in named if not inspect.getdoc(value)]
    assert not silent, "\n".join(silent)
