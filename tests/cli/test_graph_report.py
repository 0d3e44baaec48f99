"""The graph's report at the start of a run: a line, a warning where there is cause, and TensorBoard."""

from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def events(run: str = "run") -> EventAccumulator:
    return EventAccumulator(run, size_guidance={"tensors": 0, "images": 0}).Reload()


def test_a_line_and_tensorboard(cli, config: Path, pictures: Path) -> None:
    arguments = ["--model.target_temperature", 0.2, "--trainer.max_epochs", 2, "--data.val", pictures]
    outcome = cli("fit", "--config", config, "--run_dir", "run", *arguments)
    assert outcome.status == 0, outcome.err
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("graph: ")]
    assert line.startswith("graph: 16 samples, mean similarity 0.")
    assert " of 15 at τ_s 0.2, suggested τ_s " in line
    found = events()
    (text,) = found.Tensors("graph/report/text_summary")
    shown = text.tensor_proto.string_val[0].decode()
    assert shown.startswith("```\n")
    assert shown.endswith("```")
    for words in ("batch of 8 samples, 2 views", "in use", "suggested τ_s: ", "fast train"):
        assert words in shown
    (image,) = found.Images("graph/report")
    assert (image.width, image.height) == (1600, 660)


def test_what_is_said_is_what_is_trained_on(cli, config: Path) -> None:
    """Where every batch is all of the data, the report's target is that of the first step."""
    arguments = ["--data.batch_size", 16, "--model.caption_view", "true", "--model.target_temperature", 0.25]
    outcome = cli("fit", "--config", config, "--run_dir", "run", *arguments)
    assert outcome.status == 0, outcome.err
    trained = events().Scalars("target/effective_positives")[0].value
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("graph: ")]
    said, keys = line.split("effective positives ")[1].split(" at ")[0].split(" of ")
    assert int(keys) == 3 * 16 - 1
    assert float(said) == pytest.approx(trained, abs=0.06)


@pytest.mark.parametrize(("temperature", "word"), [(0.01, "nearly one-hot"), (5.0, "nearly uniform")])
def test_warning(cli, config: Path, temperature: float, word: str) -> None:
    outcome = cli("fit", "--config", config, "--run_dir", "run", "--model.target_temperature", temperature)
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("graph: ")]
    assert f"τ_s {temperature:g} makes the target {word}" in line


@pytest.mark.parametrize(
    "arguments",
    [["--graph_report.sample", "0"], ["--model", "SimCLR"], ["--model", "SimCLR", "--data.graph", "null"]],
    ids=["off", "not used", "none"],
)
def test_nothing_is_said(cli, config: Path, arguments: list[str]) -> None:
    outcome = cli("fit", "--config", config, "--run_dir", "run", *arguments)
    assert outcome.status == 0, outcome.err
    assert "graph: " not in outcome.out
    assert "graph/report" not in events().Tags()["images"]


def test_not_in_predict(cli, config: Path, pictures: Path) -> None:
    assert cli("fit", "--config", config, "--run_dir", "run").status == 0
    arguments = ["--ckpt_path", "run/checkpoints/last.ckpt", "--data.predict", pictures, "--run_dir", "features"]
    outcome = cli("predict", "--config", config, *arguments)
    assert outcome.status == 0, outcome.err
    assert "graph: " not in outcome.out


def test_what_cannot_be_shown_does_not_stop_training(cli, config: Path, pictures: Path) -> None:
    rows = (pictures / "metadata.csv").read_text().splitlines()
    (pictures / "metadata.csv").write_text("\n".join([rows[0], *(f"{row.split(',')[0]},same" for row in rows[1:])]))
    outcome = cli("fit", "--config", config, "--run_dir", "run")
    assert outcome.status == 0, outcome.err
    assert "the graph is of a single caption" in outcome.err
    assert np.isfinite(events().Scalars("train/loss")[0].value)
