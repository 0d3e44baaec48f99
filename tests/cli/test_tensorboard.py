"""What a run shows in TensorBoard, on whatever data, and that showing it changes nothing."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from google.protobuf import text_format
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.projector import ProjectorConfig

from .conftest import NOUNS, copy

QUIET = ["--view_sheet.pictures=0", "--neighbour_sheet.every_n_epochs=0", "--embedding_projector.every_n_epochs=0"]
QUIET += ["--scalar_layout.charts={}", "--similarity_figure.every_n_epochs=0", "--graph_report.sample=0"]


def events(run: str = "run") -> EventAccumulator:
    return EventAccumulator(run, size_guidance={"tensors": 0, "images": 0, "scalars": 0}).Reload()


def steps(found: EventAccumulator, name: str) -> list[int]:
    return [image.step for image in found.Images(name)]


def metadata(run: str = "run") -> list[list[str]]:
    config = text_format.Parse(Path(run, "projector_config.pbtxt").read_text(), ProjectorConfig())
    text = Path(run, config.embeddings[-1].metadata_path).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()]


def test_figures_projector_and_layout(cli, config: Path, pictures: Path, benchmarks: Path) -> None:
    sets = f"{{knn: {{bank: {pictures}, queries: {pictures}, label: class}}}}"
    arguments = ["--trainer.max_epochs", 3, "--data.val", pictures, "--data.label", "class", "--knn.sets", sets]
    arguments += ["--knn.k", "[1, 20]", "--imagenet9.root", benchmarks / "bg_challenge", "--imagenet9.bank", pictures]
    arguments += ["--imagenet9.size", 32, "--neighbour_sheet.every_n_epochs", 2, "--mit_states.root", benchmarks]
    outcome = cli("fit", "--config", config, "--run_dir", "run", *arguments)
    assert outcome.status == 0, outcome.err
    found = events()
    assert steps(found, "data/views") == [0]
    assert steps(found, "features/neighbours") == [4, 6]  # after the second epoch and the last
    assert steps(found, "graph/similarity") == [0, 2, 4, 6]
    assert steps(found, "knn/over_k") == steps(found, "imagenet9/variants") == [2, 4, 6]
    cards = set(found.Tags()["images"]) - {"graph/report"}
    assert {image.width for name in cards for image in found.Images(name)} == {350}
    assert all(Path("run/figures", f"{name}.png").is_file() for name in cards)
    head, *rows = metadata()
    assert head == ["caption", "class", "file"]
    assert sorted(row[0] for row in rows) == sorted(4 * NOUNS)
    assert {(row[1], row[2].split("/")[0]) for row in rows} == {("fruit", "fruit"), ("vehicle", "vehicle")}
    assert Image.open("run/projector/features-00006/thumbnails.jpg").size == (128, 128)
    names = [name for name in found.Tags()["scalars"] if name != "epoch" and not name.startswith("hp_")]
    written = found.Tensors("custom_scalars__config__")[-1].tensor_proto.string_val[0]  # TensorBoard reads the last
    charts = [chart for part in layout_pb2.Layout.FromString(written).category for chart in part.chart]
    patterns = [pattern for chart in charts for pattern in chart.multiline.tag]
    assert [name for name in names if not any(re.match(pattern, name) for pattern in patterns)] == []
    empty = [
        chart.title
        for chart in charts
        if not any(re.match(pattern, name) for pattern in chart.multiline.tag for name in names)
    ]
    assert empty == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_is_the_same_with_and_without(cli, config: Path, pictures: Path, workers: int) -> None:
    """Dropout, jitter and order of samples are drawn as if nothing were shown."""
    arguments = ["--trainer.max_epochs", 2, "--data.num_workers", workers, "--data.val", pictures]
    arguments += ["--model.backbone_kwargs", "{drop_rate: 0.2, drop_path_rate: 0.2}"]
    for name, shown in (("shown", []), ("quiet", QUIET)):
        outcome = cli("fit", "--config", config, "--run_dir", name, *arguments, *shown)
        assert outcome.status == 0, outcome.err
    assert events("quiet").Tags()["images"] == []
    assert not Path("quiet/projector_config.pbtxt").exists()
    expected, found = (torch.load(f"{name}/checkpoints/last.ckpt", weights_only=True) for name in ("quiet", "shown"))
    for part in ("state_dict", "optimizer_states"):
        torch.testing.assert_close(found[part], expected[part], rtol=0, atol=0)


def test_a_plain_folder_without_captions(cli, config: Path, pictures: Path, tmp_path: Path) -> None:
    for number, picture in enumerate(sorted(pictures.rglob("*.png"))):
        copy(picture, tmp_path / "plain" / f"picture {number}.png")
    plain = ["--model", "SimCLR", "--data.graph", "null", "--data.augment", "null"]  # views stay bytes
    outcome = cli("fit", "--config", config, "--run_dir", "run", *plain, "--data.train", tmp_path / "plain")
    assert outcome.status == 0, outcome.err
    assert {"data/views", "features/neighbours"} == set(events().Tags()["images"])
    assert sorted(row[0] for row in metadata()[1:]) == sorted(f"picture {number}.png" for number in range(16))


def test_shards(cli, config: Path, shards: Callable[[], Path]) -> None:
    outcome = cli("fit", "--config", config, "--run_dir", "run", "--data.train", shards(), "--data.num_workers", 1)
    assert outcome.status == 0, outcome.err
    assert {"data/views", "features/neighbours"} <= set(events().Tags()["images"])
    assert metadata()[1][1:] == ["000000000"]


def test_two_processes_show_what_one_shows(cli, config: Path, pictures: Path, tmp_path: Path) -> None:
    arguments = ["--data.val", str(pictures), "--data.label", "class"]
    assert cli("fit", "--config", config, "--run_dir", "run", *QUIET, *arguments).status == 0
    again = ["validate", "--config", config, "--ckpt_path", "run/checkpoints/last.ckpt", *arguments, "--run_dir"]
    assert cli(*again, "on-1").status == 0
    command = [sys.executable, "-m", "xclr_lightning", *again, "on-2", "--trainer.devices=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    one, two = ({file.relative_to(run): file for file in Path(run).rglob("*")} for run in ("on-1", "on-2"))
    shown = [file for file in one if file.parts[0] in ("figures", "projector") and one[file].is_file()]
    assert {file.name for file in shown} >= {"neighbours.png", "vectors.tsv", "metadata.tsv", "thumbnails.jpg"}
    for file in shown:
        assert one[file].read_bytes() == two[file].read_bytes(), file


def test_one_batch_shows_nothing_and_breaks_nothing(cli, config: Path, pictures: Path) -> None:
    outcome = cli("fit", "--config", config, "--config", "debug/one_batch", "--data.val", pictures)
    assert outcome.status == 0, outcome.err
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--view_sheet.pictures", -1], ["view_sheet.pictures -1", "expected 0 or more"]),
        (["--neighbour_sheet.rows", 0], ["neighbour_sheet.rows 0", "expected 1 or more"]),
        (["--neighbour_sheet.bank", "nowhere"], ["no such file or folder", "nowhere"]),
        (["--embedding_projector.columns", "[colour]"], ["has no field 'colour'", "class"]),
        (["--scalar_layout.charts", "{speed: {all: ['(speed']}}"], ["scalar_layout.charts", "(speed"]),
    ],
)
def test_a_wrong_setting_is_named(cli, config: Path, arguments: list[object], words: list[str]) -> None:
    outcome = cli("fit", "--config", config, "--run_dir", "run", *arguments)
    assert outcome.status == 2
    assert all(word in outcome.err for word in words), outcome.err
