"""What folders and tables have in common: pictures that are files, found through a listing."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from xclr_lightning.data.decode import opened, reading
from xclr_lightning.data.listing import Listing
from xclr_lightning.data.source import Source


class Listed(Source):
    """Pictures by file name, all in one part.

    Args:
        path: Where they are told of, for messages.
        root: The folder that their names are relative to.
        listing: Their names, and what is said of them.
    """

    def __init__(self, path: Path, root: Path, listing: Listing) -> None:
        self.path, self._root, self._listing = path, root, listing
        self.skipped = listing.skipped

    def __len__(self) -> int:
        return len(self._listing.keys)

    def open(self, index: int) -> Image.Image:
        with reading(), open(self.name(index), "rb", buffering=0) as file:
            return opened(file.read())

    def name(self, index: int) -> str:
        return os.path.join(self._root, os.fsdecode(self._listing.keys[index]))

    def parts(self) -> dict[str, slice]:
        return {"00000": slice(0, len(self))}

    def keys(self) -> np.ndarray:
        return self._listing.keys
