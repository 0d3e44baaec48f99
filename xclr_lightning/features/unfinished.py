"""What is done of a file of features, in a folder beside it, until all of it is."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from xclr_lightning.errors import UserError
from xclr_lightning.features.encode import Block

SETTINGS = "settings.json"


class Unfinished:
    """Blocks of features in the folder ``FILE.partial``, each there whole or not at all.

    Args:
        output: The file that they are to become.
        settings: What they depend on, as JSON can hold it; kept with them.

    Raises:
        UserError: The folder has blocks that were made by other settings.
    """

    def __init__(self, output: Path, settings: dict[str, Any]) -> None:
        self.folder = output.with_name(f"{output.name}.partial")
        self.folder.mkdir(parents=True, exist_ok=True)
        known = self.folder / SETTINGS
        if known.exists():
            before = json.loads(known.read_text())
            if differ := [name for name in settings if settings[name] != before.get(name)]:
                raise UserError(
                    f"{self.folder} was begun with another {', '.join(differ)}: delete it, or choose another --output"
                )
        else:
            with whole(known) as file:
                file.write(json.dumps(settings).encode())

    def done(self) -> list[int]:
        """Numbers of the blocks that there are, ascending."""
        return sorted(int(file.stem) for file in self.folder.glob("*.npz"))

    def add(self, number: int, block: Block) -> None:
        """Keep a block."""
        with whole(self.folder / f"{number:08d}.npz") as file:
            np.savez(
                file,
                features=np.concatenate(block.features or [np.empty((0, 0))]),
                index=np.concatenate(block.index or [np.empty(0, dtype=np.int64)]),
                bad=np.array(block.bad, dtype=np.str_),
            )

    def arrays(self, *names: str) -> Iterator[tuple[np.ndarray, ...]]:
        """Some of ``features``, ``index`` and ``bad`` of each block that has them; the others are not read."""
        for number in self.done():
            with np.load(self.folder / f"{number:08d}.npz", allow_pickle=False) as block:
                found = tuple(block[name] for name in names)
            if len(found[0]):
                yield found

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder)


@contextmanager
def whole(target: Path) -> Iterator[BinaryIO]:
    """Open a file that gets its name once it is written to its end."""
    draft = target.with_name(f".{target.name}.draft")
    with draft.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())  # or a power cut may leave the name without the content
    draft.replace(target)
