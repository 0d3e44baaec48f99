"""Wu-Palmer and path similarity against their definitions, one pair at a time."""

import numpy as np
import pytest

from xclr_lightning.graphs.ancestry import path_similarity, wu_palmer


def random_dag(seed: int, size: int = 40, roots: int = 1) -> list[list[int]]:
    """Parents in any order of numbers: some nodes have several."""
    rng = np.random.default_rng(seed)
    name = rng.permutation(size)
    parents: list[list[int]] = [[] for _ in range(size)]
    for node in range(roots, size):
        above = rng.choice(node, size=min(node, int(rng.choice([1, 1, 1, 2, 3]))), replace=False)
        parents[name[node]] = [int(name[parent]) for parent in above]
    return parents


def walks(parents: list[list[int]], node: int) -> list[list[int]]:
    """Every way from a node up to a root, both included."""
    if not parents[node]:
        return [[node]]
    return [[node, *walk] for parent in parents[node] for walk in walks(parents, parent)]


def naive_distance(parents: list[list[int]], a: int, b: int) -> float:
    """Edges of the shortest way up from a and down to b."""
    ways = [(one, other) for one in walks(parents, a) for other in walks(parents, b)]
    return min(
        (one.index(top) + other.index(top) for one, other in ways for top in set(one) & set(other)), default=np.inf
    )


def naive_wu_palmer(parents: list[list[int]], a: int, b: int) -> float:
    """As NLTK's ``wup_similarity``, but for a node and itself."""
    if a == b:
        return 1
    common = set().union(*walks(parents, a)) & set().union(*walks(parents, b))
    if not common:
        return 0
    shallow = {node: min(map(len, walks(parents, node))) for node in common}
    deepest = [node for node in sorted(common) if shallow[node] == max(shallow.values())]
    subsumer = next((node for node in deepest if node in (a, b)), deepest[0])
    depth = max(map(len, walks(parents, subsumer)))
    return 2 * depth / (naive_distance(parents, a, subsumer) + naive_distance(parents, b, subsumer) + 2 * depth)


CASES = [(seed, roots) for seed in range(6) for roots in (1, 3)]


@pytest.mark.parametrize(("seed", "roots"), CASES)
@pytest.mark.parametrize("measure", ["wu_palmer", "path"])
def test_every_pair_is_as_defined(measure, seed, roots):
    parents = random_dag(seed, roots=roots)
    nodes = list(range(0, len(parents), 2))
    if measure == "wu_palmer":
        found = wu_palmer(parents, nodes)
        expected = [[naive_wu_palmer(parents, a, b) for b in nodes] for a in nodes]
    else:
        found = path_similarity(parents, nodes)
        expected = [[1 / (1 + naive_distance(parents, a, b)) for b in nodes] for a in nodes]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


def test_the_random_taxonomies_are_not_all_trees():
    assert sum(len(above) > 1 for seed in range(6) for above in random_dag(seed)) > 30
    assert (wu_palmer(random_dag(0, roots=3), range(40)) == 0).any()


@pytest.mark.parametrize("measure", [wu_palmer, path_similarity])
def test_properties(measure):
    parents = random_dag(7)
    nodes = np.arange(40)
    table = measure(parents, nodes)
    np.testing.assert_array_equal(table, table.T)
    np.testing.assert_array_equal(table.diagonal(), 1)
    assert table.min() > 0
    off_diagonal = table[~np.eye(40, dtype=bool)]
    assert off_diagonal.max() < 1
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(measure(parents, order), table[order][:, order])


def test_a_tree_by_hand():
    #        animal            Wu-Palmer of dog and cat: animal is 1 deep, each is 2 below it: 2·1 / (2 + 2 + 2)
    #    canine   feline
    #   dog wolf   cat
    animal, canine, feline, dog, wolf, cat = range(6)
    parents = [[], [animal], [animal], [canine], [canine], [feline]]
    table = wu_palmer(parents, [dog, wolf, cat, canine, animal])
    assert table[0].tolist() == pytest.approx([1, 2 * 2 / (1 + 1 + 4), 2 / (2 + 2 + 2), 4 / (1 + 0 + 4), 2 / (2 + 2)])
    assert path_similarity(parents, [dog, wolf, cat, canine])[0].tolist() == pytest.approx([1, 1 / 3, 1 / 5, 1 / 2])


def test_a_node_twice():
    # 4 stands below 0, and below 3 that is deeper than that: by the formula alone it is not wholly itself.
    parents = [[], [0], [1], [2], [0, 3]]
    assert naive_wu_palmer(parents, 4, 3) == 8 / 9
    np.testing.assert_array_equal(wu_palmer(parents, [4, 3, 4]), [[1, 8 / 9, 1], [8 / 9, 1, 8 / 9], [1, 8 / 9, 1]])
