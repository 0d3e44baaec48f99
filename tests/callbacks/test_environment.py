"""What a run folder says of software and code, asked of real repositories."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch

import xclr_lightning
from xclr_lightning.callbacks import git_state as module
from xclr_lightning.callbacks.environment import environment
from xclr_lightning.callbacks.git_state import git_state
from xclr_lightning.callbacks.secrets import command_line


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With one commit on the branch ``main``; the package's own checkout is not looked for."""
    root = tmp_path / "repository"
    (root / "sub folder").mkdir(parents=True)
    monkeypatch.chdir(root)
    monkeypatch.setattr(xclr_lightning, "__file__", str(tmp_path / "site-packages" / "xclr_lightning" / "__init__.py"))
    git("init", "-q", "-b", "main")
    Path("mine.py").write_text("rate = 1\n")
    Path("sub folder/über.py").write_text("a = 1\n")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return root


def test_a_commit_without_changes(repository: Path, folder: Path) -> None:
    state = git_state(folder, 1)["git"]
    assert Path(state["root"]) == repository
    assert state["commit"] == git("rev-parse", "HEAD").strip()
    assert (state["branch"], state["changed"], state["untracked"], state["patch"]) == ("main", [], [], None)
    assert not list(folder.iterdir())


def test_a_patch_brings_changes_back(repository: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mine.py").write_text("rate = 2\n")
    Path("sub folder/über.py").unlink()
    Path("added.py").write_text("b = 1\n")
    git("add", "added.py")
    Path("new.py").write_text("secret = 1\n")
    monkeypatch.chdir("sub folder")
    state = git_state(folder, 2)["git"]
    assert sorted(state["changed"]) == ["added.py", "mine.py", "sub folder/über.py"]
    assert state["untracked"] == ["new.py"]
    assert state["patch"] == "uncommitted-2.patch"
    assert "secret" not in (folder / "uncommitted-2.patch").read_text()
    monkeypatch.chdir(repository)
    git("reset", "-q", "--hard")
    git("apply", str(folder / "uncommitted-2.patch"))
    assert Path("mine.py").read_text() == "rate = 2\n"
    assert Path("added.py").read_text() == "b = 1\n"
    assert not Path("sub folder/über.py").exists()


def test_a_patch_of_data_is_not_kept(repository: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_PATCH", 1000)
    Path("mine.py").write_text("x\n" * 1000)
    state = git_state(folder, 1)["git"]
    assert state["changed"] == ["mine.py"]
    assert state["patch"] == "none: larger than 1,000 bytes"
    assert not list(folder.iterdir())


def test_many_files_are_counted(repository: Path, folder: Path) -> None:
    for number in range(103):
        Path(f"{number:03d}.txt").touch()
    untracked = git_state(folder, 1)["git"]["untracked"]
    assert untracked[-2:] == ["099.txt", "… and 3 more"]


def test_a_branch_without_commits_and_a_commit_without_branch(repository: Path, folder: Path) -> None:
    git("checkout", "-q", "--detach")
    assert git_state(folder, 1)["git"]["branch"] is None
    shutil.rmtree(".git")
    git("init", "-q", "-b", "main")
    state = git_state(folder, 1)["git"]
    assert (state["commit"], state["branch"], len(state["untracked"])) == (None, "main", 2)


def test_the_packages_own_checkout_is_told_where_it_is_another(
    repository: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    package = other / "xclr_lightning" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.touch()
    monkeypatch.setattr(xclr_lightning, "__file__", str(package))
    git("-C", str(other), "init", "-q", "-b", "main")
    assert "git_of_package" not in git_state(folder, 1)  # such as in a virtual environment of another project
    git("-C", str(other), "add", ".")
    git("-C", str(other), "commit", "-q", "-m", "package")
    package.write_text("changed = 1\n")
    state = git_state(folder, 1)
    assert state["git"]["changed"] == []
    assert state["git_of_package"]["changed"] == ["xclr_lightning/__init__.py"]
    assert "+changed = 1" in (folder / state["git_of_package"]["patch"]).read_text()
    monkeypatch.chdir(other)
    assert "git_of_package" not in git_state(folder, 1)


def test_without_git_or_repository_or_answer_there_is_no_state(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(xclr_lightning, "__file__", str(folder / "__init__.py"))
    assert git_state(folder, 1) == {"git": None}
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert git_state(folder, 1) == {"git": None}
    # One that hangs, in a program of its own that would outlive it and hold its output open.
    (programs / "git").write_text(f"#!{shutil.which('sh', path=os.defpath)}\n/bin/sleep 60\n")
    (programs / "git").chmod(0o755)
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    began = time.monotonic()
    assert git_state(folder, 1) == {"git": None}
    assert time.monotonic() - began < 30


def test_what_a_run_ran_on(repository: Path, folder: Path) -> None:
    facts = environment(["fit", "--config", "demo", "--model.hub_token", "hunter2"], 2, folder, 1)
    assert facts["command"] == "python -m xclr_lightning fit --config demo --model.hub_token HIDDEN"
    assert facts["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert facts["packages"]["xclr-lightning"] == xclr_lightning.__version__
    assert facts["world_size"] == 2
    assert 1 <= facts["cpus"] <= (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--model.api_key=hunter2", "--model.lr", "0.1"], "--model.api_key=HIDDEN --model.lr 0.1"),
        (["--hub_token", "hunter2", "--password", "hunter2"], "--hub_token HIDDEN --password HIDDEN"),
        (["--model.kwargs", "{hub_token: hunter2, lr: 0.1}"], "--model.kwargs '{hub_token: HIDDEN, lr: 0.1}'"),
        (
            ["--data.train", "https://host/a.tar?token=hunter2&x=1"],
            "--data.train 'https://host/a.tar?token=HIDDEN&x=1'",
        ),
        (["--data.train=s3://me:hunter2@host/a.tar"], "--data.train=s3://HIDDEN@host/a.tar"),
        (
            ["--data.train", "pipe:curl -H 'Authorization: Bearer hunter2' {}"],
            "--data.train 'pipe:curl -H '\"'\"'Authorization: Bearer HIDDEN'\"'\"' {}'",
        ),
        (["--data.train", "tokens/x", "--trainer.max_epochs=2"], "--data.train tokens/x --trainer.max_epochs=2"),
    ],
)
def test_a_command_is_kept_without_secrets(given: list[str], kept: str) -> None:
    assert command_line(given) == f"python -m xclr_lightning {kept}"
