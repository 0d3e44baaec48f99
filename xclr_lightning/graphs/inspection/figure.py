"""An inspection as one figure: how alike, how soft, and what is near what."""

from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xclr_lightning.drawing import BLUE, GREY, ORANGE, PALE, SCALE, SKY
from xclr_lightning.graphs.inspection.naming import distinctive
from xclr_lightning.graphs.inspection.report import Report
from xclr_lightning.graphs.inspection.words import PLURAL, headline, number


def draw_report(report: Report) -> Figure:
    """Draw the histogram of similarities, the target over τ_s, and a clustered heat map.

    Returns:
        16 × 6.6 inches, to be read at 100 dots an inch.
    """
    figure = Figure(figsize=(16, 6.6), layout="constrained")
    figure.suptitle(headline(report), fontsize=11)
    parts: Any = figure.subfigures(1, 3, width_ratios=(1, 1.15, 1.65))
    left, middle, right = parts
    _histogram(left.subplots(), report)
    positives, shares = middle.subplots(2, 1, sharex=True)
    _positives(positives, report)
    _shares(shares, report)
    _heat_map(right.subplots(), report)
    return figure


def _histogram(axis: Axes, report: Report) -> None:
    found, many = report.survey, PLURAL[report.subject.thing]
    share = (found.histogram / found.histogram.sum()).numpy()
    width = 2 / len(share)
    used = share.nonzero()[0]
    first, last = used[0], used[-1] + 1
    axis.bar(torch.arange(first, last) * width - 1 + width / 2, share[first:last], width, color=BLUE)
    axis.axvline(found.mean, color=ORANGE, linewidth=2)
    axis.set_title(f"How alike two different {many} are\nmean {found.mean:.2f}", fontsize=11)
    axis.set_xlabel("similarity")
    axis.set_ylabel("share of pairs")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}" if value >= 0.01 or not value else f"{value:.1%}")
    axis.spines[["top", "right"]].set_visible(False)


def _positives(axis: Axes, report: Report) -> None:
    curve, keys = report.curve, report.curve[0].keys
    axis.plot([at.temperature for at in curve], [at.effective_positives for at in curve], color=BLUE, linewidth=2)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylim(0.9, keys * 1.6)
    axis.axhline(keys, color=GREY, linewidth=1)
    axis.text(curve[0].temperature, keys, f"uniform: {keys:,}", fontsize=8, va="bottom")
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    batch = f"in random batches of {report.batch_size:,}"
    axis.set_title(f"How soft the target is, {batch}\neffective positives of an anchor", fontsize=11)
    _mark(axis, report, text=True)


def _shares(axis: Axes, report: Report) -> None:
    curve, thing = report.curve, report.subject.thing
    x = [at.temperature for at in curve]
    own = [at.own_share for at in curve]
    same = [at.same_share - at.own_share for at in curve]
    rest = [1 - at.same_share for at in curve]
    axis.stackplot(
        x,
        own,
        same,
        rest,
        colors=(BLUE, SKY, PALE),
        labels=("own sample", f"others of its {thing}", f"other {PLURAL[thing]}"),
    )
    axis.set_xlim(x[0], x[-1])
    axis.set_ylim(0, 1)
    axis.set_title("what shares the target", fontsize=11)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.set_xlabel("target temperature τ_s")
    ticks = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.legend(loc="upper right", fontsize=8, framealpha=0.9)
    _mark(axis, report, text=False)


def _mark(axis: Axes, report: Report, text: bool) -> None:
    marks = [("suggested", report.suggested, ORANGE, "-"), ("in use", report.in_use, "black", "--")]
    if report.suggested is report.in_use:
        marks = [("suggested, and in use:", report.suggested, ORANGE, "-")]
    first = min(point.temperature for _, point, _, _ in marks if point is not None) if len(marks) > 1 else 0
    for row, (word, point, colour, style) in enumerate(marks):
        if point is None:
            continue
        axis.axvline(point.temperature, color=colour, linestyle=style, linewidth=1.5)
        if text:
            # Outwards from each other, yet within the panel.
            left = point.temperature > 0.3 or 0.03 < point.temperature == first
            axis.annotate(
                f"{word} {point.temperature:g}\n{number(point.effective_positives)} positives",
                (point.temperature, 0.02 + 0.14 * row),
                xycoords=axis.get_xaxis_transform(),
                xytext=(-4 if left else 4, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="bottom",
                fontsize=8,
                color=colour,
                bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1},
            )


def _heat_map(axis: Axes, report: Report) -> None:
    picture = report.picture
    n = len(picture.similarity)
    off = picture.similarity[~torch.eye(n, dtype=torch.bool)]
    low = off[:: 1 + len(off) // 2**20].quantile(0.05).item()  # a quantile takes 2²⁴ values at most
    many = n > len(picture.labelled)
    # Of many rows the diagonal is a hair's breadth: the colours are for what lies beside it.
    high = off[:: 1 + len(off) // 2**20].quantile(0.995).item() if many else 1.0
    image = axis.imshow(
        picture.similarity.numpy(),
        cmap=SCALE,
        vmin=min(low, high - 0.05),
        vmax=high,
        interpolation="antialiased" if many else "none",
        aspect="auto",
    )
    # Captions have prices in dollars, which are no formulas.
    axis.set_yticks(picture.labelled.tolist(), distinctive(picture.names, 34), fontsize=8, parse_math=False)
    axis.set_xticks([])
    for edge in picture.edges:
        axis.axhline(edge - 0.5, color="white", linewidth=1.5)
        axis.axvline(edge - 0.5, color="white", linewidth=1.5)
    axis.set_title(_heat_title(report), fontsize=11)
    bar = axis.get_figure().colorbar(image, ax=axis, extend="both" if many else "min", pad=0.02)  # type: ignore[union-attr]
    bar.set_label("similarity", fontsize=9)


def _heat_title(report: Report) -> str:
    shown, many = len(report.picture.rows), PLURAL[report.subject.thing]
    if report.picture.edges:
        return f"What is near what: {len(report.picture.edges) + 1} groups of {many}"
    kind = "All" if shown == report.subject.count else "A sample of"
    return f"What is near what: {kind.lower()} {shown:,} {many}, related ones side by side"
