"""Where things that are computed once are kept, and how they get there whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xclr_lightning.errors import UserError


def cache_dir() -> Path:
    """Folder for demo scenes and graphs: ``$XCLR_CACHE``, else ``xclr_lightning`` in the user's cache directory."""
    if chosen := os.environ.get("XCLR_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "xclr_lightning"


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``target`` in one rename when the block ends well, and vanishes otherwise.

    A reader sees the whole folder or none. Of two processes that build the same target, the first to finish wins.

    Raises:
        UserError: The parent of ``target`` cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise UserError(
            f"cannot write to the cache {target.parent}: {error.strerror}; set XCLR_CACHE to a folder you may write to"
        ) from error
    try:
        draft.chmod(0o755)
        yield draft
        try:
            draft.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
