"""Results as figures: over epochs, over k of kNN, over a setting that was varied, over ImageNet-9's variants."""

import math
import re
from collections.abc import Sequence
from itertools import cycle
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xclr_lightning.drawing import COLOURS, MARKERS, tidy
from xclr_lightning.reporting.groups import Group
from xclr_lightning.reporting.statistics import Spread, spread

PANEL = (4.6, 3.6)  # inches
MOST_PANELS = 4
LABEL = 40  # letters of a line
# Of several of ImageNet-9's variants, and no accuracy on one.
SUMMARIES = ("bg_gap", "adversarial")

# A line of a panel: what the legend calls it, and for each x its value.
Line = tuple[str, dict[float, Spread]]


def over_epochs(groups: Sequence[Group], shown: dict[str, bool]) -> Figure | None:
    """Numbers that were measured more than once in a run, a panel each, a line a group."""
    panels = {}
    for metric in shown:
        lines = []
        for group in groups:
            by_epoch: dict[float, list[float]] = {}
            for run in group.runs:
                for row in run.history:
                    if metric in row:
                        by_epoch.setdefault(row["epoch"] + 1, []).append(row[metric])
            lines.append((group.name, {epoch: spread(values) for epoch, values in by_epoch.items()}))
        if any(len(points) > 1 for _, points in lines):
            panels[metric] = lines
    return _panels(panels, shown, "epoch")


def over_k(groups: Sequence[Group], measured: dict[str, bool]) -> Figure | None:
    """Accuracy of kNN over the number of neighbours, a panel a set."""
    panels: dict[str, list[Line]] = {}
    for metric in measured:
        stem, at, k = metric.rpartition("@")
        if at and k.isdigit() and stem.endswith("/top1"):
            panels.setdefault(stem, [(group.name, {}) for group in groups])
            for (_, points), group in zip(panels[stem], groups, strict=True):
                points[float(k)] = group.spread(metric)
    several = {stem: lines for stem, lines in panels.items() if len(lines[0][1]) > 1}
    return _panels(several, dict.fromkeys(several, True), "neighbours k")


def over_setting(setting: str, groups: Sequence[Group], shown: dict[str, bool]) -> Figure | None:
    """Numbers over a numeric setting, a panel each; groups that differ in nothing else are a line.

    None where no two groups do: the setting then is but one of several that tell groups apart.

    Args:
        setting: Its place in a config, such as ``data.init_args.train_share``.
        groups: Those in which it is a number.
        shown: Names of the numbers, and whether they are shares.
    """
    short = setting.rpartition(".")[2]
    parts = setting.replace(".init_args", "").split(".")
    # As names of groups have it: with as much of its place as tells it from others, and a number.
    told = "|".join(re.escape(".".join(parts[start:])) for start in range(len(parts)))
    panels = {}
    for metric in shown:
        lines: dict[str, dict[float, Spread]] = {}
        for group in groups:
            line = re.sub(rf", (?:{told}) [-+.\d][-+.\w]*(?=,|$)", "", group.name)
            lines.setdefault(line, {})[float(group.settings[setting])] = group.spread(metric)
        if any(len(points) > 1 for points in lines.values()):
            panels[metric] = list(lines.items())
    return _panels(panels, shown, short.replace("_", " "))


def by_row(groups: Sequence[Group], shown: dict[str, bool]) -> Figure | None:
    """The table as bars: a panel a number, a bar a group."""
    chosen = list(shown.items())[:MOST_PANELS]
    if not chosen or len(groups) < 2:
        return None
    names = [fill(group.name, LABEL) for group in groups]
    height = 0.9 + sum(0.36 + 0.2 * name.count("\n") for name in names)
    figure = Figure(figsize=(2.4 + 2.8 * len(chosen), height), layout="constrained")
    axes = figure.subplots(1, len(chosen), squeeze=False, sharey=True)[0]
    for axis, (metric, percent) in zip(axes, chosen, strict=True):
        found = [group.spread(metric) for group in groups]
        scale = 100 if percent else 1
        errors = [0 if math.isnan(one.deviation) else scale * one.deviation for one in found]
        axis.barh(range(len(groups)), [scale * one.mean for one in found], xerr=errors, color=COLOURS[0], height=0.7)
        axis.set_title(f"{metric}{', %' if percent else ''}", fontsize=11)
        tidy(axis, grid="x")
    axes[0].set_yticks(range(len(groups)), names)
    axes[0].invert_yaxis()
    return figure


def robustness(groups: Sequence[Group], measured: dict[str, bool]) -> Figure | None:
    """Accuracy on ImageNet-9's variants as bars, a group of bars a variant."""
    names = (name.partition("/") for name in measured)
    variants = [variant for group, _, variant in names if group == "imagenet9" and variant not in SUMMARIES]
    if not variants:
        return None
    figure = Figure(figsize=(1.6 + 1.1 * len(variants), 4.0), layout="constrained")
    axis = figure.subplots()
    width = 0.8 / len(groups)
    for number, (group, colour) in enumerate(zip(groups, cycle(COLOURS), strict=False)):
        found = [group.spread(f"imagenet9/{variant}") for variant in variants]
        places = [place - 0.4 + width * (number + 0.5) for place in range(len(variants))]
        axis.bar(
            places,
            [100 * one.mean for one in found],
            width,
            yerr=[0 if math.isnan(one.deviation) else 100 * one.deviation for one in found],
            label=group.name,
            color=colour,
            error_kw={"linewidth": 1},
        )
    axis.set_xticks(range(len(variants)), variants, rotation=20, ha="right")
    axis.set_ylabel("ImageNet-9 accuracy, %")
    tidy(axis)
    _legend(figure, axis)
    return figure


def _panels(panels: dict[str, list[Line]], percent: dict[str, bool], x: str) -> Figure | None:
    """Lines with a bar of one standard deviation where there are several seeds; None where there is nothing to draw."""
    chosen = dict(list(panels.items())[:MOST_PANELS])
    if not chosen:
        return None
    figure = Figure(figsize=(PANEL[0] * len(chosen), PANEL[1] + 0.4), layout="constrained")
    axes = figure.subplots(1, len(chosen), squeeze=False)[0]
    for axis, (metric, lines) in zip(axes, chosen.items(), strict=True):
        scale = 100 if percent[metric] else 1
        for (name, points), colour, marker in zip(lines, cycle(COLOURS), cycle(MARKERS), strict=False):
            places = sorted(place for place, value in points.items() if value.count)
            axis.errorbar(
                places,
                [scale * points[place].mean for place in places],
                [0 if math.isnan(points[place].deviation) else scale * points[place].deviation for place in places],
                color=colour,
                marker=marker,
                markersize=5,
                capsize=3,
                label=name,
            )
        axis.set_title(metric, fontsize=11)
        axis.set_xlabel(x)
        axis.set_ylabel("%" if percent[metric] else "")
        _mark(axis, sorted({place for _, points in lines for place in points}))
        tidy(axis)
    _legend(figure, axes[0])
    return figure


def _legend(figure: Figure, axis: Axes) -> None:
    """Below all panels, for which the figure grows, in as many columns as it is wide."""
    handles, names = axis.get_legend_handles_labels()
    labels = [fill(name, LABEL) for name in names]
    longest = max(len(line) for label in labels for line in label.splitlines())
    width, height = figure.get_size_inches()
    columns = max(1, int(width / (0.6 + 0.085 * longest)))  # a handle's width, and a letter's
    figure.set_size_inches(width, height + 0.2 * sum(label.count("\n") + 1 for label in labels[::columns]))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)


def _mark(axis: Axes, places: Sequence[float]) -> None:
    """Ticks at what was measured; a logarithmic axis where the places are far apart by ratio."""
    if places[0] > 0 and places[-1] >= 8 * places[0] and len(places) <= 8:
        axis.set_xscale("log")
    if len(places) <= 8:
        axis.set_xticks(places, [f"{place:g}" for place in places])
        axis.minorticks_off()
