"""Linear evaluation from the command line: the objective on a checkpoint, and the groups that run beside others."""

import json
from pathlib import Path

import pytest
import torch

from .paper_layouts import write_imagenet

SMALL = ["--trainer.accelerator=cpu", "--data.batch_size=8", "--data.num_workers=0", "--model.backbone=test_resnet"]
VIEWS = ["--data.view.size=32", "--data.eval_view=EvalView", "--data.eval_view.size=32", "--data.eval_view.resize=36"]
OFF = ["--mit_states.every_n_epochs=0", "--imagenet9.every_n_epochs=0"]


def metrics(run: str) -> dict[str, float]:
    return json.loads((Path(run) / "metrics.json").read_text())


def saved(run: str) -> dict:
    return torch.load(f"{run}/checkpoints/last.ckpt", weights_only=True)


def test_a_checkpoint_is_probed_and_the_probe_tested(cli, config: Path, pictures: Path) -> None:
    assert cli("fit", "--config", config, "--run_dir", "first").status == 0
    arguments = ["--config", "objective/linear_probe", "--model.init_from", "first/checkpoints/last.ckpt"]
    arguments += ["--data.label", "class", "--data.val", pictures, "--trainer.max_epochs", 3]
    outcome = cli("fit", "--config", config, *arguments, "--run_dir", "probe")
    assert outcome.status == 0, outcome.err
    assert "pixels" not in outcome.err  # views are of the size of what is scored
    found, state = metrics("probe"), saved("probe")
    assert 0 <= found["train/top1"] <= 1
    assert 0 <= found["val/top1"] <= found["val/top5"] == 1
    assert state["classes"] == ["fruit", "vehicle"]
    first = saved("first")["state_dict"]
    for name, value in state["state_dict"].items():
        assert name.startswith("head.") or torch.equal(value, first[name])
    (optimizer,) = state["optimizer_states"]
    assert [len(group["params"]) for group in optimizer["param_groups"]] == [1, 1]
    assert optimizer["param_groups"][0]["initial_lr"] == pytest.approx(0.1 * 8 / 256)
    Path("first/checkpoints/last.ckpt").unlink()  # the probe's has all of it
    again = cli("test", "--config", "probe/config.yaml", "--ckpt_path", "probe/checkpoints/last.ckpt", "--run_dir", "t")
    assert again.status == 0, again.err
    assert metrics("t")["test/top1"] == pytest.approx(found["val/top1"])


def test_imagenet_is_probed_by_the_protocol(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_imagenet(tmp_path / "imagenet")
    monkeypatch.setenv("IMAGENET", str(tmp_path / "imagenet"))
    overlay = ["--config", "imagenet", "--config", "objective/linear_probe"]
    outcome = cli("fit", *overlay, *SMALL, *VIEWS, *OFF, "--trainer.max_epochs=2", "--run_dir", "run",
                  "--trainer.check_val_every_n_epoch=1")  # fmt: skip
    assert outcome.status == 0, outcome.err
    config = Path("run/config.yaml").read_text()
    assert "AutoAugment" not in config  # crops and flips only
    assert 0 <= metrics("run")["val/top1"] <= 1
    assert saved("run")["classes"] == sorted(path.name for path in (tmp_path / "imagenet/train").iterdir())


def test_probes_beside_an_objective(cli, config: Path, pictures: Path) -> None:
    sets = f"{{one: {{bank: {pictures}, queries: {pictures}}}}}"
    arguments = ["--data.label", "class", "--linear_probe.sets", f"{{online: {{queries: {pictures}}}}}"]
    arguments += ["--feature_probe.sets", sets, "--feature_probe.classifiers", "[ridge, sgd]"]
    arguments += ["--few_shot.sets", sets, "--few_shot.shots", "[1, 5]"]
    outcome = cli("fit", "--config", config, *arguments, "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    names = {"linear_probe/train_top1", "online/top1", "online/top5", "one/ridge", "one/sgd"}
    names |= {f"one/{what}@{n}shot" for what in ("top1", "std") for n in (1, 5)}
    assert names <= metrics("run").keys()
    assert "weight" in saved("run")["callbacks"]["OnlineProbe"]
    tested = cli("test", "--config", "run/config.yaml", "--data.val", pictures, "--run_dir", "t", "--ckpt_path",
                 "run/checkpoints/last.ckpt")  # fmt: skip
    assert tested.status == 0, tested.err
    for name in names:
        assert (name in metrics("t")) == (not name.startswith(("online", "linear_probe")))
        if name in metrics("t"):
            assert metrics("t")[name] == pytest.approx(metrics("run")[name])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "objective/linear_probe"], "LinearProbe needs the class of every picture: set data.label"),
        (["--few_shot.shots", "0"], "few_shot.shots [0]"),
        (["--few_shot.sets", "{one: {bank: PICTURES, queries: PICTURES}}"], "draws 10 examples a class"),
        (["--feature_probe.classifiers", "[rigde]"], "feature_probe.classifiers"),
    ],
)
def test_what_cannot_be_probed_is_said(cli, config: Path, pictures: Path, arguments: list[str], words: str) -> None:
    given = [argument.replace("PICTURES", str(pictures)) for argument in arguments]
    outcome = cli("fit", "--config", config, *given)
    assert outcome.status == 2
    assert "Traceback" not in outcome.err
    assert words in outcome.err.splitlines()[-1]
