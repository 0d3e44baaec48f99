"""From the path in a config to the samples behind it."""

from pathlib import Path

from xclr_lightning.data.folder import ImageFolder
from xclr_lightning.data.shards import Shards
from xclr_lightning.data.source import Source, existing
from xclr_lightning.errors import UserError


def locate(path: str | Path) -> Path:
    """Resolve a path of a config: ``~`` is the home folder, ``demo:PART`` a part of the demo, composed when missing.

    Raises:
        UserError: Nothing is there.
    """
    if str(path).startswith("demo:"):
        from xclr_lightning.data.demo import demo_path

        return demo_path(str(path).removeprefix("demo:"))
    return existing(Path(path).expanduser())


def open_source(path: str | Path, captions: str | Path | None = None) -> Source:
    """Open tar shards where a folder holds ``*.tar``, else a folder of pictures.

    Args:
        path: A folder, or ``demo:PART``.
        captions: CSV file with the captions of a folder of pictures.

    Raises:
        UserError: Nothing is there, or it is neither.
    """
    folder = locate(path)
    if not folder.is_dir():
        raise UserError(f"{folder} is a file: expected a folder of pictures or of .tar shards")
    if next(folder.glob("*.tar"), None) is None:
        return ImageFolder(folder, captions)
    if captions:
        raise UserError(f"data.captions is for folders of pictures: the shards in {folder} carry their own captions")
    return Shards(folder)
