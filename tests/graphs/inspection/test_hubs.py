"""Hubs against counting, and one that was planted."""

import numpy as np
import pytest
import torch
from stored_graphs import unit

from xclr_lightning.graphs import EmbeddingGraph
from xclr_lightning.graphs.inspection.hubs import occurrences, skewness
from xclr_lightning.graphs.inspection.survey import survey


def test_occurrences():
    neighbours = torch.randint(30, (30, 5))
    counted = torch.rand(30, 5) > 0.3
    expected = [sum(bool(c) and n == i for n, c in zip(neighbours.ravel(), counted.ravel(), strict=True))
                for i in range(30)]  # fmt: skip
    assert occurrences(neighbours, counted).tolist() == expected


def test_skewness():
    values = torch.randint(50, (200,)) ** 2
    array = values.double().numpy()
    expected = np.mean(((array - array.mean()) / array.std()) ** 3)
    assert skewness(values) == pytest.approx(expected)
    assert skewness(-values) == pytest.approx(-expected)


def listed(vectors: np.ndarray) -> torch.Tensor:
    graph = EmbeddingGraph([vectors / np.linalg.norm(vectors, axis=1, keepdims=True)])
    found = survey(graph, torch.stack([graph.nodes(i) for i in range(len(vectors))]))
    return occurrences(found.neighbours, found.in_list)


def test_a_planted_hub_is_found():
    centre = unit(1, 64, seed=5)
    vectors = unit(200, 64) + 0.5 * centre
    plain = listed(vectors)
    vectors[17] = centre
    with_hub = listed(vectors)
    assert with_hub.argmax() == 17
    assert with_hub[17] > 150
    assert skewness(with_hub) > 2 * skewness(plain)
