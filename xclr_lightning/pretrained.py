"""Whether pretrained weights are wanted: not where a checkpoint is about to replace them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_to_come: ContextVar[bool] = ContextVar("weights to come", default=False)


@contextmanager
def weights_to_come() -> Iterator[None]:
    """Models made within it are filled from a checkpoint, so that no pretrained weights need be fetched for them.

    Example:
        >>> with weights_to_come():
        ...     weights_are_to_come()
        True
        >>> weights_are_to_come()
        False
    """
    token = _to_come.set(True)
    try:
        yield
    finally:
        _to_come.reset(token)


def weights_are_to_come() -> bool:
    """Whether a model that is made now is filled from a checkpoint."""
    return _to_come.get()
