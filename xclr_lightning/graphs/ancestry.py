"""How related the nodes of a taxonomy are: by their deepest common ancestor, or by the path between them."""

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

import numpy as np

Parents = Sequence[Sequence[int]]


def wu_palmer(parents: Parents, nodes: Sequence[int]) -> np.ndarray:
    """Wu-Palmer similarity, ``2 d(s) / (n(a) + n(b) + 2 d(s))`` for the deepest common ancestor s of a and b.

    d counts the nodes from a root down to s, itself included, by the longest way; n the edges up to s. With several
    parents, of the common ancestors the one is taken whose shortest way to a root is the longest, and among equals a or
    b itself, else the lowest number. So does NLTK's ``wup_similarity`` with numbers in the order of synsets' names; it
    alone may put a synset below 1 to itself, where one of its parents lies deeper than its own shortest way to a root.

    Args:
        parents: The parents of every node, by number; a root has none. No node is its own ancestor.
        nodes: Which nodes. C in all.

    Returns:
        Similarities in [0, 1], symmetric, 1 of a node to itself, 0 of two nodes without a common ancestor. Shape:
        ``(C, C)``, float64.

    Reference:
        Wu and Palmer 1994, "Verbs semantics and lexical selection".

    Example:
        >>> animal, dog, cat, tabby = 0, 1, 2, 3
        >>> wu_palmer([[], [animal], [animal], [cat]], [dog, cat, tabby]).round(2)
        array([[1. , 0.5, 0.4],
               [0.5, 1. , 0.8],
               [0.4, 0.8, 1. ]])
    """
    up = {node: ways_up(parents, node) for node in nodes}
    ancestors = sorted(set().union(*up.values()))
    shortest, longest = _depths(parents, ancestors)
    column = {ancestor: i for i, ancestor in enumerate(ancestors)}
    above = {ancestor: ways_up(parents, ancestor) for ancestor in ancestors}
    edges = np.full((len(nodes), len(ancestors)), np.inf, dtype=np.float32)
    rows: dict[int, list[int]] = {}
    for row, node in enumerate(nodes):
        rows.setdefault(node, []).append(row)
        for ancestor in up[node]:
            # Over several parents, the way up and down again may be shorter than the one straight up.
            edges[row, column[ancestor]] = min(up[node][top] + steps for top, steps in above[ancestor].items())
    depth = np.array([longest[ancestor] + 1 for ancestor in ancestors])
    table = np.zeros((len(nodes), len(nodes)))
    for row, node in enumerate(nodes):
        own = sorted(up[node], key=lambda ancestor: (-shortest[ancestor], ancestor != node, ancestor))
        columns = np.array([column[ancestor] for ancestor in own])
        shared = np.isfinite(edges[:, columns])
        common = columns[shared.argmax(axis=1)]
        for ancestor in own:
            for other in rows.get(ancestor, ()):
                if shortest[ancestor] == shortest[ancestors[common[other]]]:
                    common[other] = column[ancestor]
        steps = edges[row, common] + edges[np.arange(len(nodes)), common]
        table[row] = np.where(shared.any(axis=1), 2 * depth[common] / (steps + 2 * depth[common]), 0)
    table[np.equal.outer(nodes, nodes)] = 1
    return table


def path_similarity(parents: Parents, nodes: Sequence[int]) -> np.ndarray:
    """``1 / (1 + d)`` for the d edges of the shortest path over a common ancestor.

    Args:
        parents: The parents of every node, by number; a root has none.
        nodes: Which nodes. C in all.

    Returns:
        Similarities in [0, 1], symmetric, 1 of a node to itself, 0 of two nodes without a common ancestor. Shape:
        ``(C, C)``, float64.

    Example:
        >>> animal, dog, cat, tabby = 0, 1, 2, 3
        >>> path_similarity([[], [animal], [animal], [cat]], [dog, cat, tabby]).round(2)
        array([[1.  , 0.33, 0.25],
               [0.33, 1.  , 0.5 ],
               [0.25, 0.5 , 1.  ]])
    """
    up = [ways_up(parents, node) for node in nodes]
    column = {ancestor: i for i, ancestor in enumerate(sorted(set().union(*up)))}
    edges = np.full((len(nodes), len(column)), np.inf, dtype=np.float32)
    for row, ways in enumerate(up):
        edges[row, [column[ancestor] for ancestor in ways]] = list(ways.values())
    distance = np.empty((len(nodes), len(nodes)))
    for row, ways in enumerate(up):
        columns = [column[ancestor] for ancestor in ways]
        distance[row] = (edges[:, columns] + edges[row, columns]).min(axis=1)
    return 1 / (1 + distance)


def ways_up(parents: Parents, node: int) -> dict[int, int]:
    """Edges up to each ancestor of a node by the shortest way, itself included.

    Example:
        >>> ways_up([[], [0], [1, 0]], 2)
        {2: 0, 1: 1, 0: 1}
    """
    steps, found = 0, {node: 0}
    level = [node]
    while level:
        steps += 1
        level = [parent for child in level for parent in parents[child] if parent not in found]
        found |= dict.fromkeys(level, steps)
        level = list(dict.fromkeys(level))
    return found


def _depths(parents: Parents, nodes: Sequence[int]) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Edges up to a root from each node by the shortest and by the longest way; nodes hold all their ancestors."""
    shortest: dict[int, int] = {}
    longest: dict[int, int] = {}
    for node in TopologicalSorter({node: parents[node] for node in nodes}).static_order():
        shortest[node] = 1 + min((shortest[parent] for parent in parents[node]), default=-1)
        longest[node] = 1 + max((longest[parent] for parent in parents[node]), default=-1)
    return shortest, longest
