"""The demo's data: scenes composed on first use from emoji artwork that pip installs, nothing downloaded."""

from pathlib import Path

from xclr_lightning.data.demo.build import PARTS, ensure_demo
from xclr_lightning.data.demo.recipe import Recipe
from xclr_lightning.errors import UserError

__all__ = ["demo_path"]


def demo_path(part: str, seed: int = 0) -> Path:
    """Folder of one part of the demo; the first call composes all parts into the cache.

    Args:
        part: ``train``, ``val``, ``test``, ``unseen_val_bank``, ``unseen_val``, ``unseen_test_bank`` or
            ``unseen_test`` (tar shards), ``bg_challenge`` (ImageNet-9 layout), ``mit_states`` (MIT-States layout).
        seed: Draws concepts, backgrounds and scenes; every seed has its own folder.

    Raises:
        UserError: No such part, the demo extra is not installed, or the cache cannot be written.
    """
    if part not in PARTS:
        raise UserError(f"the demo has no part {part!r}; expected one of {', '.join(PARTS)}")
    return ensure_demo(Recipe(), seed) / part
