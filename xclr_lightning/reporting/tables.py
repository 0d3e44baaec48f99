"""Results as Markdown."""

import math
import re
from collections.abc import Mapping, Sequence

from xclr_lightning.reporting.groups import Group
from xclr_lightning.reporting.run import Run

# Of kNN, whose numbers over k have a figure of their own, tables show this k or the next smaller one.
K_SHOWN = 20
# Of ImageNet-9's variants, which have a figure of their own too.
VARIANTS_SHOWN = ("original", "mixed_same", "mixed_rand", "bg_gap")


def columns(measured: dict[str, bool], one_graph: bool = True) -> dict[str, bool]:
    """Of all numbers that evaluations logged, those that a table shows.

    Args:
        measured: Name → whether it is a share, to be shown in percent.
        one_graph: Whether rows have the same graph, with its captions in place or permuted; else they are not compared
            by nDCG, whose gains are the graph's.

    Example:
        >>> list(columns({"knn/top1@1": True, "knn/top1@20": True, "knn/top1@200": True, "imagenet9/no_fg": True}))
        ['knn/top1@20']
    """
    sizes: dict[str, list[int]] = {}
    for name in measured:
        stem, at, k = name.rpartition("@")
        if at and k.isdigit():
            sizes.setdefault(stem, []).append(int(k))
    best = {stem: max((k for k in ks if k <= K_SHOWN), default=min(ks)) for stem, ks in sizes.items()}
    shown = {}
    for name, percent in measured.items():
        stem, at, k = name.rpartition("@")
        group, _, rest = name.partition("/")
        if at and k.isdigit() and int(k) != best[stem]:
            continue
        if stem.endswith("/ndcg") and not one_graph:
            continue
        # The graph's own correlation is with another graph in every row.
        if group == "graph" or (group == "imagenet9" and rest not in VARIANTS_SHOWN):
            continue
        shown[name] = percent
    return shown


def result_table(groups: Sequence[Group], shown: dict[str, bool]) -> str:
    """Mean ± standard deviation over seeds; accuracies in percent.

    A seed says so that was not trained to its end, and a number that not all seeds have, of how many it is.
    """
    lines = [["", *shown, "seeds"]]
    for group in groups:
        cells = [_cell(_mean(group, metric, percent)) for metric, percent in shown.items()]
        lines.append([group.name, *cells, " ".join(_seed(run) for run in group.runs)])
    return markdown(lines)


def difference_table(groups: Sequence[Group], references: Mapping[str, Group], shown: dict[str, bool]) -> str:
    """Groups less their references, over the seeds that both have, with the p of a paired t-test.

    Args:
        groups: Rows of the table.
        references: What a group is compared with, by its name; a group is not compared with itself.
        shown: Names of the numbers, and whether they are shares.
    """
    pairs = [(group, references[group.name]) for group in groups if references.get(group.name, group) is not group]
    one = len({other.name for _, other in pairs}) == 1
    lines = [[f"less {pairs[0][1].name}" if one else "difference", *shown]]
    for group, other in pairs:
        found = [(group.against(other, metric), percent) for metric, percent in shown.items()]
        cells = (_cell(f"{_signed(f.difference.text(percent))}{_p(f.p)}") for f, percent in found)
        lines.append([group.name if one else f"{group.name}, less {other.name}", *cells])
    return markdown(lines)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table of Markdown, its first line being the head.

    Example:
        >>> print(markdown([["", "a"], ["x|y", "1"]]), end="")
        |  | a |
        |---|---|
        | x\\|y | 1 |
    """
    head, *body = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in [head]) + (
        "|" + "---|" * len(head) + "\n" + "".join(f"| {' | '.join(line)} |\n" for line in body)
    )


def _seed(run: Run) -> str:
    return f"{run.seed} ({run.unfinished})" if run.unfinished else str(run.seed)


def _mean(group: Group, metric: str, percent: bool) -> str:
    found = group.spread(metric)
    return found.text(percent) + ("" if found.count == len(group.runs) else f" (n = {found.count})")


def _cell(text: str) -> str:
    return "–" if re.match(r"[+-]?nan", text) else text


def _signed(text: str) -> str:
    return text if text.startswith(("-", "nan")) else f"+{text}"


def _p(p: float) -> str:
    return "" if math.isnan(p) else " (p < 0.001)" if p < 0.001 else f" (p = {p:.3f})"
