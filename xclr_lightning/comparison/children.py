"""Processes that are ended with this one, and what went wrong in them."""

import fcntl
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from xclr_lightning.errors import UserError

# Seconds that a process has to end by itself: at the next batch, if it trains.
GRACE = 20
LOCK = ".lock"


class Children:
    """Processes that run side by side, which one call stops."""

    def __init__(self) -> None:
        self._guard, self._running, self._stopped = Lock(), set[subprocess.Popen[bytes]](), False

    def run(self, command: Sequence[str], folder: Path, log: BinaryIO, environment: Mapping[str, str]) -> int:
        """Run a command to its end, alone in its folder, and return its exit status: −n where signal n ended it.

        Args:
            command: A program and its arguments.
            folder: Locked as long as the process lives, even if this one does not.
            log: Where it prints.
            environment: Its environment variables.

        Raises:
            UserError: A process is at work in the folder.
            InterruptedError: All was stopped, before its start or its end.
        """
        with (folder / LOCK).open("a+") as lock:
            _lock(lock.fileno(), folder)
            with self._guard:
                if self._stopped:
                    raise InterruptedError("stopped")
                process = subprocess.Popen(
                    command, stdout=log, stderr=subprocess.STDOUT, env=environment, pass_fds=[lock.fileno()]
                )
                self._running.add(process)
            lock.truncate(0)
            lock.write(f"{process.pid}\n")
            lock.flush()
            status = process.wait()
            with self._guard:
                self._running.remove(process)
                if self._stopped:
                    raise InterruptedError("stopped")
            return status

    def stop(self) -> None:
        """End those that run, and start none any more."""
        with self._guard:
            self._stopped = True
            running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(GRACE)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                process.kill()


def refuse_busy(folder: Path) -> None:
    """Refuse a folder in which a process is at work.

    Raises:
        UserError: There is one.
    """
    if (folder / LOCK).is_file():
        with (folder / LOCK).open() as lock:
            _lock(lock.fileno(), folder)


def problem(status: int, printed: str) -> str | None:
    """What went wrong, in a line; None if nothing did.

    Args:
        status: As :meth:`Children.run` returns it.
        printed: By the process.

    Example:
        >>> problem(-9, "epoch 1/4"), problem(2, "xclr_lightning: error: no config\\nbye"), problem(0, "")
        ('killed by signal 9', 'xclr_lightning: error: no config', None)
    """
    if status == 0:
        return None
    if status < 0:
        return f"killed by signal {-status}"
    lines = [line for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or [f"exit status {status}"])[-1].strip()


def _lock(file: int, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process = (folder / LOCK).read_text().strip() or "of another call"
        raise UserError(f"{folder} is still running, as process {process}: wait for it, or end it") from None
