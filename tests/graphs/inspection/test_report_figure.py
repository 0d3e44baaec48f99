"""The figure says what the report does."""

import dataclasses
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from stored_graphs import CLASSES, classes, embeddings, random_subject, unit

from xclr_lightning.graphs import ClassTableGraph
from xclr_lightning.graphs.inspection import draw_report, headline, inspect_graph, subject_in_folder


def texts(figure) -> list[str]:
    figure.savefig(io.BytesIO())
    return [text.get_text() for axis in figure.get_axes() for text in axis.texts] + [
        axis.get_title() for axis in figure.get_axes()
    ]


def test_panels(tmp_path):
    report = inspect_graph(random_subject(tmp_path, things=300, samples=400), 32, in_use=0.05)
    figure = draw_report(report)
    shown = "\n".join(texts(figure))
    assert figure.get_suptitle() == headline(report)
    for words in (
        "How alike two different captions are",
        "in random batches of 32",
        "in use 0.05",
        f"suggested {report.suggested.temperature:g}",
        "What is near what: 8 groups of captions",
    ):
        assert words in shown
    histogram, positives, shares, heat, _ = figure.get_axes()
    assert sum(bar.get_height() for bar in histogram.patches) == pytest.approx(1)
    line = positives.get_lines()[0]
    np.testing.assert_allclose(line.get_ydata(), [at.effective_positives for at in report.curve])
    assert len(shares.collections) == 3
    assert len(heat.get_yticklabels()) == 40
    assert not plt.get_fignums()  # nothing that a run would keep open


def test_a_class_table_is_shown_whole_with_its_names(tmp_path):
    report = inspect_graph(subject_in_folder(classes(tmp_path / "graph")), 8)
    figure = draw_report(report)
    assert "all 4 classes" in "\n".join(texts(figure))
    heat = figure.get_axes()[3]
    names = [label.get_text() for label in heat.get_yticklabels()]
    assert sorted(names) == sorted(CLASSES)
    assert {frozenset(names[:2]), frozenset(names[2:])} == {frozenset(CLASSES[:2]), frozenset(CLASSES[2:])}
    np.testing.assert_allclose(heat.images[0].get_array(), report.picture.similarity)


def test_captions_may_hold_anything(tmp_path):
    """Dollars are no formula, and an empty name is a name."""
    captions = ["$5 and $\\frac", "", "{x_", "日本"]
    subject = subject_in_folder(embeddings(tmp_path / "graph", unit(4), range(4), captions))
    with pytest.warns(UserWarning, match="Glyph"):
        draw_report(inspect_graph(subject, 4)).savefig(io.BytesIO())


def test_suggested_and_in_use_at_once(tmp_path):
    subject = random_subject(tmp_path)
    temperature = inspect_graph(subject, 32).suggested.temperature
    shown = texts(draw_report(inspect_graph(subject, 32, in_use=temperature)))
    assert any(text.startswith(f"suggested, and in use: {temperature:g}") for text in shown)


def test_all_alike(tmp_path):
    subject = subject_in_folder(classes(tmp_path / "graph"))
    alike = dataclasses.replace(subject, graph=ClassTableGraph(torch.ones(4, 4), torch.arange(4)))
    assert texts(draw_report(inspect_graph(alike, 8)))
