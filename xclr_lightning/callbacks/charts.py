"""Charts of evaluations' numbers, small enough to be read in a card of TensorBoard."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from xclr_lightning.drawing import BLUE, CARD, COLOURS, GREY, MARKERS, ORANGE, tidy

# What a variant of the Backgrounds Challenge keeps of a picture.
KEPT = {
    "original": "original picture",
    "mixed_same": "mixed same: background\nof another of its class",
    "mixed_rand": "mixed rand: background\nof any class",
    "mixed_next": "mixed next: background\nof the next class",
    "only_fg": "only fg: on black",
    "no_fg": "no fg: its shape in black",
    "only_bg_b": "only bg: its box in black",
    "only_bg_t": "only bg: its box covered\nby background",
}


def draw_over_k(curves: Mapping[str, Mapping[int, float]], title: str) -> Figure:
    """Draw kNN's accuracy over the number of neighbours.

    Args:
        curves: Name of a set → k → accuracy in [0, 1]; the same k in all.
        title: What is shown.
    """
    height = 2.55 + 0.16 * math.ceil(len(curves) / 2)
    figure = Figure((CARD, height))
    axis = figure.add_axes((0.14, 1 - 2 / height, 0.83, 1.76 / height))
    for number, (name, curve) in enumerate(curves.items()):
        k, accuracy = sorted(curve), [100 * curve[size] for size in sorted(curve)]
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        axis.plot(k, accuracy, label=name, linewidth=1.5, markersize=4.5, color=colour, marker=marker)
    axis.set_xscale("log")
    axis.set_xticks(k, [str(size) for size in k])
    axis.minorticks_off()
    axis.tick_params(labelsize=7.5)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("neighbours that vote (k)", fontsize=7.5)
    axis.set_ylabel("top-1 accuracy in %", fontsize=7.5)
    axis.set_title(title, fontsize=8, weight="bold", loc="left")
    axis.legend(fontsize=7.5, frameon=False, loc="upper left", bbox_to_anchor=(0, -0.17), ncols=2)
    tidy(axis)
    return figure


def draw_backgrounds(accuracy: Mapping[str, float], chance: float, title: str) -> Figure:
    """Draw the accuracy on each variant of the Backgrounds Challenge, with chance and the gap that backgrounds make.

    Args:
        accuracy: Variant → accuracy in [0, 1].
        chance: Accuracy of guessing, in [0, 1].
        title: What is shown.
    """
    figure = Figure((CARD, 3.6))
    axis = figure.add_axes((0.4, 0.11, 0.58, 0.79))
    variants = [variant for variant in KEPT if variant in accuracy]
    values = [100 * accuracy[variant] for variant in variants]
    colours = [BLUE if variant in ("mixed_same", "mixed_rand") else GREY for variant in variants]
    bars = axis.barh(range(len(variants)), values, color=colours, height=0.7)
    # On white, or the line of guessing would strike them through.
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axis.bar_label(bars, fmt="%.1f", padding=4, fontsize=7.5, bbox=white)
    axis.axvline(100 * chance, color="black", linestyle="--", linewidth=1.2)
    guessing = f" guessing {100 * chance:.1f}"
    axis.text(100 * chance, 1, guessing, transform=axis.get_xaxis_transform(), va="bottom", fontsize=7.5)
    axis.set_yticks(range(len(variants)), [KEPT[variant] for variant in variants], fontsize=7)
    axis.invert_yaxis()
    axis.set_xlabel("accuracy in %", fontsize=7.5)
    axis.tick_params(axis="x", labelsize=7.5)
    axis.set_title(title, fontsize=8, weight="bold", loc="left", pad=14)
    same, rand = (variants.index(name) for name in ("mixed_same", "mixed_rand"))
    edge = 1.2 * float(np.nanmax([values[same], values[rand], 1]))
    # Room for the numbers of bars, and for the gap's.
    axis.set_xlim(0, float(np.nanmax([1.2 * np.nanmax(values), 1.45 * edge, 300 * chance, 1])))
    axis.plot([edge, 1.03 * edge, 1.03 * edge, edge], [same, same, rand, rand], color=ORANGE, linewidth=1.5)
    gap = f"BG-gap\n{values[same] - values[rand]:+.1f}"
    axis.text(1.06 * edge, (same + rand) / 2, gap, color=ORANGE, fontsize=7.5, va="center", weight="bold")
    tidy(axis, "x")
    return figure
