"""Taxonomies from files: who stands below whom."""

import graphlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xclr_lightning.errors import UserError, did_you_mean
from xclr_lightning.graphs.ancestry import Parents, ways_up
from xclr_lightning.graphs.columns import read_columns
from xclr_lightning.graphs.newick import parse_newick

NEWICK_SUFFIXES = {".nwk", ".newick", ".tree", ".tre"}


@dataclass(frozen=True)
class Taxonomy:
    """Nodes with their names and parents.

    Args:
        origin: Where it comes from, named in messages.
        names: Name of every node; empty where it has none.
        parents: The parents of every node, by number; a root has none.
    """

    origin: str
    names: Sequence[str]
    parents: Parents

    def table(self, classes: Sequence[str], measure: Callable[[Parents, Sequence[int]], np.ndarray]) -> np.ndarray:
        """How related classes are by a measure of :mod:`xclr_lightning.graphs.ancestry`. Shape: ``(C, C)``, float64.

        Raises:
            UserError: A class is not in it, or is the name of several nodes; a node is its own ancestor.
        """
        nodes = self.find(classes)
        above = set().union(*(ways_up(self.parents, node) for node in nodes))
        try:
            graphlib.TopologicalSorter({node: self.parents[node] for node in above}).prepare()
        except graphlib.CycleError as error:
            cycle = " < ".join(self.names[node] for node in error.args[1][::-1])
            raise UserError(f"{self.origin}: a class stands above itself: {cycle}") from error
        return measure(self.parents, nodes)

    def find(self, classes: Sequence[str]) -> list[int]:
        """The numbers of the nodes with these names.

        Raises:
            UserError: A class is not in it, or is the name of several nodes.
        """
        numbers: dict[str, list[int]] = {}
        for number, name in enumerate(self.names):
            if name:
                numbers.setdefault(name, []).append(number)
        if missing := [name for name in classes if name not in numbers]:
            more = f" and {len(missing) - 1} more" if missing[1:] else ""
            close = did_you_mean(missing[0], numbers)
            raise UserError(f"{self.origin} has no {missing[0]!r}{more} among its {len(numbers):,} names{close}")
        if several := next((name for name in classes if len(numbers[name]) > 1), None):
            raise UserError(f"{self.origin} has {len(numbers[several])} nodes named {several!r}: classes need one each")
        return [numbers[name][0] for name in classes]


def read_taxonomy(path: str | Path, ranks: Sequence[str] | None = None) -> Taxonomy:
    """Read a tree in Newick (by the file's suffix), or a CSV file: of the columns child and parent, or of ranks.

    A child may have several rows, one a parent; a root has no parent, an empty one, or itself. A table of ranks has
    one row a class and a column a rank, the most general first, the class itself last; a rank may be empty.

    Args:
        path: The file.
        ranks: Which columns are ranks, by default all of them.

    Raises:
        UserError: The file is missing, or is none of these.
    """
    file = Path(path).expanduser()
    if file.suffix.lower() in NEWICK_SUFFIXES:
        try:
            return Taxonomy(str(file), *parse_newick(file.read_text(encoding="utf-8-sig")))
        except (OSError, ValueError) as error:
            raise UserError(f"{file} cannot be read ({error}): a tree in Newick is expected") from error
    columns = read_columns(file)
    if ranks is None and {"child", "parent"} <= set(columns):
        return _from_parents(str(file), list(zip(columns["child"], columns["parent"], strict=True)))
    chosen = list(columns) if ranks is None else ranks
    if len(chosen) < 2 or not set(chosen) <= set(columns):
        wanted = f" (data.graph.ranks: {', '.join(ranks)})" if ranks else ""
        raise UserError(
            f"{file} has the columns {', '.join(columns) or '(none)'}: expected child and parent, or at least two "
            f"ranks from the most general to the class{wanted}"
        )
    return _from_ranks(str(file), list(zip(*(columns[rank] for rank in chosen), strict=True)))


def _from_parents(origin: str, pairs: list[tuple[str, str]]) -> Taxonomy:
    names = sorted({name for pair in pairs for name in pair if name})
    number = {name: i for i, name in enumerate(names)}
    parents: list[dict[int, None]] = [{} for _ in names]
    for child, parent in pairs:
        if child and parent and child != parent:
            parents[number[child]][number[parent]] = None
    return Taxonomy(origin, names, [list(above) for above in parents])


def _from_ranks(origin: str, rows: list[tuple[str, ...]]) -> Taxonomy:
    # The same name may stand at two ranks or in two branches, so a node is the whole way down to it.
    parents: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    classes = set()
    for row in rows:
        way = tuple(name for name in row if name)
        for depth in range(len(way)):
            parents[way[: depth + 1]] = [way[:depth]] if depth else []
        classes.add(way)
    leaves = {way[-1] for way in classes if way}
    ways = sorted(parents)
    number = {way: i for i, way in enumerate(ways)}
    # A class is found before a genus of the same name.
    names = [way[-1] if way in classes or way[-1] not in leaves else "" for way in ways]
    return Taxonomy(origin, names, [[number[above] for above in parents[way]] for way in ways])
