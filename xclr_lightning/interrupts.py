"""Ctrl-C, wherever a program is when it comes."""

import _thread
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c_is_heard() -> Iterator[None]:
    """Raise Ctrl-C anew where Python drops it: in what runs around a fork, as of a loader's worker."""
    before = sys.unraisablehook

    def hook(dropped: "sys.UnraisableHookArgs") -> None:
        if dropped.exc_type is KeyboardInterrupt:
            threading.Timer(0.05, _thread.interrupt_main).start()  # at once would be here, and dropped again
        else:
            before(dropped)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def by_ctrl_c(ended: BaseException | None) -> bool:
    """Whether Ctrl-C is what ended a command, or what that was doing when it ended."""
    return ended is not None and (isinstance(ended, KeyboardInterrupt) or by_ctrl_c(ended.__context__))
