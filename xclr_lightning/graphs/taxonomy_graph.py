"""A graph from a taxonomy of the classes: species, products, diagnoses."""

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.ancestry import path_similarity, wu_palmer
from xclr_lightning.graphs.class_graph import ClassGraph
from xclr_lightning.graphs.manifest import file_sha256
from xclr_lightning.graphs.taxonomy import read_taxonomy

MEASURES = {"wu_palmer": wu_palmer, "path": path_similarity}


class TaxonomyGraph(ClassGraph):
    """How near two classes stand in a taxonomy.

    Args:
        file: A tree in Newick (``.nwk``, ``.newick``, ``.tree``, ``.tre``; lengths of branches are left out), or a CSV
            file: of the columns ``child`` and ``parent``, or of one row a class and one column a rank, the most general
            first and the class itself last. ``package:NAME/FILE`` is a file inside an installed package.
        measure: ``wu_palmer``: by the depth of the deepest common ancestor; ``path``: ``1 / (1 + edges between them)``.
        ranks: Which columns of a CSV file are ranks, by default all.
        kwargs: Arguments of :class:`ClassGraph`.
    """

    def __init__(
        self,
        file: str,
        measure: Literal["wu_palmer", "path"] = "wu_palmer",
        ranks: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.file, self.measure, self.ranks = file, measure, ranks

    def table(self, classes: list[str]) -> np.ndarray:
        return read_taxonomy(self._path(), self.ranks).table(classes, MEASURES[self.measure])

    def settings(self) -> dict[str, Any]:
        path = self._path()
        try:
            digest = file_sha256(path)
        except OSError as error:
            raise UserError(f"data.graph.file {path} cannot be read: {error.strerror}") from error
        return {"file_sha256": digest, "measure": self.measure, "ranks": self.ranks}

    def _path(self) -> Path:
        if not self.file.startswith("package:"):
            return Path(self.file).expanduser()
        package, _, name = self.file.removeprefix("package:").partition("/")
        try:
            return Path(str(files(package))) / name
        except ModuleNotFoundError as error:
            raise UserError(f"data.graph.file {self.file}: there is no package {package!r}") from error
