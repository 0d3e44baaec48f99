"""How everything is drawn: one palette that the colour-blind can tell apart, one look of axes."""

from typing import Literal

from matplotlib.axes import Axes

# Okabe and Ito's colours, which people with any kind of colour vision tell apart; their yellow is too light for lines.
BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
COLOURS = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY, PALE = "#BBBBBB", "#EEEEEE"
# Of what goes from little to much, such as similarities; as bright in grey as in colour.
SCALE = "cividis"
# Inches. TensorBoard's cards are 350 pixels wide and leave out rows and columns of what is larger, strokes of letters
# among them; at 100 dots an inch figures of this width are shown dot by dot.
CARD = 3.5


def tidy(axis: Axes, grid: Literal["x", "y"] = "y") -> None:
    """Take away the frame's upper and right side, and lay a faint grid below what is drawn."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis=grid, color="0.9")
    axis.set_axisbelow(True)
