"""Runs put together by everything but their seed, and named by what sets them apart."""

import pytest
from finished_runs import write_run

from xclr_lightning.errors import UserError
from xclr_lightning.reporting import find_runs, group_runs
from xclr_lightning.reporting.groups import named


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


def test_a_reference_that_is_not_there(tmp_path):
    write_run(tmp_path / "a", 0, 0.5)
    with pytest.raises(UserError, match="no row 'XLCR' to compare with: there is XCLR; did you mean XCLR"):
        named(group_runs(find_runs([tmp_path])), "XLCR")
