"""A graph of neighbour lists, computed from another graph's embeddings."""

from pathlib import Path
from typing import Any

import numpy as np

from xclr_lightning.cache import atomic_folder
from xclr_lightning.errors import UserError
from xclr_lightning.graphs.base import Built, Captioned, GraphSource
from xclr_lightning.graphs.folder import graph_folder
from xclr_lightning.graphs.ivf_search import has_faiss
from xclr_lightning.graphs.manifest import write_manifest
from xclr_lightning.graphs.neighbour_list import NeighbourGraph
from xclr_lightning.graphs.neighbour_store import FORM, IDS, SIMILARITIES, VECTOR, load_lists
from xclr_lightning.graphs.neighbours import Search, find_neighbours
from xclr_lightning.graphs.unit_vectors import unit_vectors
from xclr_lightning.graphs.unlisted import related_samples, unlisted_similarity


class NeighbourListGraph(GraphSource):
    """Each sample's k nearest by another graph's embeddings; all other pairs have one similarity.

    Lists are small and exact where they say something, and silent elsewhere: in random batches of large data hardly a
    pair is listed. They serve batches that bring neighbours along (``data.neighbour_share``), mining and audits.

    Args:
        graph: A graph of embeddings compared by cosine, such as CaptionGraph.
        k: Neighbours a distinct embedding; all others where there are fewer.
        floor: What an unlisted pair is worth; by default the mean over random ones, which ``graph.json`` has.
        search: ``exact``, ``ivf`` for FAISS, or ``auto``: FAISS above 50,000 distinct embeddings.
        recall: Least share of the ten nearest that the search by FAISS should find.
        seed: Of clusters and samples.

    Raises:
        UserError: A number is out of range.
    """

    def __init__(
        self,
        graph: GraphSource,
        k: int = 64,
        floor: float | None = None,
        search: Search = "auto",
        recall: float = 0.99,
        seed: int = 0,
    ) -> None:
        if k < 1:
            raise UserError(f"data.graph.k {k}: at least 1 neighbour")
        if floor is not None and not -1 <= floor <= 1:
            raise UserError(f"data.graph.floor {floor} is no similarity from -1 to 1")
        if not 0 < recall <= 1:
            raise UserError(f"data.graph.recall {recall} is not a share above 0, up to 1")
        self.graph, self.k, self.floor = graph, k, floor
        self.search, self.recall, self.seed = search, recall, seed

    def prepare(self, data: Captioned) -> Path:
        inner = self.graph.prepare(data)
        folder = self._folder(inner, data)
        if not folder.is_dir():
            self._write(folder, inner, data)
        return folder

    def build(self, data: Captioned, rank: int, world: int) -> Built:
        """Take part in building the embeddings; of the lists, which need all of them, the last process makes all."""
        built = self.graph.build(data, rank, world)
        if built.folder is None or (rank and not built.encoded):
            return Built(None, built.encoded, built.seconds)
        return Built(self.prepare(data), built.encoded, built.seconds)

    def open(self, data: Captioned) -> NeighbourGraph:
        inner = self.graph.prepare(data)
        return load_lists(self._folder(inner, data), self._facts(inner, data), data.path, self.floor)

    def _write(self, folder: Path, inner: Path, data: Captioned) -> None:
        if self.search == "ivf" and not has_faiss():
            raise UserError("data.graph.search ivf needs FAISS: pip install 'xclr-lightning[faiss]', or take exact")
        vectors, vector = unit_vectors(self.graph.open(data), len(data), f"data.graph {type(self.graph).__name__}")
        if len(vectors) < 2:
            raise UserError(f"all samples in {data.path} have one embedding: there are no neighbours to list")
        shape = (len(vectors), min(self.k, len(vectors) - 1))
        with atomic_folder(folder) as draft:
            ids = np.lib.format.open_memmap(draft / IDS, "w+", np.int32, shape)
            cosines = np.lib.format.open_memmap(draft / SIMILARITIES, "w+", np.float32, shape)
            found = find_neighbours(vectors, ids, cosines, self.search, self.recall, self.seed)
            np.save(draft / VECTOR, np.asarray(vector, dtype=np.int64), allow_pickle=False)
            ids.flush()
            cosines.flush()
            manifest = {
                **FORM,
                **self._facts(inner, data),
                "dtype": "float32",
                "distinct": shape[0],
                "neighbours": shape[1],
                "dimension": vectors.dimension,
                **found,
                "related": round(related_samples(vector, ids), 6),
                "floor": unlisted_similarity(vectors, vector, ids, self.seed),
            }
            write_manifest(draft, manifest)

    def _folder(self, inner: Path, data: Captioned) -> Path:
        return graph_folder({**FORM, **self._facts(inner, data)})

    def _facts(self, inner: Path, data: Captioned) -> dict[str, Any]:
        return {
            "source": type(self).__name__,
            "count": len(data),
            "graph": inner.name,
            "k": self.k,
            "asked": {"search": self.search, "recall": self.recall, "seed": self.seed},
        }
