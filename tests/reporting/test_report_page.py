"""The report: numbers with their runs, figures of what there is to draw."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from finished_runs import write_run

from xclr_lightning.cli import main
from xclr_lightning.reporting import columns, find_runs, group_runs
from xclr_lightning.reporting.figures import by_row, over_epochs, over_k, over_setting, robustness

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
    widths = [bar.get_width() for bar in by_row(whole, shown).axes[0].patches]
    assert widths == [pytest.approx(33), pytest.approx(55)]
    heights = [bar.get_height() for bar in robustness(whole).axes[0].patches]
    assert len(heights) == 16
    assert max(heights) == pytest.approx(55)


def test_nothing_to_draw(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 0, 0.5)
    for name in ("metrics.csv", "protocol.json"):
        (tmp_path / "a" / name).unlink()
    (group,) = group_runs(find_runs([tmp_path]))
    assert group.runs[0].measured() == {}
    assert over_epochs([group], {}) is None
    assert over_k([group], {}) is None


def test_what_cannot_be_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "no run in" in capsys.readouterr().err
    assert main(["report"]) == 2
    assert "report: the following arguments are required: RUN" in capsys.readouterr().err
