"""A user's own pictures train without a line of code, in whatever form they and their captions are."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .paper_layouts import CIFAR_CLASSES, write_cifar10


def trained(cli: Callable, config: Path, *arguments: object) -> dict[str, float]:
    outcome = cli("fit", "--config", config, "--run_dir", "run", *arguments)
    assert outcome.status == 0, outcome.err
    return json.loads(Path("run/metrics.json").read_text())


def graph_facts(run: str = "run") -> dict[str, object]:
    return json.loads((Path(run) / "graph" / "graph.json").read_text())


@pytest.fixture
def rows(pictures: Path) -> list[dict[str, str]]:
    """The rows of the pictures' table, which is taken away."""
    with (pictures / "metadata.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    (pictures / "metadata.csv").unlink()
    return found


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_folder_of_pictures_and_a_csv_of_captions(cli, config: Path, pictures: Path, rows, tmp_path: Path) -> None:
    captions = write_csv(tmp_path / "captions.csv", rows)
    metrics = trained(cli, config, "--data.captions", captions)
    assert np.isfinite(metrics["train/loss"])
    assert (graph_facts()["count"], graph_facts()["distinct"]) == (16, 4)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_alone(kind: str, cli, config: Path, pictures: Path, rows, tmp_path: Path) -> None:
    """One path is relative, one absolute; a picture is missing, and a row has no caption; labels are a column."""
    for number, row in enumerate(rows):
        row["file_name"] = str(pictures / row["file_name"]) if number else f"pictures/{row['file_name']}"
        row["kind"] = row["caption"].split()[1]
    rows.append({"file_name": "pictures/gone.png", "caption": "a train, gone", "kind": "train"})
    rows.append({"file_name": "pictures/17.png", "caption": "", "kind": "bus"})
    if kind == "csv":
        table = write_csv(tmp_path / "table.csv", rows)
    else:
        table = tmp_path / "table.parquet"
        pq.write_table(pa.Table.from_pylist(rows), table)
    settings = ["--data.train", table, "--data.val", table, "--data.label", "kind", "--data.num_workers", 2]
    settings += ["--data.max_skipped", 0.1]
    settings += ["--knn.sets", f"{{knn: {{bank: {table}, queries: {table}, label: kind}}}}", "--knn.k", "[3]"]
    metrics = trained(cli, config, *settings, "--trainer.max_epochs", 2)
    assert np.isfinite([metrics["train/loss"], metrics["val/loss"]]).all()
    assert (graph_facts()["count"], graph_facts()["distinct"]) == (17, 5)
    assert metrics["data/bad_pictures"] >= 1
    assert 0 < metrics["knn/top1@3"] <= 1


def test_texts_beside_pictures(cli, config: Path, pictures: Path, rows) -> None:
    for row in rows:
        (pictures / row["file_name"]).with_suffix(".txt").write_text(row["caption"])
    assert np.isfinite(trained(cli, config)["train/loss"])
    assert (graph_facts()["count"], graph_facts()["distinct"]) == (16, 4)


def test_a_set_of_torchvision(cli, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path / "torchvision", monkeypatch, each=1)
    settings = ["--data.train", "torchvision:CIFAR10/train", "--data.val", "torchvision:CIFAR10/test"]
    metrics = trained(cli, config, *settings, "--data.label", "class", "--data.num_workers", 1)
    assert np.isfinite([metrics["train/loss"], metrics["val/loss"]]).all()
    assert (graph_facts()["count"], graph_facts()["distinct"]) == (50, len(CIFAR_CLASSES))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("no.csv", "no such file or folder: no.csv"),
        ("torchvision:CIFAR10/tset", "did you mean test?"),
        ("torchvision:CIFAR10/train?root=nowhere", "its files are not in nowhere"),
        ("wrong.csv", "no column file_name"),
        ("half.csv", "1 no caption"),
    ],
)
def test_what_is_no_data(setting: str, words: str, cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*arguments: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("socket.getaddrinfo", unreachable)
    Path("wrong.csv").write_text("path,caption\n1.png,one\n")
    Path("half.csv").write_text("file_name,caption\n1.png,one\n2.png,\n")
    outcome = cli("fit", "--config", config, "--data.train", setting)
    assert outcome.status == 2
    assert words in outcome.err.splitlines()[-1]
    assert "Traceback" not in outcome.err
