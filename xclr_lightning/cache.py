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
        raise _cannot_write(target.parent, error) from error
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


@contextmanager
def atomic_file(target: Path, scratch: Path) -> Iterator[Path]:
    """Yield a path that becomes the file ``target`` in one rename when the block ends well, and vanishes otherwise.

    Args:
        target: The file; its folders are made.
        scratch: A folder on the same disk, where what a killed process leaves does no harm.

    Raises:
        UserError: The folders cannot be written.
    """
    try:
        for folder in (target.parent, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=scratch)
    except FileNotFoundError:  # another process has removed a folder that was just made
        raise
    except OSError as error:
        raise _cannot_write(target.parent, error) from error
    os.close(handle)
    draft = Path(name)
    try:
        draft.chmod(0o644)
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())  # or a power cut may leave the name without the content
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _cannot_write(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write to the cache {folder}: {error.strerror}; set XCLR_CACHE to a folder you may write to"
    )
