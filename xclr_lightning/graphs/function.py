"""A graph from a function of one's own, from names of classes to their similarities."""

import hashlib
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.class_graph import ClassGraph


class FunctionGraph(ClassGraph):
    """What a function says of the classes: called with their names, it returns a C × C array.

    It is called once for the same classes, and again when the text of its module changes.

    Args:
        function: ``module.function``. It takes a list of C names and returns their similarities, ``(C, C)``, in
            [−1, 1], symmetric, 1 on the diagonal.
        kwargs: Arguments of :class:`ClassGraph`.

    Raises:
        UserError: There is no such function.
    """

    def __init__(self, function: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function
        self._function = find_function(function)

    def table(self, classes: list[str]) -> np.ndarray:
        values = self._function(classes)
        try:
            return np.asarray(values)
        except (ValueError, TypeError) as error:  # rows of different lengths; a tensor of another device
            raise UserError(f"data.graph.function {self.function!r} returned no array: {error}") from error

    def settings(self) -> dict[str, Any]:
        module = inspect.getmodule(self._function)
        try:
            text = inspect.getsource(module or self._function)
        except (OSError, TypeError):  # no Python file, as of a compiled module
            text = ""
        return {"function": self.function, "module_sha256": hashlib.sha256(text.encode()).hexdigest()}


def find_function(path: str) -> Callable[..., Any]:
    """Import ``module.function``.

    Raises:
        UserError: There is no such module, or no such function in it.

    Example:
        >>> find_function("math.hypot")(3, 4)
        5.0
    """
    module, _, name = path.rpartition(".")
    try:
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"data.graph.function {path!r} cannot be imported as module.function: {error}") from error
    if not callable(function):
        raise UserError(f"data.graph.function {path!r} is a {type(function).__name__}, expected a function")
    return function
