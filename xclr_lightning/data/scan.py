"""Finding pictures, and the text files beside them, in a folder and all folders below it."""

import os
from pathlib import Path

from xclr_lightning.data.source import IMAGE_SUFFIXES
from xclr_lightning.errors import UserError

_PICTURES = frozenset(os.fsencode(suffix) for suffix in IMAGE_SUFFIXES)


def scan(root: Path) -> tuple[list[bytes], set[bytes]]:
    """List pictures and text files; hidden files and folders do not count, links are followed.

    Nothing of it is remembered: to tell whether a listing still holds takes the same walk.

    Args:
        root: The folder.

    Returns:
        Paths of the pictures, relative to the folder, sorted; and those of text files, without their suffix.

    Raises:
        UserError: A folder cannot be read, or there are compressed shards and no pictures.
    """
    pictures: list[bytes] = []
    texts: set[bytes] = set()
    packed: list[bytes] = []
    folders = [b""]
    while folders:
        below = folders.pop()
        folder = os.path.join(os.fsencode(root), below)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith(b"."):
                        continue
                    if entry.is_dir():
                        if not (entry.is_symlink() and _is_above(entry.path, folder)):
                            folders.append(below + name + b"/")
                        continue
                    stem, suffix = os.path.splitext(name)
                    suffix = suffix.lower()
                    if suffix in _PICTURES:
                        pictures.append(below + name)
                    elif suffix == b".txt":
                        texts.add(below + stem)
                    elif name.endswith(b".tar.gz"):
                        packed.append(below + name)
        except OSError as error:
            raise UserError(f"{Path(os.fsdecode(folder))} cannot be read as a folder: {error.strerror}") from error
    if packed and not pictures:
        raise UserError(
            f"no picture below {root}, but {len(packed)} compressed tar files, first {os.fsdecode(min(packed))}: "
            "gunzip them first, for shards are read in any order"
        )
    pictures.sort()
    return pictures, texts


def _is_above(link: bytes, folder: bytes) -> bool:
    """Whether a link leads back to where it lies, round and round."""
    target = os.path.realpath(link)
    return os.path.commonpath([target, os.path.realpath(folder)]) == target
