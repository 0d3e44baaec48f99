"""Where shards are: tar files of a folder, or of a pattern such as ``s3://bucket/{00000..02175}.tar``."""

import itertools
import logging
import os
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from fsspec.core import url_to_fs

from xclr_lightning.data.shard_cache import PIPE, open_fetched, remote_version
from xclr_lightning.data.source import existing
from xclr_lightning.distributed import rank
from xclr_lightning.errors import UserError

log = logging.getLogger(__name__)
# Seconds for which a shard that could not be fetched is done without, so that the processes of a run agree on it.
_PATIENCE = 3600
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


class LocalShard:
    """A tar file.

    Args:
        name: Of the shard in its set.
        path: The file.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path

    def __str__(self) -> str:
        return str(self.path)

    def version(self) -> str:
        """Size and time of the last change."""
        try:
            state = self.path.stat()
        except OSError:
            return "missing"
        return f"{state.st_size} bytes, {state.st_mtime_ns} ns"

    def is_now(self, version: str) -> bool:
        """Whether the file is still the one that had this version."""
        return version == self.version()

    def try_again(self, failed: float) -> bool:
        """Whether the file, which could not be read at some time in seconds since 1970, may be readable now."""
        readable = os.access(self.path, os.R_OK)
        return readable and (self.path.stat().st_ctime > failed or time.time() - failed > _PATIENCE)

    def open(self) -> int:
        """Open the file.

        Raises:
            OSError: It cannot be opened.
        """
        return os.open(self.path, os.O_RDONLY)


class RemoteShard:
    """A tar file elsewhere, read through a local copy.

    Args:
        name: Of the shard in its set.
        url: A URL, or ``pipe:`` and a command.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url

    def __str__(self) -> str:
        return self.url

    def version(self) -> str:
        """What the remote side says of the file's state."""
        return remote_version(self.url)

    def is_now(self, version: str) -> bool:
        """Whether the file has this version: taken on trust, for asking after thousands would delay every start."""
        return True

    def try_again(self, failed: float) -> bool:
        """Whether it was long ago, in seconds since 1970, that the file could not be fetched."""
        return time.time() - failed > _PATIENCE

    def open(self) -> int:
        """Open the local copy, fetched if need be.

        Raises:
            OSError: It cannot be fetched.
        """
        return open_fetched(self.url)


Shard = LocalShard | RemoteShard


def is_pattern(place: str) -> bool:
    """Whether shards are named by a URL, a command or a range in braces, not by a folder.

    Example:
        >>> [is_pattern(place) for place in ("data/cc12m", "data/{0..9}.tar", "s3://bucket/0.tar", "pipe:cat 0.tar")]
        [False, True, True, True]
    """
    return place.startswith(PIPE) or "://" in place or bool(_RANGE.search(place))


def find_shards(place: str) -> list[Shard]:
    """The shards of a folder, ordered by name, or of a pattern, in its order.

    Raises:
        UserError: There is none, or the pattern cannot be used.
    """
    if not is_pattern(place):
        folder = existing(Path(place).expanduser())
        paths = sorted(folder.glob("[!.]*.tar"))
        if not paths:
            raise UserError(f"no .tar file in {folder}")
        if packed := sorted(folder.glob("[!.]*.tar.gz")):
            _warn_once(f"{len(packed)} compressed shards are left out, first {packed[0]}: gunzip them to use them")
        return [LocalShard(path.stem, path) for path in paths]
    named = dict(expand(place))
    if not (place.startswith(PIPE) or "://" in place):
        return [LocalShard(name, existing(Path(path).expanduser())) for name, path in named.items()]
    if not place.startswith(PIPE):
        _check_protocol(next(iter(named.values())))
    return [RemoteShard(name, url) for name, url in named.items()]


def expand(pattern: str) -> Iterator[tuple[str, str]]:
    """Expand ranges in braces, the last one fastest, each number as wide as the range's first.

    Returns:
        A name for each shard, made of the numbers, and what the pattern becomes.

    Raises:
        UserError: A range runs backwards, or a brace is no range.

    Example:
        >>> list(expand("s3://b/{0..1}/{08..10}.tar"))[2:4]
        [('0-10', 's3://b/0/10.tar'), ('1-08', 's3://b/1/08.tar')]
        >>> list(expand("https://host/train.tar"))
        [('00000', 'https://host/train.tar')]
    """
    pieces = _RANGE.split(pattern)
    fixed, starts, ends = pieces[0::3], pieces[1::3], pieces[2::3]
    if any("{" in piece or "}" in piece for piece in fixed) and not pattern.startswith(PIPE):
        raise UserError(f"the shards {pattern} have a brace that is no range: expected one such as {{00000..02175}}")
    for start, end in zip(starts, ends, strict=True):
        if int(end) < int(start):
            raise UserError(f"the shards {pattern} have the range {{{start}..{end}}}, which runs backwards")
    ranges = [
        [f"{number:0{len(start)}d}" for number in range(int(start), int(end) + 1)]
        for start, end in zip(starts, ends, strict=True)
    ]
    for numbers in itertools.product(*ranges):
        url = fixed[0] + "".join(number + piece for number, piece in zip(numbers, fixed[1:], strict=True))
        yield "-".join(numbers) or "00000", url


@cache
def _warn_once(message: str) -> None:
    if rank() == 0:
        log.warning(message)


def _check_protocol(url: str) -> None:
    try:
        url_to_fs(url)
    except ImportError as error:
        raise UserError(f"{url} cannot be read: {error}") from error
    except ValueError as error:
        raise UserError(f"{url} cannot be read: {error}; expected a URL that fsspec knows, such as s3://…") from error
