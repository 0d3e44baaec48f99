"""Sheets of pictures in rows, small enough to be read in a card of TensorBoard."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from xclr_lightning.drawing import BLUE, CARD, GREY
from xclr_lightning.graphs.inspection.naming import distinctive

# Inches; LINE is that of a line of a caption.
GAP, MARGIN, LINE, TOP = 0.05, 0.06, 0.122, 0.42
# Letters of a caption that are laid out.
LONGEST = 80


@dataclass
class Neighbour:
    """A picture beside a query.

    ``picture`` is ``(H, W, 3)`` uint8, ``same`` whether it has the query's label or caption.
    """

    picture: np.ndarray
    caption: str
    cosine: float
    same: bool


@dataclass
class Query:
    """A picture and its neighbours, nearest first. ``picture`` is ``(H, W, 3)`` uint8."""

    picture: np.ndarray
    caption: str
    neighbours: list[Neighbour]


def draw_views(title: str, rows: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    """Draw pictures as they are evaluated, and beside each the views that are trained on.

    Args:
        title: What is shown.
        rows: Caption, picture ``(H, W, 3)``, views ``(V, H, W, 3)``; uint8, or float in [0, 1].
    """
    count, left = 1 + len(rows[0][2]), MARGIN + 0.84
    side = max((CARD - left - 3 * GAP) / count - GAP, 0.4)
    places = [left + (number > 0) * 2 * GAP + number * (side + GAP) for number in range(count)]
    axis = _page(max(CARD, places[-1] + side + GAP), TOP + len(rows) * (side + GAP), title)
    heads = ["evaluated", *(f"view {number}" if count < 6 else str(number) for number in range(1, count))]
    for head, x in zip(heads, places, strict=True):
        axis.text(x + side / 2, TOP - 0.03, head, fontsize=7.5, ha="center", va="bottom")
    captions = distinctive([caption for caption, *_ in rows], LONGEST)
    for row, (caption, (_, picture, views)) in enumerate(zip(captions, rows, strict=True)):
        y = TOP + row * (side + GAP)
        axis.text(MARGIN, y + side / 2, _wrapped(caption, 13, 5), fontsize=7, va="center", parse_math=False)
        for x, image in zip(places, [picture, *views], strict=True):
            _show(axis, image, x, y, side)
    return axis.get_figure()  # type: ignore[return-value]


def draw_neighbours(title: str, heads: tuple[str, str], queries: Sequence[Query]) -> Figure:
    """Draw a row a query: it, then its neighbours with cosines; a thick frame and a tick for the same label or caption.

    Args:
        title: What is shown.
        heads: What stands above queries and above neighbours.
        queries: The rows.
    """
    count = max(len(query.neighbours) for query in queries)
    side = max((CARD - 2 * MARGIN - 4 * GAP) / (1 + count) - GAP, 0.5)
    left, height, top = MARGIN + side + 4 * GAP, side + 4 * LINE + 2 * GAP, TOP + 0.16
    axis = _page(max(CARD, left + count * (side + GAP) + GAP), top + len(queries) * height, title)
    for x, head in zip((MARGIN, left), heads, strict=True):
        axis.text(x, top - 0.05, head, fontsize=7.5, va="bottom", parse_math=False)
    said = [text for query in queries for text in (query.caption, *(other.caption for other in query.neighbours))]
    captions = iter(distinctive(said, LONGEST))
    for row, query in enumerate(queries):
        y = top + row * height
        below = y + side + 0.04
        _show(axis, query.picture, MARGIN, y, side)
        _below(axis, MARGIN + side / 2, below, next(captions))
        for place, neighbour in enumerate(query.neighbours):
            x = left + place * (side + GAP)
            _show(axis, neighbour.picture, x, y, side, framed=neighbour.same)
            _below(axis, x + side / 2, below + LINE, next(captions))
            cosine = axis.text(x + side / 2, below, f"{neighbour.cosine:.2f}", fontsize=7, ha="center", va="top")
            if neighbour.same:
                cosine.set(text=f"✓ {neighbour.cosine:.2f}", color=BLUE, weight="bold")
    line = left - 2 * GAP
    axis.plot([line, line], [top, top + len(queries) * height - GAP], color=GREY, linewidth=1)
    return axis.get_figure()  # type: ignore[return-value]


def _page(width: float, height: float, title: str) -> Axes:
    """A figure without a frame whose coordinates are inches from the upper left corner."""
    figure = Figure((width, height))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set_xlim(0, width)
    axis.set_ylim(height, 0)
    axis.set_axis_off()
    axis.text(MARGIN, 0.05, title, fontsize=8, weight="bold", va="top", parse_math=False)
    return axis


def _show(axis: Axes, image: np.ndarray, x: float, y: float, side: float, framed: bool = False) -> None:
    axis.imshow(image, extent=(x, x + side, y + side, y), aspect="auto", interpolation="antialiased")
    colour, width = (BLUE, 2.5) if framed else (GREY, 0.5)
    axis.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=colour, linewidth=width))


def _below(axis: Axes, x: float, y: float, caption: str) -> None:
    text = axis.text(x, y, _wrapped(caption, 12, 3), fontsize=6.5, ha="center", va="top")
    text.set(parse_math=False, linespacing=1.05)


def _wrapped(text: str, width: int, lines: int) -> str:
    """A text on a few lines, its end cut where it is long."""
    rows = textwrap.wrap(text, width)
    return "\n".join(rows if len(rows) <= lines else [*rows[: lines - 1], f"{rows[lines - 1][: width - 1]}…"])
