"""The commit that code is at, and what was changed since: asked of git, with patience for a few seconds only."""

import os
import subprocess
import time
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import xclr_lightning

# Seconds for all questions together; a checkout on a slow disk is no reason to wait.
PATIENCE = 5.0
# Bytes of a patch; what is larger is data, not code.
LARGEST_PATCH = 1_000_000
# Names of files that are listed.
LISTED = 100


def git_state(folder: Path, number: int) -> dict[str, Any]:
    """The state of the checkout that the user works in, and of the package's own where that is another.

    Args:
        folder: Where changes are written, as ``uncommitted.patch``: those of files that git tracks.
        number: Of the start of a run; later ones write ``uncommitted-2.patch``, ….

    Returns:
        ``git`` and, of another checkout, ``git_of_package``: ``root``, ``commit``, ``branch``, ``changed`` and
        ``untracked`` files, ``patch``, which is the patch's name or why there is none. None where there is no git, no
        repository, or no answer in time.
    """
    git = _Git(PATIENCE)
    package = Path(xclr_lightning.__file__).parent
    root = git.root(Path.cwd())
    found: dict[str, Any] = {"git": git.state(root, folder / _name("uncommitted", number)) if root else None}
    # In another checkout's virtual environment it is not part of that checkout.
    elsewhere = git.root(package) if git.ask(package, "ls-files", "--error-unmatch", "__init__.py") else None
    if elsewhere and elsewhere != root:
        found["git_of_package"] = git.state(elsewhere, folder / _name("uncommitted-package", number))
    return found


class _Git:
    """Answers of git, within so many seconds together."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def ask(self, folder: Path, *arguments: str) -> bytes | None:
        """What a command prints; None where it fails or takes too long."""
        # As configured for a person, git may start programs that keep running.
        command = ["git", "-c", "core.fsmonitor=false", "-c", "diff.relative=false", "-C", str(folder), *arguments]
        quiet = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        left = max(0.0, self._until - time.monotonic())
        try:
            return subprocess.run(
                command, stdin=DEVNULL, capture_output=True, env=quiet, timeout=left, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return None

    def root(self, folder: Path) -> Path | None:
        answer = self.ask(folder, "rev-parse", "--show-toplevel")
        return Path(os.fsdecode(answer.rstrip(b"\n"))) if answer else None

    def state(self, root: Path, patch: Path) -> dict[str, Any] | None:
        """Its commit, branch and changes, of which it writes a patch."""
        status = self.ask(root, "status", "--porcelain", "--no-renames", "-z")
        if status is None:
            return None
        lines = [os.fsdecode(line) for line in status.split(b"\0") if line]
        untracked = [line[3:] for line in lines if line.startswith("??")]
        changed = [line[3:] for line in lines if not line.startswith("??")]
        return {
            "root": str(root),
            "commit": self._line(root, "rev-parse", "--verify", "HEAD"),
            "branch": self._line(root, "symbolic-ref", "--short", "HEAD"),
            "changed": _listed(changed),
            "untracked": _listed(untracked),
            "patch": self._write(root, patch) if changed else None,
        }

    def _line(self, root: Path, *arguments: str) -> str | None:
        answer = self.ask(root, *arguments)
        return answer.decode(errors="replace").strip() if answer else None

    def _write(self, root: Path, patch: Path) -> str:
        plain = ("--no-color", "--no-ext-diff", "--no-textconv")
        answer = self.ask(root, "diff", "HEAD", *plain)
        if answer is None:
            return "none: git did not answer"
        if len(answer) > LARGEST_PATCH:
            return f"none: larger than {LARGEST_PATCH:,} bytes"
        patch.write_bytes(answer)
        return patch.name


def _listed(names: list[str]) -> list[str]:
    return names if len(names) <= LISTED else [*names[:LISTED], f"… and {len(names) - LISTED:,} more"]


def _name(stem: str, number: int) -> str:
    return f"{stem}.patch" if number == 1 else f"{stem}-{number}.patch"
