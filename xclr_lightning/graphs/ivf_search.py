"""Nearest vectors among those of the nearest clusters: an inverted file over FAISS's k-means, for many vectors.

FAISS answers one query after the other, and reads a vector for each pair that it compares. Here all vectors are
queries, so each cluster is read once for all that look into it, and compared with them in one matrix product.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.unit_vectors import UnitVectors

# Clusters: this many times √D. A query reads the centres of all and the members of a few.
CLUSTERS = 4
# Vectors a cluster that k-means looks at: FAISS warns below 39.
TRAINED_ON = 40
# Vectors that are put into clusters at once.
BLOCK = 8192
# Clusters that every query compares itself with first; of the others only what is better is kept.
FIRST = 4


def has_faiss() -> bool:
    """Whether FAISS is installed."""
    return find_spec("faiss") is not None


class Clusters:
    """All vectors in clusters.

    Args:
        vectors: D of them.
        seed: Of the clustering.

    Attributes:
        count: How many clusters there are.

    Raises:
        UserError: FAISS is not installed.
    """

    def __init__(self, vectors: UnitVectors, seed: int) -> None:
        if not has_faiss():
            raise UserError("search: ivf needs FAISS: pip install 'xclr-lightning[faiss]', or set search: exact")
        import faiss

        faiss.omp_set_num_threads(torch.get_num_threads())
        self._vectors = vectors
        self.count = max(1, min(round(CLUSTERS * sqrt(len(vectors))), len(vectors) // TRAINED_ON))
        sample = np.random.default_rng(seed).choice(len(vectors), TRAINED_ON * self.count, replace=False)
        means = faiss.Kmeans(vectors.dimension, self.count, niter=10, seed=seed, spherical=True)
        means.train(vectors[sample])
        self._centres = torch.from_numpy(means.centroids)
        blocks = [
            self._nearest(torch.from_numpy(vectors[slice(i, i + BLOCK)]), 1) for i in range(0, len(vectors), BLOCK)
        ]
        self._owner = torch.cat(blocks)[:, 0]
        self._members = self._owner.argsort(stable=True)
        self._ends = self._owner.bincount(minlength=self.count).cumsum(0)
        self._place = torch.empty_like(self._members)
        self._place[self._members] = torch.arange(len(vectors))

    def probes(self, numbers: np.ndarray, neighbours: np.ndarray, recall: float) -> int:
        """How many clusters a query must look into.

        Args:
            numbers: A sample of queries. Shape: ``(n,)``.
            neighbours: Their true neighbours. Shape: ``(n, depth)``.
            recall: Share of these that the clusters should hold.
        """
        order = self._nearest(torch.from_numpy(self._vectors[numbers]), self.count)
        rank = order.argsort(1).gather(1, self._owner[torch.from_numpy(neighbours.astype(np.int64))])
        return int(np.quantile(rank.numpy(), recall, method="higher")) + 1

    def neighbours(self, numbers: np.ndarray, k: int, probed: int) -> tuple[np.ndarray, np.ndarray]:
        """Nearest others of some vectors, nearest first; the more vectors at once, the faster for each.

        Args:
            numbers: Shape: ``(n,)``.
            k: At most D − 1.
            probed: Clusters that are looked into.

        Returns:
            Numbers of the neighbours, int32, and cosines, float32. Shapes: ``(n, k)``. Where the clusters hold
            fewer, the last numbers are −1, and their cosines too.
        """
        queries, own = torch.from_numpy(self._vectors[numbers]), self._place[torch.from_numpy(numbers)]
        nearest = self._nearest(queries, probed)
        first = min(FIRST, probed)
        best = torch.full((len(queries), first * k), -torch.inf)
        ids = torch.full(best.shape, -1)
        for rows, column, members, cosines in self._visits(nearest[:, :first], queries, own):
            top, place = cosines.topk(min(k, len(members)))
            columns = column[:, None] * k + torch.arange(top.shape[1])
            best[rows[:, None], columns], ids[rows[:, None], columns] = top, members[place]
        best, place = best.topk(k)
        found = [(torch.arange(len(queries)).repeat_interleave(k), ids.gather(1, place).ravel(), best.ravel())]
        least = best[:, -1]
        for rows, _, members, cosines in self._visits(nearest[:, first:], queries, own):
            row, member = (cosines > least[rows, None]).nonzero(as_tuple=True)
            found.append((rows[row], members[member], cosines[row, member]))
        every_row, every_id, every_cosine = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
        return _best(every_row, every_id, every_cosine, k)

    def _nearest(self, queries: Tensor, count: int) -> Tensor:
        """Numbers of the nearest clusters, nearest first. Shape: ``(n, count)``."""
        return torch.cat([(block @ self._centres.T).topk(count).indices for block in queries.split(BLOCK)])

    def _visits(
        self, clusters: Tensor, queries: Tensor, own: Tensor
    ) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """For each cluster: the queries that look into it, and in which column, its members, and all cosines."""
        width = clusters.shape[1]
        flat = clusters.numpy().ravel().astype(np.uint16 if self.count < 1 << 16 else np.int64)  # 16 bits sort fast
        order = torch.from_numpy(np.argsort(flat, kind="stable"))
        stops = np.bincount(flat, minlength=self.count).cumsum()
        for cluster, stop in enumerate(stops):
            visits = order[stops[cluster - 1] if cluster else 0 : stop]
            start, end = int(self._ends[cluster - 1]) if cluster else 0, int(self._ends[cluster])
            if not len(visits) or start == end:
                continue
            rows, members = visits // width, self._members[start:end]
            cosines = queries[rows] @ torch.from_numpy(self._vectors[members.numpy()]).T
            itself = own[rows] - start
            inside = ((itself >= 0) & (itself < len(members))).nonzero()[:, 0]
            cosines[inside, itself[inside]] = -torch.inf
            yield rows, visits % width, members, cosines


def _best(rows: np.ndarray, ids: np.ndarray, cosines: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k largest cosines of each row, of which there are at least k. Shapes: ``(p,)`` → ``(n, k)``."""
    order = np.lexsort((-cosines, rows))
    count = np.bincount(rows)
    nth = np.arange(len(rows)) - np.repeat(count.cumsum() - count, count)
    order = order[nth < k].reshape(-1, k)
    missing = np.isneginf(cosines[order])
    return np.where(missing, -1, ids[order]).astype(np.int32), np.where(missing, np.float32(-1), cosines[order])
