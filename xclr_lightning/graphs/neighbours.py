"""Each vector's nearest others: exactly for few vectors, by FAISS for many, with its recall measured."""

import logging
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from xclr_lightning.graphs.exact_search import exact_neighbours
from xclr_lightning.graphs.ivf_search import Clusters, has_faiss
from xclr_lightning.graphs.unit_vectors import UnitVectors
from xclr_lightning.progress import progress_bar

Search = Literal["auto", "exact", "ivf"]

# Vectors up to which comparing all pairs is a matter of a minute or two.
EXACT_UP_TO = 50_000
# Queries answered at once: the similarities to a block of keys, or to all that a cluster's visitors ask for, are held.
EXACT_BLOCK, IVF_BLOCK = 2048, 65_536
# Recall is that of the first 10, over so many vectors to tune the search on and as many others to measure it on.
RECALL_AT, RECALL_SAMPLE = 10, 1000
# Of the misses that are allowed so many are left to chance, as another sample has more or fewer.
MARGIN = 0.2
# Share of the clusters from which on comparing all pairs is faster: in 50,000 captions 0.52 took 1.4 times as long.
MOST_PROBED = 1 / 3
# Rounding of a cosine in float32: neighbours that tie are as good as each other.
TIE = 1e-6

log = logging.getLogger(__name__)


def find_neighbours(
    vectors: UnitVectors,
    ids: np.ndarray,
    cosines: np.ndarray,
    search: Search = "auto",
    recall: float = 0.99,
    seed: int = 0,
) -> dict[str, Any]:
    """Fill lists of each vector's k nearest others, nearest first.

    Args:
        vectors: D of them.
        ids: To be filled with numbers of vectors, −1 where too few were found. Shape: ``(D, k)``, int32, k < D.
        cosines: To be filled with similarities in float32, computed from the vectors. Shape: ``(D, k)``, float32.
        search: ``exact``, ``ivf`` for FAISS, or ``auto``: FAISS for more than 50,000 vectors, unless it is
            not installed or would have to look into over a third of all clusters.
        recall: Least share of the ten nearest that the search by FAISS should find.
        seed: Of the clustering, and of the samples that the search is tuned and measured on.

    Returns:
        How they were found, for ``graph.json``: ``search``, ``recall_at_10`` and how it was measured.

    Raises:
        UserError: ``search`` is ``ivf``, and FAISS is not installed.
    """
    count, k = ids.shape
    if search == "auto" and count > EXACT_UP_TO and not has_faiss():
        log.warning(
            "FAISS is not installed: comparing all pairs of %s vectors, which takes long; "
            "pip install 'xclr-lightning[faiss]' for a search among clusters",
            f"{count:,}",
        )
    if search == "ivf" or (search == "auto" and count > EXACT_UP_TO and has_faiss()):
        sample = np.random.default_rng(seed).permutation(count)[: 2 * RECALL_SAMPLE]
        tuned_on, measured_on = np.array_split(sample, 2)
        depth = min(RECALL_AT, k)
        clusters = Clusters(vectors, seed)
        probed = clusters.probes(tuned_on, _exact(vectors, tuned_on, depth)[0], recall + MARGIN * (1 - recall))
        if search == "ivf" or probed <= MOST_PROBED * clusters.count:
            _fill(lambda numbers: clusters.neighbours(numbers, k, probed), ids, cosines, IVF_BLOCK)
            found = measured_recall(cosines[measured_on][:, :depth], _exact(vectors, measured_on, depth)[1][:, -1:])
            if found < recall:
                log.warning("the search for neighbours found %.4f of the nearest ten, less than %s", found, recall)
            facts = {"search": "ivf", "clusters": clusters.count, "probed": probed}
            return {**facts, "recall_at_10": round(found, 5), "recall_sample": len(measured_on)}
    _fill(lambda numbers: exact_neighbours(vectors, numbers, k), ids, cosines, EXACT_BLOCK)
    return {"search": "exact", "recall_at_10": 1.0}


def measured_recall(cosines: np.ndarray, last: np.ndarray) -> float:
    """The share of the nearest that lists hold; one that ties with the last of them counts as it.

    Args:
        cosines: The lists' similarities, nearest first, as many as were sought. Shape: ``(n, depth)``.
        last: Similarity of the last that should be found. Shape: ``(n, 1)``.

    Example:
        >>> measured_recall(np.array([[0.9, 0.8], [0.9, 0.3]]), np.array([[0.8], [0.4]]))
        0.75
    """
    return float((cosines >= last - TIE).mean())


def _exact(vectors: UnitVectors, numbers: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`exact_neighbours`, for any number of queries."""
    blocks = np.array_split(numbers, -(-len(numbers) // EXACT_BLOCK))
    found = [exact_neighbours(vectors, block, k) for block in blocks]
    return np.concatenate([ids for ids, _ in found]), np.concatenate([cosines for _, cosines in found])


def _fill(
    neighbours: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], ids: np.ndarray, cosines: np.ndarray, size: int
) -> None:
    with progress_bar(len(ids), "finding neighbours", "vector", delay=5) as bar:
        for start in range(0, len(ids), size):
            numbers = np.arange(start, min(start + size, len(ids)))
            ids[numbers], cosines[numbers] = neighbours(numbers)
            bar.update(len(numbers))
