"""Remote shards on the local disk: fetched whole when first touched, the longest unused removed beyond a limit."""

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fsspec.core import url_to_fs

from xclr_lightning.cache import atomic_file, cache_dir
from xclr_lightning.errors import UserError

PIPE = "pipe:"
# Seconds to wait before each further attempt.
_BACK_OFF = (1.0, 2.0, 4.0)
# Seconds without growth after which whoever was fetching a shard is taken to be dead.
_ABANDONED = 24 * 3600


def open_fetched(url: str) -> int:
    """Open a remote shard's local copy, fetched by whichever process of the machine asks first.

    An open copy stays readable when it is removed to make room.

    Args:
        url: Anything fsspec opens, or ``pipe:`` and a shell command that writes the shard to its output.

    Returns:
        A file descriptor, to be closed by the caller.

    Raises:
        OSError: It cannot be fetched, after some attempts.
        UserError: The cache cannot be written, or its limit is no number.
    """
    folder = cache_dir() / "shards" / "fetched"
    path = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.tar"
    with suppress(FileNotFoundError):
        return _open(path)
    with locked(path.with_suffix(".lock")):
        with suppress(FileNotFoundError):
            return _open(path)
        with atomic_file(path, folder / "partial") as draft:
            _fetch(url, draft)
        descriptor = _open(path)
    _make_room(folder, _limit())
    return descriptor


def remote_version(url: str) -> str:
    """What the remote side says of a shard's state: its ``ukey``, the URL where there is none."""
    try:
        system, path = url_to_fs(url)
        return str(system.ukey(path))
    except Exception:  # a pipe has no file system, and each file system has its own errors
        return url


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process or thread of the machine in at a time.

    Raises:
        UserError: Its folder cannot be written.
    """
    make_folder(path.parent)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_folder(folder: Path) -> None:
    """Make a folder of the cache.

    Raises:
        UserError: It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UserError(
            f"cannot write to the cache {folder}: {error.strerror}; set XCLR_CACHE to a folder you may write to"
        ) from error


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    with suppress(OSError):
        os.utime(path)  # the time of the last use
    return descriptor


def _fetch(url: str, target: Path) -> None:
    fetch = _run if url.startswith(PIPE) else _download
    for pause in (*_BACK_OFF, None):
        try:
            fetch(url, target)
            return
        except Exception as error:  # each file system has its own
            if pause is None or isinstance(error, FileNotFoundError):
                raise OSError(f"{url} cannot be fetched: {type(error).__name__}: {error}") from error
            time.sleep(pause)


def _download(url: str, target: Path) -> None:
    system, path = url_to_fs(url)
    with system.open(path, "rb") as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _run(command: str, target: Path) -> None:
    with target.open("wb") as file:
        done = subprocess.run(
            command.removeprefix(PIPE), shell=True, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE
        )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise OSError(f"exit status {done.returncode}{': ' + said[-1] if said else ''}")


def _limit() -> float:
    """Bytes that the copies may take together: ``$XCLR_SHARD_CACHE_GB``, else 50 GB."""
    chosen = os.environ.get("XCLR_SHARD_CACHE_GB", "50")
    try:
        limit = float(chosen) * 1e9
    except ValueError:
        limit = -1
    if not limit >= 0:
        raise UserError(
            f"XCLR_SHARD_CACHE_GB is {chosen!r}: expected gigabytes that fetched shards may take, such as 50"
        )
    return limit


def _make_room(folder: Path, limit: float) -> None:
    for path in (folder / "partial").iterdir():
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()
    copies = []
    for path in folder.glob("*.tar"):
        with suppress(FileNotFoundError):  # other processes make room too
            copies.append((path.stat().st_mtime_ns, path.stat().st_size, path))
    total = sum(size for _, size, _ in copies)
    for _, size, path in sorted(copies):
        if total <= limit:
            return
        path.unlink(missing_ok=True)
        total -= size
