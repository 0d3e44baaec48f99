"""A whole report: its parts belong together, and batches are as training draws them."""

import dataclasses

import numpy as np
import pytest
from stored_graphs import classes, embeddings, random_subject, unit

from xclr_lightning.errors import UserError
from xclr_lightning.graphs.inspection import inspect_graph, subject_in_folder
from xclr_lightning.graphs.inspection.softness import TEMPERATURES


def test_numbers_are_the_graphs(tmp_path):
    subject = random_subject(tmp_path)
    report = inspect_graph(subject, batch_size=32, in_use=0.09)
    vectors = subject.nodes(range(60)).double().numpy()
    similarity = vectors @ vectors.T
    assert report.compared == 60
    assert report.survey.mean == pytest.approx(similarity[~np.eye(60, dtype=bool)].mean(), abs=1e-6)
    assert [at.temperature for at in report.curve] == sorted({*TEMPERATURES, 0.09})
    assert report.in_use.temperature == 0.09
    assert report.curve[0].keys == 63
    for place in report.shown:
        best = report.survey.neighbours[place, 0].item()
        assert best == np.argsort(similarity[place])[-2]
        assert report.names[best] == f"caption {best}"


def test_the_curve_is_that_of_the_whole_where_the_batch_is(tmp_path):
    """With all samples in the batch there is nothing random, and a loop over them gives the same."""
    subject = random_subject(tmp_path, things=20, samples=50)
    report = inspect_graph(subject, batch_size=1000, in_use=0.2)
    assert report.batch_size == 50
    thing = subject.thing_of
    vectors = subject.nodes(thing).double().numpy()
    weights = np.exp(vectors @ vectors.T / 0.2)
    own, same = [], []
    for i in range(50):
        total = 2 * weights[i].sum() - weights[i, i]
        own.append(weights[i, i] / total)
        same.append((2 * weights[i, thing == thing[i]].sum() - weights[i, i]) / total)
    assert report.in_use.own_share == pytest.approx(np.mean(own), rel=1e-4)
    assert report.in_use.same_share == pytest.approx(np.mean(same), rel=1e-4)


def test_repeats(tmp_path):
    subject = subject_in_folder(embeddings(tmp_path / "graph", unit(4), [0, 1, 2, 3, 1, 1, 2]))
    repeats = inspect_graph(subject, batch_size=4).repeats
    assert repeats.share == pytest.approx(5 / 7)
    assert repeats.pairs == pytest.approx((3 + 1) / 21)
    assert (repeats.most, repeats.common) == (3, "caption 1")
    assert inspect_graph(subject_in_folder(classes(tmp_path / "table")), batch_size=4).repeats is None


def test_the_same_seed_gives_the_same_report(tmp_path):
    subject = random_subject(tmp_path)
    first, second, other = (inspect_graph(subject, 16, sample=30, seed=seed) for seed in (0, 0, 1))
    assert first.compared == 30
    assert dataclasses.asdict(first.curve[9]) == dataclasses.asdict(second.curve[9])
    assert first.names == second.names != other.names


def test_one_caption_cannot_be_compared(tmp_path):
    subject = dataclasses.replace(random_subject(tmp_path), count=1)
    with pytest.raises(UserError, match="of a single caption"):
        inspect_graph(subject, 4)
