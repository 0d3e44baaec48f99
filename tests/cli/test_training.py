"""How a run trains: every objective's overlay, averages, compilation, clipping, starting weights, diagnostics."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from xclr_lightning.config_files import shipped_configs

SETTINGS = [("bf16-mixed", "lars"), ("32-true", "adamw"), ("bf16-mixed", "sgd")]


def fit(cli, config: Path, *arguments: object, run: str = "run") -> dict[str, float]:
    outcome = cli("fit", "--config", config, "--run_dir", run, *arguments)
    assert outcome.status == 0, outcome.err
    return json.loads((Path(run) / "metrics.json").read_text())


def weights(run: str = "run") -> dict[str, torch.Tensor]:
    return torch.load(f"{run}/checkpoints/last.ckpt", weights_only=True)["state_dict"]


OBJECTIVES = [name for name in shipped_configs() if name.startswith("objective/") and "linear" not in name]


@pytest.mark.parametrize(("number", "overlay"), [*enumerate(OBJECTIVES)])
def test_every_objective(cli, config: Path, number: int, overlay: str) -> None:
    precision, optimizer = SETTINGS[number % len(SETTINGS)]
    settings = ["--data.label", "class", "--trainer.precision", precision, "--model.optimizer", optimizer]
    metrics = fit(cli, config, "--config", overlay, *settings, "--trainer.max_epochs", 2)
    assert np.isfinite(metrics["train/loss"])
    assert metrics["train/lr"] > 0
    assert 1 <= metrics["features/rank_me"] <= 16
    assert metrics["features/alignment"] > 0
    tested = cli("validate", "--config", "run/config.yaml", "--data.val", "../pictures", "--ckpt_path",
                 "run/checkpoints/last.ckpt", "--run_dir", "again")  # fmt: skip
    assert tested.status == 0, tested.err


def test_diagnostics_say_what_the_target_is(cli, config: Path) -> None:
    simclr = fit(cli, config, "--config", "objective/simclr")
    assert (simclr["target/entropy"], simclr["target/effective_positives"]) == (0.0, 1.0)
    assert simclr["train/negatives"] == 14  # two views of the batch's seven other samples
    sharp, soft = (fit(cli, config, "--model.target_temperature", value, run=str(value)) for value in (0.05, 1.0))
    assert 1 < sharp["target/effective_positives"] < soft["target/effective_positives"] < 15
    assert sharp["target/own_share"] > soft["target/own_share"]
    captioned = fit(cli, config, "--model.target_temperature", 1.0, "--model.caption_view", "true", run="captioned")
    assert 15 < captioned["target/effective_positives"] < 23
    assert captioned["train/negatives"] == 21
    clip = fit(cli, config, "--model", "CLIP", run="clip")
    assert clip["target/entropy"] == 0.0
    assert clip["train/negatives"] == 7  # texts


def test_captions_as_views_change_training_and_nothing_else(cli, config: Path, pictures: Path) -> None:
    plain = fit(cli, config)
    with_captions = fit(cli, config, "--model.caption_view", "true", run="captions")
    assert plain["train/loss"] != with_captions["train/loss"]
    added = weights("captions").keys() - weights().keys()
    assert added == {"caption_projector.weight", "caption_projector.bias"}
    assert weights("captions")["caption_projector.weight"].shape == (16, 384)
    arguments = ["--ckpt_path", "captions/checkpoints/last.ckpt", "--data.predict", pictures, "--data.graph", "null"]
    outcome = cli("predict", "--config", "captions/config.yaml", *arguments, "--run_dir", "features")
    assert outcome.status == 0, outcome.err


def test_averaged_weights_are_evaluated_and_kept(cli, config: Path, pictures: Path) -> None:
    settings = ["--model.ema_decay", 0.5, "--data.val", pictures, "--trainer.max_epochs", 2]
    settings += ["--data.augment", "null", "--data.view", "EvalView", "--data.view.size", 32]  # nothing random
    metrics = fit(cli, config, *settings)
    state = weights()
    averaged = state["average.parts.module.backbone.conv1.0.weight"]
    assert not torch.equal(averaged, state["backbone.conv1.0.weight"])
    live = fit(cli, config, *settings[2:], run="live")
    assert live["train/loss"] == metrics["train/loss"]
    assert live["val/loss"] != metrics["val/loss"]
    arguments = ["--data.val", pictures, "--ckpt_path", "run/checkpoints/last.ckpt"]
    assert cli("validate", "--config", "run/config.yaml", *arguments, "--run_dir", "again").status == 0
    assert json.loads(Path("again/metrics.json").read_text())["val/loss"] == pytest.approx(metrics["val/loss"])


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.5), (0.5, 0.0)])
def test_a_run_goes_on_with_or_without_an_average(cli, config: Path, before: float, after: float) -> None:
    fit(cli, config, "--model.ema_decay", before)
    arguments = ["--ckpt_path", "run/checkpoints/last.ckpt", "--trainer.max_epochs", 2, "--model.ema_decay", after]
    outcome = cli("fit", "--config", "run/config.yaml", *arguments, "--run_dir", "on")
    assert outcome.status == 0, outcome.err
    assert any(name.startswith("average.") for name in weights("on")) == bool(after)


def test_clips_text_side_is_averaged_too(cli, config: Path, pictures: Path) -> None:
    settings = ["--config", "objective/clip", "--model.ema_decay", 0.5, "--data.val", pictures]
    assert np.isfinite(fit(cli, config, *settings)["val/loss"])
    averaged = {name.split(".")[3] for name in weights() if name.startswith("average.parts.module.")}
    assert averaged == {"backbone", "projector", "text", "text_projection"}


@pytest.mark.parametrize(
    ("settings", "peak"),
    [
        (["--trainer.max_epochs", 4], 2),
        (["--trainer.max_epochs", -1, "--trainer.max_steps", 8], 2),
        (["--trainer.max_epochs", 10, "--trainer.max_steps", 6], 2),
        (["--trainer.max_epochs", 8, "--trainer.accumulate_grad_batches", 2], 1),
    ],
)
def test_warm_up_lasts_the_epochs_it_says(cli, config: Path, settings: list, peak: int) -> None:
    """Two batches an epoch and one epoch of warm-up: the rate is largest at the step after it, and then falls."""
    fit(cli, config, *settings, "--model.warmup_epochs", 1)
    events = EventAccumulator("run").Reload().Scalars("train/lr")
    by_step = list(dict.fromkeys(event.value for event in events))
    assert by_step.index(max(by_step)) == peak
    assert by_step[-1] < by_step[peak] / 2


def test_a_compiled_run_is_loaded_without_compiling(cli, config: Path, pictures: Path, monkeypatch) -> None:
    plain = fit(cli, config)
    calls = []

    def compile_graph(graph: torch.fx.GraphModule, inputs: list) -> object:
        calls.append(graph)
        return graph.forward

    with monkeypatch.context() as patch:
        # A C++ compiler may be missing; that the graph is captured and run is what is ours.
        patch.setattr(torch, "compile", functools.partial(torch.compile, backend=compile_graph))
        compiled = fit(cli, config, "--model.compile", "true", run="compiled")
    assert calls
    assert compiled["train/loss"] == pytest.approx(plain["train/loss"], rel=1e-5)
    assert weights("compiled").keys() == weights().keys()
    arguments = ["--model.compile", "false", "--ckpt_path", "compiled/checkpoints/last.ckpt", "--data.val", pictures]
    outcome = cli("validate", "--config", "compiled/config.yaml", *arguments, "--run_dir", "again")
    assert outcome.status == 0, outcome.err


def test_gradients_are_clipped(cli, config: Path) -> None:
    settings = [
        "--model.optimizer",
        "sgd",
        "--model.lr",
        1.0,
        "--model.weight_decay",
        0.0,
        "--trainer.gradient_clip_val",
    ]
    start, clipped, free = (
        [fit(cli, config, *arguments, run=run), weights(run)][1]
        for run, arguments in (
            ("start", ["--model.lr", 0.0]),
            ("clipped", [*settings, 1e-6]),
            ("free", [*settings, "null"]),
        )
    )
    moved = [(state["projector.0.weight"] - start["projector.0.weight"]).norm() for state in (clipped, free)]
    assert moved[0] < 1e-5 < 1e-2 < moved[1]


def test_starting_from_another_objectives_checkpoint(cli, config: Path) -> None:
    fit(cli, config, "--config", "objective/simclr", run="first")
    start = ["--model.init_from", "first/checkpoints/last.ckpt"]
    fit(cli, config, *start, "--model.lr", 0.0, "--seed_everything", 3)
    assert torch.equal(weights()["backbone.conv1.0.weight"], weights("first")["backbone.conv1.0.weight"])
    assert not torch.equal(weights()["projector.0.weight"], weights("first")["projector.0.weight"])


def test_a_resumed_run_does_not_start_over(cli, config: Path) -> None:
    fit(cli, config, run="first")
    fit(cli, config, "--model.init_from", "first/checkpoints/last.ckpt")
    Path("first/checkpoints/last.ckpt").unlink()
    arguments = ["--ckpt_path", "run/checkpoints/last.ckpt", "--trainer.max_epochs", 2]
    before = weights()["backbone.conv1.0.weight"]
    outcome = cli("fit", "--config", "run/config.yaml", *arguments, "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    assert not torch.equal(weights()["backbone.conv1.0.weight"], before)


def test_layers_learn_at_their_own_rates(cli, config: Path) -> None:
    fit(cli, config, "--model.optimizer", "sgd", "--model.backbone_lr_scale", 0.0, run="frozen")
    start = fit(cli, config, "--model.lr", 0.0, run="start") and weights("start")
    after = weights("frozen")
    assert torch.equal(after["backbone.conv1.0.weight"], start["backbone.conv1.0.weight"])
    assert not torch.equal(after["projector.0.weight"], start["projector.0.weight"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model.init_from", "no.ckpt"], "no weights no.ckpt"),
        (["--model.ema_decay", 1.5], "ema_decay 1.5 is not in [0, 1)"),
        (["--model", "TeacherXCLR", "--model.ema_decay", 0.0], "TeacherXCLR needs a teacher"),
        (["--model", "VICReg", "--model.use_graph", "true", "--data.graph", "null"], "VICReg needs nodes"),
        (["--model.caption_view", "true", "--data.graph", "null"], "caption_view needs caption embeddings"),
        (["--data.num_views", 1], "two views or more of two samples or more are compared, a batch has 1 of 8"),
        (["--data.num_views", 1, "--model", "VICReg"], "two views or more"),
    ],
)
def test_what_cannot_be_trained_is_said(cli, config: Path, arguments: list, words: str) -> None:
    outcome = cli("fit", "--config", config, *arguments)
    assert outcome.status == 2
    assert "Traceback" not in outcome.err
    assert words in outcome.err.splitlines()[-1]
