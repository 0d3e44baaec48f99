"""Runs as processes: alone in their folders, ended with the comparison, and what is said of those that fail."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from xclr_lightning.comparison.runs import Planned, make_all
from xclr_lightning.errors import UserError

SETTINGS = {"seed_everything": 0, "run_dir": None, "model": {"init_args": {"lr": 0.1}}}


@pytest.fixture
def run(tmp_path: Path) -> Planned:
    return Planned("xclr", 0, tmp_path / "xclr" / "seed-0", ("--model.lr=0.1",), SETTINGS)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let a shell script stand for ``fit``."""

    def put(script: str) -> None:
        file = tmp_path / "python"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(file))

    return put


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo 'epoch 1/4  train/loss 3.2'; kill -9 $$", "killed by signal 9"),
        ("echo 'ValueError: no lr'; echo 'see the log'; exit 3", "ValueError: no lr"),
        ("echo 'bye'; exit 3", "bye"),
        ("exit 3", "exit status 3"),
    ],
)
def test_what_went_wrong(run: Planned, program: Callable[[str], None], script: str, problem: str) -> None:
    run.folder.mkdir(parents=True)
    (run.folder / "log.txt").write_text("error of an earlier start\n")
    program(script)
    assert list(make_all([run], 1)) == [(run, problem)]
    assert not run.complete


def test_seconds_are_those_of_all_starts(run: Planned, program: Callable[[str], None]) -> None:
    program("kill -9 $$")
    list(make_all([run], 1))
    log = run.folder / "log.txt"
    log.write_text("epoch 1\n")
    began = json.loads((run.folder / "comparison.json").read_text())["began"]
    os.utime(log, (began + 100, began + 100))
    (run.folder / "metrics.json").write_text("{}")
    program("exit 0")
    assert list(make_all([run], 1)) == [(run, None)]
    assert run.complete
    assert 100 <= json.loads((run.folder / "comparison.json").read_text())["seconds"] < 160


def test_a_run_without_numbers_is_not_complete(run: Planned, program: Callable[[str], None]) -> None:
    """Its checkpoint is of the last epoch, so that training again writes none."""
    run.folder.mkdir(parents=True)
    (run.folder / "metrics.json").write_text("{}")
    program("exit 0")
    assert list(make_all([run], 1)) == [(run, None)]
    assert run.complete
    (run.folder / "metrics.json").unlink()
    assert not run.complete
    problem = f"no metrics.json, and nothing left to train: remove {run.folder} to train it again"
    assert list(make_all([run], 1)) == [(run, problem)]


def test_a_process_that_outlives_its_comparison_keeps_its_folder(run: Planned, tmp_path: Path) -> None:
    file = tmp_path / "orphan.py"
    file.write_text(
        "import os, sys\nfrom pathlib import Path\nfrom xclr_lightning.comparison.children import Children\n"
        "Children().run(['sleep', '60'], Path(sys.argv[1]), open(os.devnull, 'wb'), os.environ)\n"
    )
    run.folder.mkdir(parents=True)
    parent = subprocess.Popen([sys.executable, str(file), str(run.folder)])
    lock = run.folder / ".lock"
    _wait(lambda: lock.is_file() and lock.read_text().endswith("\n"))
    parent.kill()
    parent.wait()
    child = int(lock.read_text())
    try:
        with pytest.raises(UserError, match=rf"seed-0 is still running, as process {child}: wait for it, or end it"):
            run.check()
        assert list(make_all([run], 1)) == [(run, f"{run.folder} is still running, as process {child}: wait for it, "
                                                  "or end it")]  # fmt: skip
    finally:
        os.kill(child, signal.SIGKILL)
    _wait(lambda: _is_free(run))


def test_what_runs_is_ended_with_the_comparison(tmp_path: Path, program: Callable[[str], None]) -> None:
    runs = [Planned("xclr", seed, tmp_path / str(seed), (), SETTINGS) for seed in range(4)]
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "metrics.json").write_text("{}")
    program("case \"$*\" in *everything=0*) exit 0;; esac; trap 'exit 0' TERM; while :; do sleep 0.05; done")
    with closing(make_all(runs, 2)) as made:
        assert next(made) == (runs[0], None)
    for one in runs:
        one.check()  # no process is left in it
    assert [one.complete for one in runs] == [True, False, False, False]


def test_a_folder_of_other_settings(run: Planned, tmp_path: Path) -> None:
    run.check()
    run.folder.mkdir(parents=True)
    file = run.folder / "config.yaml"
    file.write_text(yaml.safe_dump(SETTINGS))
    run.check()
    file.write_text(yaml.safe_dump(SETTINGS | {"model": {"init_args": {"lr": 0.2}}, "knn": {"k": [1]}}))
    with pytest.raises(UserError, match=r"lr 0\.2, now 0\.1, knn\.k \[1\], now not set\): choose another --run_dir"):
        run.check()
    file.write_text("[1")
    with pytest.raises(UserError, match=r"config\.yaml cannot be read"):
        run.check()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file is a file, no folder: choose another --run_dir"):
        Planned("xclr", 0, tmp_path / "file" / "seed-0", (), SETTINGS).check()


def _is_free(run: Planned) -> bool:
    try:
        run.check()
    except UserError:
        return False
    return True


def _wait(ready: Callable[[], bool]) -> None:
    for _ in range(400):
        if ready():
            return
        time.sleep(0.05)
    raise AssertionError("waited for 20 s")
