"""``compare`` end to end: rows, seeds and the control; going on; what is refused before the first run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from lightning.pytorch.utilities.exceptions import SIGTERMException

from xclr_lightning import lightning_cli
from xclr_lightning.comparison import runs
from xclr_lightning.comparison.grid import objective_arguments, rows
from xclr_lightning.comparison.runs import Planned
from xclr_lightning.errors import UserError


@pytest.fixture
def comparison(config: Path, pictures: Path) -> list[object]:
    """Options of a comparison whose runs take a second or two beyond their imports."""
    settings = yaml.safe_load(config.read_text())
    settings["data"]["init_args"]["train"] = str(pictures)
    sets = {"knn": {"bank": str(pictures), "queries": str(pictures), "label": "class"}}
    settings["knn"] = {"k": [1, 3], "sets": sets}
    settings["similarity_figure"] = {"every_n_epochs": 0}
    config.write_text(yaml.safe_dump(settings))
    return ["compare", "--config", config, "--run_dir", "table"]


def test_a_table_with_its_control_that_goes_on_where_it_stopped(cli, comparison: list[object]) -> None:
    table = [*comparison, "--objectives", "simclr", "xclr", "--seeds", 3]
    outcome = cli(*table, "--jobs", 2)
    assert outcome.status == 0, outcome.err
    names = ["simclr", "xclr", "xclr, captions permuted"]
    folders = [Path("table") / name.replace(", ", "-").replace(" ", "-") / "seed-3" for name in names]
    for name, folder in zip(names, folders, strict=True):
        metrics, config = (
            json.loads((folder / "metrics.json").read_text()),
            yaml.safe_load((folder / "config.yaml").read_text()),
        )
        assert f"| {name} | {100 * metrics['knn/top1@3']:.1f} | 3 |" in outcome.out
        assert config["seed_everything"] == 3
        shuffled = config["data"]["init_args"]["graph"]["init_args"]["shuffled"]
        assert shuffled == ("permuted" in name)
    objectives = [yaml.safe_load((folder / "config.yaml").read_text())["model"]["class_path"] for folder in folders]
    assert [path.rpartition(".")[2] for path in objectives] == ["SimCLR", "XCLR", "XCLR"]

    # As if it had been killed in the second run: the checkpoint is there, the record of its end is not.
    record = json.loads((folders[1] / "comparison.json").read_text())
    record |= {"spent": record.pop("seconds"), "began": (folders[1] / "log.txt").stat().st_mtime}
    (folders[1] / "comparison.json").write_text(json.dumps(record))
    before = [(folder / "metrics.json").stat().st_mtime_ns for folder in (folders[0], folders[2])]
    again = cli(*table)
    assert again.status == 0, again.err
    assert "3 runs in table, of which 2 are there" in again.out
    assert [(folder / "metrics.json").stat().st_mtime_ns for folder in (folders[0], folders[2])] == before
    assert "nothing left to train" in (folders[1] / "log.txt").read_text()
    assert again.out[again.out.index("|") :] == outcome.out[outcome.out.index("|") :]
    first, second = (yaml.safe_load((folders[1] / name).read_text()) for name in ("config.yaml", "config-2.yaml"))
    assert second.pop("ckpt_path").endswith("last.ckpt")
    assert first.pop("ckpt_path") is None
    assert first == second  # or they would be two rows of a report
    assert json.loads((folders[1] / "comparison.json").read_text())["seconds"] > record["spent"]

    other = cli(*table, "--model.lr", 0.1)
    assert other.status == 2
    assert "has a run by other settings (model.init_args.lr" in other.err
    assert "now 0.1): choose another --run_dir, or remove it" in other.err
    file = Path(table[2])
    file.write_text(file.read_text().replace("temperature: 0.2", "temperature: 0.3"))
    other = cli(*table)
    assert other.status == 2
    assert "simclr/seed-3 has a run by other settings (model.init_args.temperature 0.2, now 0.3)" in other.err


def test_a_run_that_fails_is_told_after_the_others(cli, comparison: list[object]) -> None:
    outcome = cli(*comparison, "--vary", "data.batch_size", 8, 64, "--seeds", 0, "--no_control", "--jobs", 2)
    assert outcome.status == 2
    assert "[2/2]" in outcome.out
    assert "as configured, batch_size 64, seed 0: xclr_lightning: error: data.train has 16 pictures" in outcome.out
    assert outcome.err.count("\n") == 1
    assert "1 of 2 runs failed, first as configured, batch_size 64, seed 0: see table/" in outcome.err
    assert (Path("table/as-configured-batch_size-8/seed-0") / "metrics.json").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--objectives", "xlcr"], "no objective 'xlcr': expected"),
        (["--objectives", "xclr", "xclr"], "'xclr' is there twice"),
        (["--vary", "model.temprature", 0.1], "error: no setting 'temprature'; did you mean temperature? ("),
        (["--vary", "model.temperature"], "--vary model.temperature wants values"),
        (["--vary", "config", "nothing.yaml"], "no config 'nothing.yaml'"),
        (["--vary", "seed_everything", 1, 2], "seed_everything is set in each run by the comparison: give --seeds"),
        (["--seed_everything", 7], "compare: seed_everything is set in each run by the comparison: give --seeds"),
        (["--vary", "data.graph.seed", 1, 2], "compare: data.graph.seed is set in each run by the comparison"),
        (["--vary", "data.init_args.graph.init_args.graph.init_args.seed", 1, 2], "by the comparison: give --seeds"),
        (["--vary", "--run_dir", "a", "b"], "expected at least one argument"),
        (["--vary", "run_dir", "a", "b"], "compare: run_dir is set in each run by the comparison: give --run_dir"),
        (["--seeds", 1, 1], "expected each once"),
        (["--seeds", 0, -1], "'-1' is no whole number of at least 0"),
        (["--seeds", 2**32], "none above 4294967295"),
        (["--jobs", 0], "'0' is no whole number of at least 1"),
        (["--vary", "model.temperature", -1, "-2e-3", "--reference", "x"], "temperature -1; as configured, temp"),
        (["--run_dir", "../tiny.yaml"], "../tiny.yaml is a file, no folder: choose another --run_dir"),
        (["--run_dir", "../tiny.yaml/deeper"], "../tiny.yaml is a file, no folder"),
        (["--reference", "xclr"], "compare: no row 'xclr': there is as configured"),
    ],
)
def test_what_is_refused_before_the_first_run(cli, comparison: list[object], options: list, message: str) -> None:
    outcome = cli(*comparison, *options)
    assert outcome.status == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not Path("table").exists()


def test_ctrl_c_is_a_line(cli, comparison: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Iterator[tuple[Planned, None]]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(runs, "make_all", interrupted)
    outcome = cli(*comparison, "--seeds", 0, "--no_control")
    assert outcome.status == 130
    assert outcome.err == "xclr_lightning: stopped; the same command goes on\n"


def test_a_fit_that_is_told_to_end_is_not_complete(cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(_: list[str]) -> None:
        raise SIGTERMException

    monkeypatch.setattr(lightning_cli, "run", ended)
    outcome = cli("fit", "--config", config)
    assert (outcome.status, outcome.err) == (143, "xclr_lightning: stopped by SIGTERM\n")


def test_rows_are_all_combinations() -> None:
    found = rows(["simclr", "xclr"], [("data.train_share", ["0.1", "1.0"]), ("config", ["debug/overfit"])])
    assert [row.name for row in found] == [
        "simclr, train_share 0.1, overfit",
        "simclr, train_share 1.0, overfit",
        "xclr, train_share 0.1, overfit",
        "xclr, train_share 1.0, overfit",
    ]
    assert found[2].arguments[0].endswith("objective/xclr.yaml")
    assert found[2].arguments[1].endswith("debug/overfit.yaml")
    assert found[2].arguments[2] == "--data.train_share=0.1"
    assert len({row.folder(Path(), 0) for row in found}) == 4


def test_an_objective_is_an_overlay_a_config_or_a_class(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("model: {class_path: mine.Own}\n")
    assert objective_arguments(str(tmp_path / "own.yaml")) == [f"--config={tmp_path / 'own.yaml'}"]
    assert objective_arguments("XCLR") == ["--model=XCLR"]
    with pytest.raises(UserError, match="no objective 'own'"):
        objective_arguments("own")
