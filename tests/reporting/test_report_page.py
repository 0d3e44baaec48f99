"""The report: numbers with their runs, figures of what there is to draw."""

import json
import re
import warnings
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from finished_runs import write_run

from xclr_lightning.cli import main
from xclr_lightning.reporting import find_runs, group_runs, write_report
from xclr_lightning.reporting.figures import by_row, over_epochs, over_k, over_setting, robustness
from xclr_lightning.reporting.tables import columns, difference_table

TOP1 = {"XCLR": (0.50, 0.55, 0.60), "SimCLR": (0.30, 0.36, 0.33)}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for objective, values in TOP1.items():
        for seed, top1 in enumerate(values):
            for share in (0.1, 1.0):
                write_run(tmp_path / "runs" / f"{objective}-{seed}-{share}", seed, top1 * share, objective, share)
    return tmp_path / "runs"


def test_report(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report"
    reference = "XCLR, train_share 1.0"
    assert main(["report", str(runs), "--output", str(out), "--reference", reference]) == 0
    page = (out / "report.md").read_text()
    assert "| XCLR, train_share 1.0 | 55.0 ± 5.0 |" in page
    assert page.splitlines()[4] in capsys.readouterr().out
    assert "| SimCLR, train_share 1.0 | -22.0 ± 4.4 (p = 0.013) |" in page
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert (out / link).exists(), link
    assert {file.name for file in out.glob("*.png")} == {
        "rows.png",
        "epochs.png",
        "k.png",
        "robustness.png",
        "over_train_share.png",
    }
    row = next(row for row in json.loads((out / "report.json").read_text())["rows"] if row["name"] == reference)
    found = row["metrics"]["knn/top1@20"]
    assert (found["mean"], found["count"]) == (pytest.approx(np.mean(TOP1["XCLR"])), 3)
    for link, value in found["runs"].items():
        assert json.loads((out / link / "metrics.json").read_text())["knn/top1@20"] == value


def test_figures_show_the_numbers(runs: Path) -> None:
    groups = group_runs(find_runs([runs]))
    measured = groups[0].runs[0].measured()
    shown = columns(measured)
    assert list(shown) == [
        "knn/top1@20",
        *(f"imagenet9/{name}" for name in ("original", "mixed_same", "mixed_rand", "bg_gap")),
    ]
    whole = [group for group in groups if group.settings["data.init_args.train_share"] == 1.0]
    (_, xclr) = (line.lines[0] for line in over_k(whole, measured).axes[0].containers)
    assert xclr.get_xydata().tolist() == [[1, pytest.approx(45)], [20, pytest.approx(55)], [100, pytest.approx(50)]]
    curve = over_epochs(whole, shown).axes[0].containers[1].lines[0]
    assert curve.get_xydata().tolist() == [[2, pytest.approx(27.5)], [4, pytest.approx(55)]]
    lines = over_setting("data.init_args.train_share", groups, shown).axes[0].containers
    assert [line.get_label() for line in lines] == ["SimCLR", "XCLR"]
    assert lines[0].lines[0].get_xdata().tolist() == [0.1, 1.0]
    assert over_setting("data.init_args.train_share", groups[::3], shown) is None  # of two objectives, one value each
    widths = [bar.get_width() for bar in by_row(whole, shown).axes[0].patches]
    assert widths == [pytest.approx(33), pytest.approx(55)]
    heights = [bar.get_height() for bar in robustness(whole, measured).axes[0].patches]
    assert len(heights) == 16
    assert max(heights) == pytest.approx(55)


def test_each_row_can_have_a_reference_of_its_own(runs: Path) -> None:
    groups = {group.name: group for group in group_runs(find_runs([runs]))}
    small, whole = groups["XCLR, train_share 0.1"], groups["XCLR, train_share 1.0"]
    references = {"SimCLR, train_share 0.1": small, "SimCLR, train_share 1.0": whole, small.name: small}
    table = difference_table(list(groups.values()), references, {"knn/top1@20": True})
    assert table.startswith("| difference | knn/top1@20 |")
    assert "| SimCLR, train_share 0.1, less XCLR, train_share 0.1 | -2.2 ± 0.4" in table
    assert "| SimCLR, train_share 1.0, less XCLR, train_share 1.0 | -22.0 ± 4.4" in table
    assert table.count("less") == 2


def test_nothing_to_draw(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0, 0.5)
    for name in ("metrics.csv", "protocol.json"):
        (tmp_path / "a" / name).unlink()
    (group,) = group_runs(find_runs([tmp_path]))
    assert group.runs[0].measured() == {}
    assert over_epochs([group], {}) is None
    assert over_k([group], {}) is None


def test_runs_that_are_not_finished_say_so(tmp_path: Path) -> None:
    for seed, trainer in enumerate(
        [{"max_epochs": 400}, {"max_epochs": 4}, {"max_epochs": 400, "max_steps": 40}, {"max_epochs": -1}]
    ):
        write_run(tmp_path / "runs" / str(seed), seed, 0.5, trainer=trainer, record="xclr")
    groups = group_runs(find_runs([tmp_path / "runs"]))
    assert [run.unfinished for group in groups for run in group.runs] == ["epoch 4 of 400", None, None, None]
    assert "| 0 (epoch 4 of 400) |" in write_report(tmp_path / "report", groups, {})
    # An evaluation is not trained, and has one row without an epoch to speak of.
    (tmp_path / "runs" / "0" / "metrics.csv").write_text("epoch,step,knn/top1@20\n0,0,0.5\n")
    assert find_runs([tmp_path / "runs" / "0"])[0].unfinished is None


def test_a_linear_probe_has_accuracies_of_its_own(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0, 0.5)
    metrics = {"train/top1": 0.9, "val/top1": 0.612, "val/top5": 0.834, "val/loss": 1.0}
    (tmp_path / "a" / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "a" / "protocol.json").unlink()
    page = write_report(tmp_path / "report", group_runs(find_runs([tmp_path / "a"])), {})
    assert page.splitlines()[0] == "|  | val/top1 | val/top5 | seeds |"
    assert "| XCLR | 61.2 | 83.4 | 0 |" in page


def test_runs_without_evaluations_have_no_table(tmp_path: Path) -> None:
    for name, share in (("a", 0.1), ("b", 0.2)):
        write_run(tmp_path / name, 0, 0.5, share=share)
        (tmp_path / name / "protocol.json").unlink()
    groups = group_runs(find_runs([tmp_path]))
    page = write_report(tmp_path / "report", groups, {group.name: groups[0] for group in groups})
    assert page.startswith("These runs have no numbers of an evaluation")
    assert page.count("\n") == 1


def test_numbers_that_are_none_are_null_in_files_and_dashes_in_tables(tmp_path: Path) -> None:
    """Of a run that diverged, and the deviation of a single seed."""
    metrics = write_run(tmp_path / "a", 0, 0.5) | {"knn/top1@20": None}
    (tmp_path / "a" / "metrics.json").write_text(json.dumps(metrics))
    page = write_report(tmp_path / "report", group_runs(find_runs([tmp_path / "a"])), {})
    assert "| XCLR | – |" in page
    text = (tmp_path / "report" / "report.json").read_text()
    (row,) = json.loads(text, parse_constant=pytest.fail)["rows"]
    assert row["metrics"]["knn/top1@20"]["mean"] is row["metrics"]["imagenet9/original"]["deviation"] is None


def test_figures_of_an_earlier_report_go_and_others_stay(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    write_report(out, group_runs(find_runs([runs])), {})
    assert (out / "over_train_share.png").is_file()
    (out / "own.png").touch()
    write_report(out, group_runs(find_runs([runs]))[:1], {})
    assert {file.name for file in out.glob("*.png")} == {"own.png", "epochs.png", "k.png", "robustness.png"}


def test_settings_of_one_short_name_have_a_figure_each(tmp_path: Path) -> None:
    for number, (share, other) in enumerate([(0.1, 0.2), (0.3, 0.2), (0.3, 0.1)]):
        write_run(tmp_path / str(number), 0, 0.5, share=share, probe={"train_share": other})
    groups = group_runs(find_runs([tmp_path]))
    write_report(tmp_path / "report", groups, {})
    names = {file.name for file in (tmp_path / "report").glob("over_*.png")}
    assert names == {"over_data.train_share.png", "over_probe.train_share.png"}
    shown = columns(groups[0].runs[0].measured())
    lines = over_setting("data.init_args.train_share", groups, shown).axes[0].containers
    assert [line.get_label() for line in lines] == ["XCLR, probe.train_share 0.2", "XCLR, probe.train_share 0.1"]


def test_what_cannot_be_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "no run in" in capsys.readouterr().err
    assert main(["report"]) == 2
    assert "report: the following arguments are required: RUN" in capsys.readouterr().err
    write_run(tmp_path / "a", 0, 0.5)
    file = tmp_path / "file"
    file.touch()
    for output in (file, file / "deeper"):
        assert main(["report", str(tmp_path / "a"), "--output", str(output)]) == 2
        assert f"error: {file} is a file, no folder: choose another --output" in capsys.readouterr().err


def test_each_protocol_is_told_with_its_rows(tmp_path: Path) -> None:
    for name, temperature in (("a", 0.07), ("b", 0.1), ("c", 0.07)):
        write_run(tmp_path / name, 0, 0.5, record=name)
        file = tmp_path / name / "protocol.json"
        protocols = json.loads(file.read_text())
        protocols["KNN"]["temperature"] = temperature
        # Which sets nothing apart:
        protocols["KNN"]["logged"] = protocols["KNN"]["logged"][: ord(name) - ord("a") + 1]
        protocols["KNN"]["pictures"] = {f"/cache/of/{name}": 5}
        file.write_text(json.dumps(protocols))
    out = tmp_path / "report"
    write_report(out, group_runs(find_runs([tmp_path])), {})
    told = [line for line in (out / "report.md").read_text().splitlines() if "temperature" in line or "k 20" in line]
    assert told == ["- **KNN** of a; c: temperature 0.07", "- **KNN** of b: temperature 0.1", "- **ImageNet9**: k 20"]
    assert json.loads((out / "report.json").read_text())["protocols"] == [
        {"name": "KNN", "settings": {"temperature": 0.07}, "rows": ["a", "c"]},
        {"name": "KNN", "settings": {"temperature": 0.1}, "rows": ["b"]},
        {"name": "ImageNet9", "settings": {"k": 20}, "rows": ["a", "b", "c"]},
    ]


def test_links_to_folders_of_any_name(tmp_path: Path) -> None:
    write_run(tmp_path / "my runs (new) [1] 100%", 0, 0.5)
    write_report(tmp_path / "report", group_runs(find_runs([tmp_path])), {})
    links = re.findall(r"\]\(([^\s()\[\]]+)\)", (tmp_path / "report" / "report.md").read_text())
    files = {(tmp_path / "report" / unquote(link)).resolve() for link in links}
    assert {tmp_path / "my runs (new) [1] 100%", tmp_path / "my runs (new) [1] 100%" / "config.yaml"} <= files


@pytest.mark.parametrize(("shuffled", "encoder", "there"), [(1.0, "a", True), (1.0, "b", False), (0.0, "b", False)])
def test_ndcg_of_other_graphs_is_not_compared(tmp_path: Path, shuffled: float, encoder: str, there: bool) -> None:
    for name, settings in {
        "x": {"encoder": "a", "shuffled": 0.0},
        "y": {"encoder": encoder, "shuffled": shuffled},
    }.items():
        graph = {"class_path": "CaptionGraph", "init_args": settings}
        metrics = write_run(tmp_path / name, 0, 0.5, data={"init_args": {"graph": graph}}, record=name)
        (tmp_path / name / "metrics.json").write_text(json.dumps(metrics | {"held/ndcg@10": 0.4}))
        protocol = {"Retrieval": {"logged": ["held/ndcg@10"], "percent": True}}
        (tmp_path / name / "protocol.json").write_text(json.dumps(protocol))
    groups = group_runs(find_runs([tmp_path]))
    tables = write_report(tmp_path / "report", groups, {"x": groups[0], "y": groups[0]})
    assert ("held/ndcg@10" in tables) == there
    facts = json.loads((tmp_path / "report" / "report.json").read_text())
    assert facts["rows"][0]["metrics"]["held/ndcg@10"]["mean"] == 0.4
    assert "held/ndcg@10" in write_report(tmp_path / "one", groups[1:], {})  # a row by itself is compared with nothing


def test_a_number_that_not_all_seeds_have_says_of_how_many_it_is(tmp_path: Path) -> None:
    for seed in range(3):
        metrics = write_run(tmp_path / str(seed), seed, 0.5)
        if seed == 2:
            (tmp_path / "2" / "metrics.json").write_text(json.dumps(metrics | {"knn/top1@20": 0.8}))
        else:
            del metrics["imagenet9/original"]
            (tmp_path / str(seed) / "metrics.json").write_text(json.dumps(metrics))
    page = write_report(tmp_path / "report", group_runs(find_runs([tmp_path])), {})
    row = dict(zip(*([cell.strip() for cell in line.split("|")] for line in page.splitlines()[::2]), strict=True))
    assert row["knn/top1@20"] == "60.0 ± 17.3"
    assert row["imagenet9/original"] == "50.0 (n = 1)"


def test_lines_over_a_setting_are_named_by_the_others_whatever_their_values(tmp_path: Path) -> None:
    for number, share in enumerate((0.1, 1.0)):
        for other in ("a, train_share b", "c"):
            write_run(tmp_path / f"{number}{other}", 0, 0.5, share=share, template=other)
    groups = group_runs(find_runs([tmp_path]))
    lines = over_setting("data.init_args.train_share", groups, {"knn/top1@20": True}).axes[0].containers
    assert {line.get_label() for line in lines} == {"XCLR, template a, train_share b", "XCLR, template c"}


def test_long_names_fit_into_figures(tmp_path: Path) -> None:
    long = [f"setting_of_some_length_{number}" for number in range(8)]
    for letter in "abc":
        for k in (1, 2):
            named = dict.fromkeys(long, f"a value of some length {letter}")
            write_run(tmp_path / f"{letter}{k}", 0, 0.5, **named, k=k)
    groups = group_runs(find_runs([tmp_path]))
    assert len(groups[0].name) > 300
    with warnings.catch_warnings(action="error"):
        write_report(tmp_path / "report", groups, {})
    assert (tmp_path / "report" / "over_k.png").is_file()
    figure = over_k(groups, groups[0].runs[0].measured())
    figure.canvas.draw()
    assert figure.legends[0].get_window_extent().width <= figure.bbox.width
