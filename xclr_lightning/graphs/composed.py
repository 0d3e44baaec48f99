"""Graphs made of other graphs."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xclr_lightning.cache import atomic_folder
from xclr_lightning.graphs.base import Built, Captioned, GraphSource
from xclr_lightning.graphs.folder import graph_folder
from xclr_lightning.graphs.manifest import check_belongs, check_files, read_manifest, write_manifest


class ComposedGraph(GraphSource):
    """A graph over the values of others. Its own folder names theirs; they are prepared, and built, with it.

    Args:
        parts: The other graphs.
    """

    def __init__(self, parts: Sequence[GraphSource]) -> None:
        self.parts = list(parts)

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What the graph depends on besides its parts, as JSON can hold it."""

    def write(self, draft: Path) -> None:
        """Write what belongs to the graph besides its parts."""

    def build(self, data: Captioned, rank: int, world: int) -> Built:
        built = [part.build(data, rank, world) for part in self.parts]
        complete = all(part.folder for part in built)
        folder = self.prepare(data) if complete else None
        return Built(folder, sum(part.encoded for part in built), sum(part.seconds for part in built))

    def prepare(self, data: Captioned) -> Path:
        facts = self._facts(data)
        folder = graph_folder(facts)
        if not folder.exists():
            with atomic_folder(folder) as draft:
                self.write(draft)
                write_manifest(draft, facts)
        return folder

    def checked_folder(self, data: Captioned) -> Path:
        """The folder, once it is known to be whole and to belong to the data.

        Raises:
            UserError: It is missing, damaged, or belongs to other data or settings.
        """
        facts = self._facts(data)
        folder = graph_folder(facts)
        manifest = read_manifest(folder)
        check_belongs(folder, manifest, facts, data.path)
        check_files(folder, manifest, hashes=True)
        return folder

    def _facts(self, data: Captioned) -> dict[str, Any]:
        return {
            "form": "composed",
            "source": type(self).__name__,
            "settings": self.settings(),
            "count": len(data),
            "parts": [part.prepare(data).name for part in self.parts],
        }
