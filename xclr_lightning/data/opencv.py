"""OpenCV, loaded when a picture first needs it, for no command should wait for what it does not use."""

from functools import lru_cache
from types import ModuleType


@lru_cache(maxsize=1)
def opencv() -> ModuleType:
    """The module, on one thread: workers and processes are what uses more cores."""
    import cv2

    cv2.setNumThreads(0)
    return cv2
