"""Sheets and charts: what they say is all there, inside the figure, and fits a card of TensorBoard."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from xclr_lightning.callbacks.charts import KEPT, draw_backgrounds, draw_over_k
from xclr_lightning.callbacks.sheets import Neighbour, Query, draw_neighbours, draw_views

LONG = "a photograph of $5 bills, an antidisestablishmentarianism-like word, a dog\nand\ta cat; " * 3
pytestmark = pytest.mark.filterwarnings("ignore:Glyph")


def picture(value: int = 0, side: int = 12) -> np.ndarray:
    return np.random.default_rng(value).integers(0, 256, (side, side, 3), dtype=np.uint8)


def size(figure: Figure) -> tuple[float, float]:
    return tuple((figure.get_size_inches() * figure.dpi).round())


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """Texts and where they are; an axis has labels of ticks beyond its ends too, which are not drawn."""
    drawn: list[Text] = []
    with pytest.MonkeyPatch.context() as patch:
        before = Text.draw
        patch.setattr(Text, "draw", lambda text, renderer: (drawn.append(text), before(text, renderer)))
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        found = {id(text): text for text in drawn if text.get_text() and text.get_visible()}.values()
        return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in found]


def outside(figure: Figure, slack: float = 2) -> list[str]:
    """Texts that are not wholly inside of the figure."""
    width, height = size(figure)
    return [
        text
        for text, box in drawn_texts(figure)
        if not (box.x0 >= -slack and box.y0 >= -slack and box.x1 <= width + slack and box.y1 <= height + slack)
    ]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that lie on each other."""
    texts = [(text, box.padded(-1.5)) for text, box in drawn_texts(figure)]
    return [(a, b) for (a, box), (b, other) in combinations(texts, 2) if box.overlaps(other)]


def said(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize("views", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_views(views: int, kind: type) -> None:
    drawn = np.stack([picture(number) for number in range(views)])
    drawn = drawn if kind is np.uint8 else (drawn / 255).astype(kind)
    captions = ["a photo of a dog", LONG, "a photo of a 犬 🐕"]
    figure = draw_views("Views", [(caption, picture(), drawn) for caption in captions])
    assert outside(figure) == []
    assert overlapping(figure) == []
    assert len(figure.axes[0].images) == 3 * (1 + views)
    width, _ = size(figure)
    assert width == 350 or views > 4
    first = figure.axes[0].images[1].get_array()  # beside the picture as it is evaluated
    assert np.array_equal(first, drawn[0])


@pytest.mark.parametrize("count", [1, 4, 6])
def test_neighbours(count: int) -> None:
    near = [Neighbour(picture(i), LONG if i == 1 else f"a bird {i}", 0.9 - i / 10, i % 2 == 0) for i in range(count)]
    figure = draw_neighbours("Title", ("data.val", "nearest"), [Query(picture(), "a bird", near)] * 3)
    assert outside(figure) == []
    assert overlapping(figure) == []
    marked = [text.get_text() for text in figure.findobj(Text) if text.get_text().startswith("✓")]
    assert marked == [f"✓ {neighbour.cosine:.2f}" for neighbour in near if neighbour.same] * 3
    thick = [patch for patch in figure.axes[0].patches if patch.get_linewidth() > 1]
    assert len(thick) == len(marked)  # so that neither colour nor mark alone tells


def test_a_query_may_have_fewer_neighbours_than_others() -> None:
    near = [Neighbour(picture(i), "a bird", 0.5, False) for i in range(3)]
    figure = draw_neighbours("Title", ("", ""), [Query(picture(), "x", near), Query(picture(), "y", near[:1])])
    assert len(figure.axes[0].images) == 2 + 4


@pytest.mark.parametrize("sets", [1, 3, 9])
def test_over_k(sets: int) -> None:
    curves = {f"knn_of_set_{number}": {200: 0.1, 1: 0.5, 20: 0.3 + number / 100} for number in range(sets)}
    figure = draw_over_k(curves, "kNN")
    assert size(figure)[0] == 350
    assert outside(figure) == []
    assert overlapping(figure) == []
    for line, curve in zip(figure.axes[0].lines, curves.values(), strict=True):
        assert line.get_xydata().tolist() == [[k, 100 * curve[k]] for k in (1, 20, 200)]
    looks = {(line.get_color(), line.get_marker()) for line in figure.axes[0].lines}
    assert len(looks) == min(sets, 7)


@pytest.mark.parametrize("odd", [0.4, 1.0, float("nan")])
def test_backgrounds(odd: float) -> None:
    accuracy = dict.fromkeys(KEPT, 0.5) | {"mixed_same": 0.75, "mixed_rand": 0.5, "no_fg": odd}
    figure = draw_backgrounds(accuracy, 0.125, "ImageNet-9")
    assert size(figure)[0] == 350
    assert outside(figure) == []
    assert overlapping(figure) == []
    assert "BG-gap\n+25.0" in said(figure)
    assert "guessing 12.5" in said(figure)
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert np.array_equal(widths, [100 * accuracy[variant] for variant in KEPT], equal_nan=True)
