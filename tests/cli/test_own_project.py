"""A project of one's own: beside the installed package, or in a copy of it under another name."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
import yaml

ROOT = Path(__file__).parents[2]

# All that a project of one's own may want to say, in one file.
MINE = '''
import numpy as np

from xclr_lightning.callbacks.evaluation import Evaluation
from xclr_lightning.data import RandomCropView
from xclr_lightning.objectives import XCLR


class NearestOnly(XCLR):
    """Related is what the graph rates above a threshold."""

    def __init__(self, threshold: float = 0.5, **settings):
        super().__init__(**settings)
        self.threshold = threshold

    def target(self, anchors, samples):
        return self.similarity(anchors.nodes, samples.nodes) > self.threshold


class UpsideDown(RandomCropView):
    """A crop, turned over."""

    def __call__(self, image):
        return super().__call__(image).flip(1)


class Spread(Evaluation):
    """How far apart features are."""

    percent = False

    def open(self):
        return True

    def evaluate(self, trainer, module):
        values = self.features(trainer, module, trainer.datamodule.dataset("train").source).values
        return {"mine/spread": values.std(0).mean().item()}


def same_length(names):
    length = np.array([len(name) for name in names])
    return 1 - abs(length[:, None] - length) / length.max()
'''

YAML = """
model: {class_path: mine.NearestOnly, init_args: {threshold: 0.7, backbone: test_resnet, projector: [32, 16]}}
data:
  class_path: GraphDataModule
  init_args:
    train: pictures
    label: class
    graph: {class_path: FunctionGraph, init_args: {function: mine.same_length}}
    batch_size: 8
    num_workers: 0
    view: {class_path: mine.UpsideDown, init_args: {size: 32}}
    augment: {}
    eval_view: {class_path: EvalView, init_args: {size: 32}}
trainer: {max_epochs: 1, accelerator: cpu, callbacks: [{class_path: mine.Spread}]}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package is installed as from an index."""
    root = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "-w", str(root)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = root.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(root / "site")
    return root / "site"


def python(place: Path, *arguments: str) -> str:
    """Run Python with a folder before all others; its output."""
    known = os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": known, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_installed_package_has_its_configs_and_data(site: Path, cli) -> None:
    code = "from xclr_lightning.config_files import find_config; print(find_config('objective/simclr.yaml'))"
    found = python(site, "-c", code).strip()
    assert found == str(site / "xclr_lightning" / "configs" / "objective" / "simclr.yaml")
    for data in ("graphs/data/imagenet_hypernyms.csv", "graphs/data/LICENSE-WordNet.txt", "data/demo/wordnet.csv"):
        assert (site / "xclr_lightning" / data).read_bytes() == (ROOT / "xclr_lightning" / data).read_bytes()


def test_one_file_and_one_config_beside_the_installed_package(site: Path, cli, pictures: Path) -> None:
    Path("pictures").symlink_to(pictures)
    Path("mine.py").write_text(MINE)
    Path("mine.yaml").write_text(YAML)
    python(site, "-m", "xclr_lightning", "fit", "--config", "mine.yaml", "--run_dir", "run")
    assert json.loads(Path("run/metrics.json").read_text())["mine/spread"] > 0
    assert "mine/spread" in json.loads(Path("run/protocol.json").read_text())["Spread"]["logged"]
    assert torch.load("run/checkpoints/last.ckpt", weights_only=True)["hyper_parameters"]["threshold"] == 0.7
    python(site, "-m", "xclr_lightning", "export", "--ckpt", "run/checkpoints/last.ckpt", "--output", "backbone")
    assert (Path("backbone") / "model.safetensors").is_file()


def test_a_copy_under_another_name(cli, config: Path) -> None:
    """The README's two lines, and nothing of the original left."""
    for part in ("xclr_lightning", "configs"):
        shutil.copytree(ROOT / part, part, ignore=shutil.ignore_patterns("__pycache__"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (rename,) = [line for line in readme.splitlines() if line.startswith("grep -rl")]
    subprocess.run(rename, shell=True, check=True)
    settings = yaml.safe_load(config.read_text())
    settings["model"]["class_path"] = "SimCLR"
    Path("tiny.yaml").write_text(yaml.safe_dump(settings))
    code = "import runpy, sys; sys.modules['xclr_lightning'] = None; runpy.run_module('mylab', run_name='__main__')"
    python(Path.cwd(), "-c", code, "fit", "--config", "tiny.yaml", "--run_dir", "run")
    python(Path.cwd(), "-c", code, "export", "--ckpt", "run/checkpoints/last.ckpt", "--output", "backbone")
