"""From the path in a config to the samples behind it."""

from collections.abc import Callable
from pathlib import Path

from xclr_lightning.data import torchvision_set
from xclr_lightning.data.folder import ImageFolder
from xclr_lightning.data.shard_place import is_pattern
from xclr_lightning.data.shards import Shards
from xclr_lightning.data.source import Source, existing
from xclr_lightning.data.table import Table
from xclr_lightning.data.table_file import TABLE_SUFFIXES
from xclr_lightning.data.torchvision_set import TorchvisionSet
from xclr_lightning.errors import UserError

# What a path may be, in the order in which it is tried: what that is called, how it is told, how it is opened.
_KINDS: list[tuple[str, Callable[[str], bool], Callable[[str], Source]]] = [
    ("torchvision:NAME/PART", lambda path: path.startswith(torchvision_set.PREFIX), TorchvisionSet),
    ("tar shards by URL, pipe:COMMAND or {00000..00010}", is_pattern, Shards),
    (f"a table ({', '.join(TABLE_SUFFIXES)})", lambda path: path.lower().endswith(TABLE_SUFFIXES), Table),
    ("a folder of .tar shards", lambda path: any(locate(path).glob("[!.]*.tar")), lambda path: Shards(locate(path))),
]
_FOLDER = "a folder of pictures, demo:PART or synthetic:PART"


def locate(path: str | Path) -> Path:
    """Resolve a path of a config: ``~`` is the home folder, ``demo:PART`` and ``synthetic:PART`` are composed.

    Raises:
        UserError: Nothing is there.
    """
    prefix, _, part = str(path).partition(":")
    if prefix == "demo":
        from xclr_lightning.data.demo import demo_path

        return demo_path(part)
    if prefix == "synthetic":
        from xclr_lightning.data.synthetic import synthetic_path

        return synthetic_path(part)
    return existing(Path(path).expanduser())


def open_source(path: str | Path, captions: str | Path | None = None) -> Source:
    """Open the pictures that a path of a config names.

    Args:
        path: A folder of pictures or of tar shards, a URL of shards, a table, ``torchvision:NAME/PART``,
            ``demo:PART`` or ``synthetic:PART``.
        captions: Table with the captions of a folder of pictures.

    Raises:
        UserError: Nothing is there, or it is none of these.
    """
    for kind, applies, opened in _KINDS:
        if applies(str(path)):
            if captions:
                raise UserError(f"data.captions is for folders of pictures: {path} is {kind}, which has its own")
            return opened(str(path))
    folder = locate(path)
    if not folder.is_dir():
        possible = "; ".join([_FOLDER, *(kind for kind, _, _ in _KINDS)])
        raise UserError(f"{folder} cannot be opened: expected {possible}")
    return ImageFolder(folder, captions)
