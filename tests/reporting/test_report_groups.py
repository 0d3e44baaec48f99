"""Runs put together by everything but their seed, and named by what sets them apart."""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from finished_runs import write_run

from xclr_lightning.errors import UserError
from xclr_lightning.reporting import find_runs, group_runs, named


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    logger = logging.getLogger("xclr_lightning.reporting")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_runs_that_differ_in_their_seed_are_a_group(tmp_path):
    for seed in (1, 0, 2):
        write_run(tmp_path / "a" / str(seed), seed, 0.5 + 0.01 * seed)
        write_run(tmp_path / "b" / str(seed), seed, 0.4, objective="SimCLR")
    write_run(tmp_path / "c", 0, 0.3, share=0.1)
    groups = group_runs(find_runs([tmp_path]))
    assert [group.name for group in groups] == [
        "XCLR, train_share 1.0",
        "SimCLR, train_share 1.0",
        "XCLR, train_share 0.1",
    ]
    assert [run.seed for run in groups[0].runs] == [0, 1, 2]
    assert groups[0].spread("knn/top1@20").mean == pytest.approx(0.51)


def test_a_comparison_has_names_of_its_own(tmp_path):
    write_run(tmp_path / "a", 0, 0.5, record="xclr, captions permuted")
    write_run(tmp_path / "b", 1, 0.5, record="xclr, captions permuted")
    (group,) = group_runs(find_runs([tmp_path / "a", tmp_path / "b"]))
    assert group.name == "xclr, captions permuted"


def test_rows_of_one_name_and_other_settings_are_told_apart(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / "a" / str(seed), seed, 0.5, record="xclr", share=0.1)
        write_run(tmp_path / "b" / str(seed), seed, 0.6, record="xclr", share=0.3)
        write_run(tmp_path / "c" / str(seed), seed, 0.7, record="clip", share=0.3)
    groups = group_runs(find_runs([tmp_path]))
    assert [group.name for group in groups] == ["xclr, train_share 0.1", "xclr, train_share 0.3", "clip"]
    assert [len(group.runs) for group in groups] == [2, 2, 2]


def test_settings_of_one_short_name_are_told_apart(tmp_path):
    for number, (share, other) in enumerate([(0.1, 0.2), (0.2, 0.1)]):
        write_run(tmp_path / str(number), 0, 0.5, share=share, probe={"train_share": other})
    assert [group.name for group in group_runs(find_runs([tmp_path]))] == [
        "XCLR, data.train_share 0.1, probe.train_share 0.2",
        "XCLR, data.train_share 0.2, probe.train_share 0.1",
    ]


def test_an_evaluation_in_a_folder_of_its_own_is_no_further_seed(tmp_path):
    for seed in (0, 1):
        place = tmp_path / "fit" / str(seed)
        checkpoint = str(place / "checkpoints" / "last.ckpt")
        write_run(place, seed, 0.5 + 0.1 * seed)
        # It went on once, and was evaluated, by a command line without the seed.
        write_run(tmp_path / "draft" / str(seed), seed, 0.5, ckpt_path=checkpoint)
        (tmp_path / "draft" / str(seed) / "config.yaml").rename(place / "config-2.yaml")
        write_run(tmp_path / "test" / str(seed), 0, 0.5 + 0.1 * seed, ckpt_path=checkpoint)
    groups = group_runs(find_runs([tmp_path / "fit", tmp_path / "test"]))
    assert [group.name for group in groups] == ["XCLR", "XCLR, ckpt_path of another run"]
    assert [[run.seed for run in group.runs] for group in groups] == [[0, 1], [0, 1]]


def test_of_one_seed_the_newer_run_counts(tmp_path, warned):
    for number, name in enumerate("ba"):
        write_run(tmp_path / name, 0, 0.5 + 0.1 * number)
        os.utime(tmp_path / name / "metrics.json", (1000 + number, 1000 + number))
    (group,) = group_runs(find_runs([tmp_path]))
    assert group.spread("knn/top1@20").mean == pytest.approx(0.6)
    older, newer = tmp_path / "b", tmp_path / "a"
    assert set(warned.messages) == {f"{older} is left out: {newer} has the same settings and seed, and is newer"}


def test_the_newest_config_is_the_one_of_the_highest_number(tmp_path):
    write_run(tmp_path / "a", 0, 0.5)
    config = yaml.safe_load((tmp_path / "a" / "config.yaml").read_text())
    for number in (10, 9, 2):  # the last written is not the newest
        (tmp_path / "a" / f"config-{number}.yaml").write_text(yaml.safe_dump(config | {"seed_everything": number}))
    assert find_runs([tmp_path])[0].seed == 10


def test_groups_are_compared_over_the_seeds_that_both_have(tmp_path):
    for seed, top1 in enumerate((0.5, 0.6, 0.7)):
        write_run(tmp_path / "x" / str(seed), seed, top1)
    for seed, top1 in enumerate((0.45, 0.5)):
        write_run(tmp_path / "y" / str(seed), seed, top1, objective="SimCLR")
    x, y = group_runs(find_runs([tmp_path]))
    against = y.against(x, "knn/top1@20").difference
    assert (against.count, against.mean) == (2, pytest.approx(-0.075))


def test_a_run_twice_is_one_run(tmp_path):
    write_run(tmp_path / "a", 0, 0.5)
    assert len(find_runs([tmp_path, tmp_path / "a"])) == 1


def test_what_is_no_run(tmp_path):
    with pytest.raises(UserError, match="no run in"):
        find_runs([tmp_path])
    with pytest.raises(UserError, match="no folder"):
        find_runs([tmp_path / "nothing"])
    write_run(tmp_path / "a", 0, 0.5)
    (tmp_path / "a" / "metrics.json").write_text("{")
    with pytest.raises(UserError, match="a cannot be read as a run"):
        find_runs([tmp_path])


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.yaml", "[1, 2]", "config.yaml has no names with values"),
        ("config.yaml", "seed_everything: many", "config.yaml is no config of one"),
        ("config.yaml", "trainer: many", "config.yaml is no config of one"),
        ("config.yaml", "{", "config.yaml: "),
        ("metrics.json", "[]", "metrics.json has no names with values"),
        ("metrics.json", '{"a": "b"}', "metrics.json has a, which is no number"),
        ("protocol.json", '{"KNN": {"percent": true}}', "protocol.json does not say what KNN logged"),
        ("protocol.json", '{"KNN": 3}', "protocol.json does not say what KNN logged"),
        ("metrics.csv", "epoch,step,loss\n0,1,high\n", "metrics.csv is not as a run writes it: could not convert"),
        ("metrics.csv", "epoch,loss\n0,1\n", "metrics.csv is not as a run writes it: 'step'"),
        ("metrics.csv", "epoch,step\n0,1,2\n", "metrics.csv is not as a run writes it"),
    ],
)
def test_folders_of_others(tmp_path: Path, file: str, text: str, message: str) -> None:
    write_run(tmp_path / "a", 0, 0.5)
    (tmp_path / "a" / file).write_text(text)
    with pytest.raises(UserError, match=f"{tmp_path / 'a'}.*{message}") as caught:
        _ = find_runs([tmp_path])[0].unfinished
    assert "\n" not in str(caught.value)


def test_a_record_of_others_is_none(tmp_path):
    write_run(tmp_path / "a", 0, 0.5)
    (tmp_path / "a" / "comparison.json").write_text(json.dumps(["a"]))
    assert group_runs(find_runs([tmp_path]))[0].name == "XCLR"


def test_a_reference_that_is_not_there(tmp_path):
    write_run(tmp_path / "a", 0, 0.5)
    with pytest.raises(UserError, match="no row 'XLCR' to compare with: there is XCLR; did you mean XCLR"):
        named(group_runs(find_runs([tmp_path])), "XLCR")


def captions(seed: int = 0, shuffled: float = 0.0, k: int = 3) -> dict[str, Any]:
    """Data with a graph that is made of others."""
    own = {"class_path": "CaptionGraph", "init_args": {"shuffled": shuffled, "seed": seed}}
    lists = {"class_path": "NeighbourListGraph", "init_args": {"graph": own, "k": k, "seed": 5}}
    graph = {"class_path": "WeightedSum", "init_args": {"graphs": [own, lists], "weights": [1.0, 1.0]}}
    return {"class_path": "GraphDataModule", "init_args": {"graph": graph}}


def test_which_captions_are_permuted_goes_with_the_seed(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path / str(seed), seed, 0.5, data=captions(seed, 1.0), record="xclr, captions permuted")
    (group,) = group_runs(find_runs([tmp_path]))
    assert [run.seed for run in group.runs] == [0, 1]


def test_a_graph_is_the_same_with_its_captions_permuted(tmp_path):
    for name, data in {"a": captions(), "b": captions(1, 1.0), "c": captions(k=4), "d": {"init_args": {}}}.items():
        write_run(tmp_path / name, 0, 0.5, data=data, record=name)
    plain, permuted, other, none = group_runs(find_runs([tmp_path]))
    assert plain.graph == permuted.graph != other.graph
    assert none.graph == {}


def test_long_values_are_cut_in_names_unless_that_makes_two_alike(tmp_path):
    folder = "/data/" + "weights/" * 40
    for name in "ab":
        write_run(tmp_path / "apart" / name, 0, 0.5, init_from=f"{folder}{name}.ckpt")
    first, second = group_runs(find_runs([tmp_path / "apart"]))
    assert (first.name, second.name) == tuple(f"XCLR, init_from …{f'{folder}{name}.ckpt'[-32:]}" for name in "ab")
    for name in "ab":
        write_run(tmp_path / "alike" / name, 0, 0.5, init_from=f"/{name}{folder}last.ckpt")
    first, second = group_runs(find_runs([tmp_path / "alike"]))
    assert (first.name, second.name) == tuple(f"XCLR, init_from /{name}{folder}last.ckpt" for name in "ab")
