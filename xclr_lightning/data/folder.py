"""Pictures in a folder, one class a subfolder or all in one, with captions from a CSV file."""

import csv
import os
from pathlib import Path

import numpy as np
from PIL import Image

from xclr_lightning.data.source import IMAGE_SUFFIXES, Source, decode, existing
from xclr_lightning.errors import UserError

CAPTION_FILE = "metadata.csv"


class ImageFolder(Source):
    """Every picture below a folder, in the order of their paths.

    The caption of a picture comes from a CSV file with a column ``file_name`` (relative to the folder) and a column
    ``caption``; its other columns are fields. Without one, a picture's caption is its subfolder's name, which is also
    the field ``class``.

    Args:
        root: The folder.
        captions: The CSV file; ``metadata.csv`` in the folder where there is one.

    Raises:
        UserError: Folder or file is missing, there is no picture, or a picture has no row.
    """

    def __init__(self, root: str | Path, captions: str | Path | None = None) -> None:
        self.path = existing(Path(root).expanduser())
        self._files = np.array(sorted(_walk(self.path)), dtype=np.bytes_)
        if not len(self._files):
            suffixes = " ".join(sorted(IMAGE_SUFFIXES))
            raise UserError(f"no picture below {self.path}: expected files ending in {suffixes}")
        table = Path(captions).expanduser() if captions else self.path / CAPTION_FILE
        self._fields: dict[str, list[str]] = {"class": [os.path.dirname(name) for name in self._names()]}
        if captions or table.is_file():
            self._fields |= _read_table(existing(table), self._names())

    def __len__(self) -> int:
        return len(self._files)

    def image(self, index: int) -> Image.Image:
        path = self.path / os.fsdecode(self._files[index])
        return decode(path, str(path))

    def parts(self) -> dict[str, slice]:
        return {"00000": slice(0, len(self))}

    def keys(self) -> np.ndarray:
        return self._files

    def captions(self, rows: slice = slice(None)) -> list[str]:
        captions = self._fields.get("caption", self._fields["class"])[rows]
        if "" in captions:
            missing = os.fsdecode(self._files[rows][captions.index("")])
            raise UserError(
                f"no caption for {self.path / missing}: put pictures in one subfolder a class, or give a CSV file with "
                f"the columns file_name and caption as data.captions or {self.path / CAPTION_FILE}"
            )
        return captions

    def fields(self, name: str) -> list[str]:
        if name not in self._fields:
            raise UserError(f"{self.path} has no field {name!r}: it has {', '.join(self._fields)}")
        return self._fields[name]

    def _names(self) -> list[str]:
        return [os.fsdecode(name) for name in self._files]


def _walk(root: Path) -> list[bytes]:
    found = []
    for folder, folders, names in os.walk(os.fsencode(root), followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(b".")]  # such as .ipynb_checkpoints
        below = os.path.relpath(folder, os.fsencode(root))
        found += [
            os.path.normpath(os.path.join(below, name))
            for name in names
            if os.fsdecode(os.path.splitext(name)[1]).lower() in IMAGE_SUFFIXES and not name.startswith(b".")
        ]
    return found


def _read_table(path: Path, names: list[str]) -> dict[str, list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            rows = {os.path.normpath(row.get("file_name") or ""): row for row in reader}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read ({error}): a CSV file in UTF-8 is expected") from error
    if "file_name" not in columns or "caption" not in columns:
        raise UserError(f"{path}: columns file_name and caption expected, found {', '.join(columns) or 'none'}")
    missing = [name for name in names if name not in rows]
    if missing:
        raise UserError(
            f"{path} has {len(rows)} rows for {len(names)} pictures: none for {missing[0]}"
            + (f" and {len(missing) - 1} more" if missing[1:] else "")
            + "; add the rows or move the pictures away"
        )
    return {column: [rows[name][column] or "" for name in names] for column in columns if column != "file_name"}
