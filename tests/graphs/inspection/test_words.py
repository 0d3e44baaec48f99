"""What is said of a report: the numbers in it, a suggestion with its reason, a warning where there is cause."""

import dataclasses

import pytest
import torch
from stored_graphs import classes, embeddings, random_subject, unit

from xclr_lightning.graphs import ClassTableGraph
from xclr_lightning.graphs.inspection import headline, inspect_graph, plain_text, subject_in_folder, warning
from xclr_lightning.graphs.inspection.naming import distinctive, short
from xclr_lightning.graphs.inspection.words import suggestion


def test_headline(tmp_path):
    report = inspect_graph(random_subject(tmp_path), 32, in_use=0.1)
    positives = report.in_use.effective_positives
    assert headline(report) == (
        f"graph: 150 samples, mean similarity {report.survey.mean:.2f}, effective positives {positives:.1f} of 63 at "
        f"τ_s 0.1, suggested τ_s {report.suggested.temperature:g}"
    )


def test_headline_without_a_temperature_in_use(tmp_path):
    report = inspect_graph(subject_in_folder(classes(tmp_path / "graph")), 8)
    at = report.suggested
    assert headline(report).startswith("graph: 4 classes, mean similarity 0.35, effective positives ")
    assert headline(report).endswith(f" of 15 at τ_s {at.temperature:g}")


@pytest.mark.parametrize(("temperature", "word"), [(0.01, "nearly one-hot"), (1.0, "nearly uniform"), (None, None)])
def test_warning(tmp_path, temperature, word):
    report = inspect_graph(random_subject(tmp_path), 64, in_use=temperature)
    said = warning(report)
    assert said is None if word is None else f"τ_s {temperature:g} makes the target {word}" in said
    if word:
        assert said.endswith(f"try {report.suggested.temperature:g}")
        assert f"warning: {said}" in " ".join(plain_text(report).split())


def test_no_warning_at_the_suggestion(tmp_path):
    subject = random_subject(tmp_path)
    temperature = inspect_graph(subject, 64).suggested.temperature
    assert warning(inspect_graph(subject, 64, in_use=temperature)) is None


def test_no_suggestion(tmp_path):
    subject = subject_in_folder(classes(tmp_path / "graph"))
    alike = dataclasses.replace(subject, graph=ClassTableGraph(torch.ones(4, 4), torch.arange(4)))
    report = inspect_graph(alike, 64, in_use=0.1)
    assert report.suggested is None
    assert suggestion(report).startswith("suggested τ_s: none. Even at 0.01")
    assert "suggested" not in headline(report)
    assert "nearly uniform" in warning(report)


def test_captions_are_shown_as_they_are(tmp_path):
    """No markup is read from them, and long ones are cut."""
    captions = ["[bold]sale[/bold]", "[/red]", "line\nbreak", "word " * 60]
    text = plain_text(inspect_graph(subject_in_folder(embeddings(tmp_path / "g", unit(4), range(4), captions)), 4))
    for shown in ("[bold]sale[/bold]", "[/red]", "line break", "…"):
        assert shown in text
    assert max(map(len, text.splitlines())) <= 110


def test_hubs_are_what_stands_out(tmp_path):
    report = inspect_graph(random_subject(tmp_path), 8)
    k = report.survey.neighbours.shape[1]
    assert report.listed.sum() == 60 * k
    assert [int(report.listed[place]) for place in report.hubs()] == sorted(report.listed.tolist(), reverse=True)[:5]
    assert all(report.names[place] in plain_text(report) for place in report.hubs())
    even = inspect_graph(subject_in_folder(classes(tmp_path / "graph")), 8)
    assert even.listed.tolist() == [1, 1, 1, 1]
    assert even.hubs() == []
    assert "hubs: none" in plain_text(even)


def test_names():
    assert short("a  b\n c") == "a b c"
    assert short("x" * 80, 10) == "x" * 9 + "…"
    assert distinctive(["the cat", "the"]) == ["the cat", "the"]
    assert distinctive(["one"]) == ["one"]
